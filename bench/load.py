"""The processes of a measurement: the app, the sidecar, the senders. Each ends with the block that started it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

APPS = 2014060600164699
KEYS = Path(__file__).parent.parent / "tests" / "fixtures" / "keys"
# How long a process may take until it answers: valgrind makes it slow.
START = 60

# Told to end, it ends its processes first.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class Process:
    """A process that is ended with its block."""

    def __init__(self, command, processors=None, env=None, cwd=None, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None):
        self.popen = subprocess.Popen(
            [str(word) for word in command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=os.environ | (env or {}),
            cwd=cwd,
            text=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, processors)) if processors else None,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def tree(self):
        """Its id, and those of the processes that came of it."""
        ids = [self.popen.pid]
        for pid in ids:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                ids += map(int, task.read_text().split())
        return ids

    def cpu_seconds(self):
        """The processor time that it took up to now, of all its threads and processes."""
        ticks = 0
        for pid in self.tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self, what):
        """`VmRSS`, what it has in memory now, or `VmHWM`, the most it had, in KiB."""
        total = 0
        for pid in self.tree():
            status = Path(f"/proc/{pid}/status").read_text()
            total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(what + ":"))
        return total


class Upstream(Process):
    """The app behind whatever is measured."""

    def __init__(self, build, processors=None):
        command = [build / "release" / "load", "upstream"]
        super().__init__(command, processors=processors, stdout=subprocess.PIPE)
        self.address = self.popen.stdout.readline().strip()

    def ask(self, path):
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: {self.address}\r\n\r\n".encode())
            stream.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: stream.recv(65536), b""))
        return answer.partition(b"\r\n\r\n")[2]

    def count(self):
        """How much it got."""
        return int(self.ask("/count"))


class Server(Process):
    """A process that listens at its `address` when the block begins."""

    def __init__(self, command, address, **options):
        self.address = address
        super().__init__(command, **options)

    def __enter__(self):
        try:
            wait_for(self.address, self.popen)
        except BaseException:
            self.__exit__()
            raise
        return self


class Sidecar(Server):
    """The sidecar, in front of an app."""

    def __init__(self, binary, upstream, folder, *, apps=1, bits=2048, settings="", around=(), processors=None, log="info"):
        folder.mkdir(parents=True, exist_ok=True)
        address, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        config = folder / f"sidecar-{address.rpartition(':')[2]}.toml"
        config.write_text(
            f'[server]\nlisten = "{address}"\nmax_body = "256KiB"\n[admin]\nlisten = "{self.admin}"\n'
            f'[upstream]\nurl = "http://{upstream.address}/alipay/notify"\n{settings}\n'
            + "".join(
                f'[[apps]]\napp_id = "{APPS + number}"\nalipay_public_key_files = ["{public_key(bits)}"]\n'
                for number in range(apps)
            )
        )
        command = [*around, binary, "run", "--config", config]
        super().__init__(command, address, processors=processors, env={"SIDECAR_LOG": log})


class Redis(Server):
    """A Redis on loopback, which remembers nothing after its end."""

    def __init__(self):
        address = f"127.0.0.1:{free_port()}"
        host, port = address.split(":")
        super().__init__(["redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no"], address)


def public_key(bits):
    """The file of the public half of the key that the senders sign with."""
    return KEYS / f"test_key_{bits}.pub.pem"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, popen, seconds=START):
    """Waits until somebody listens at `address`."""
    host, port = address.split(":")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if popen.poll() is not None:
            raise RuntimeError(f"{popen.args[0]} ended with {popen.returncode} before it listened")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError(f"{popen.args[0]} does not listen at {address}")


class Senders(Process):
    """Senders that have signed what they will send."""

    def __init__(self, build, to, *, count, processors=None, path="/alipay/notify", hold=False, **options):
        words = [f"--{name}={value}" for name, value in options.items()]
        command = [build / "release" / "load", "send", f"--to={to}", f"--path={path}", f"--count={count}", *words]
        command += ["--hold"] if hold else []
        super().__init__(command, processors=processors, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.popen.stdout.readline() != "ready\n":
            raise RuntimeError("the senders ended before they sent")

    def go(self):
        """Lets them send, and gives what they heard."""
        self.line()
        return json.loads(self.popen.stdout.readline())

    def line(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()


def send(build, to, **options):
    """Sends, and gives what was heard."""
    with Senders(build, to, **options) as senders:
        return senders.go()
