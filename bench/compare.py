#!/usr/bin/env python3
"""Measures the sidecar and its peers side by side, on this machine.

compare.py BUILD [--binary NAME=PATH …] [--rounds N] [--count N] [--connections N] [--bits N] [--only NAME,…] [--out FILE]

Each target first has to show that it does the work. Then each round gives each of them one slot, in turn. The figures are
medians over the rounds, and the ratios are taken within a round, since a machine is not as fast at one time as at another.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

from load import Senders, Server, Sidecar, Upstream, free_port, public_key

HERE = Path(__file__).parent
ROOT = HERE.parent
PYTHON = ROOT / "tests/interop/alipay-sdk-python/.venv/bin/python"
SDK = ROOT / "tests/interop/alipay-sdk/node_modules/alipay-sdk"
# The longest slot, in seconds: a slow target answers as many as it can.
SLOT = 8
FORGERIES = ["altered", "forged", "unsigned", "foreign"]


def peer(command, address, processors, **options):
    """A gateway that does what the sidecar does, as far as the check asks."""
    return Server(command, address, processors=processors, **options)


def nginx(folder, upstream, bits, processors):
    address = f"127.0.0.1:{free_port()}"
    folder.mkdir(parents=True, exist_ok=True)
    config = (HERE / "peers" / "nginx.conf").read_text()
    for name, value in {
        "folder": folder,
        "peers": HERE / "peers",
        "key": public_key(bits),
        "upstream": upstream.address,
        "listen": address,
    }.items():
        config = config.replace(f"@{name}@", str(value))
    file = folder / "nginx.conf"
    file.write_text(config)
    return peer(["nginx", "-p", "/usr/share/nginx", "-e", folder / "error.log", "-c", file], address, processors)


def node(folder, upstream, bits, processors):
    address = f"127.0.0.1:{free_port()}"
    command = ["node", HERE / "peers" / "gateway.mjs", address, upstream.address, public_key(bits)]
    return peer(command, address, processors, stderr=subprocess.DEVNULL)


def python(folder, upstream, bits, processors):
    address = f"127.0.0.1:{free_port()}"
    command = [PYTHON, HERE / "peers" / "gateway.py", address, upstream.address, public_key(bits)]
    return peer(command, address, processors, stderr=subprocess.DEVNULL)


def bare(build):
    """The limit: what the work takes with hyper and aws-lc, and nothing beside it."""

    def start(folder, upstream, bits, processors):
        address = f"127.0.0.1:{free_port()}"
        return peer([build / "limit" / "bare", address, upstream.address, public_key(bits)], address, processors)

    return start


def sidecar(binary):
    def start(folder, upstream, bits, processors):
        folder.mkdir(parents=True, exist_ok=True)
        return Sidecar(binary, upstream, folder, bits=bits, processors=processors)

    return start


def has_nginx():
    return shutil.which("nginx") and Path("/usr/share/lua/5.1/openssl/pkey.lua").exists()


def targets(build, binaries):
    """What can be measured here; what cannot is named."""
    found = {"bare hyper + aws-lc": bare(build)} | {name: sidecar(path) for name, path in binaries.items()}
    for name, start, is_there, remedy in [
        ("nginx + Lua + OpenSSL", nginx, has_nginx(), "apt-get install nginx-light libnginx-mod-http-lua lua-luaossl lua-cjson"),
        ("Node + alipay-sdk", node, SDK.exists(), "make test-deps"),
        ("Python + alipay-sdk-python", python, PYTHON.exists(), "make test-deps"),
    ]:
        if is_there:
            found[name] = start
        else:
            print(f"bench: without {name}: {remedy}", file=sys.stderr)
    return found


def check(name, start, build, upstream, options):
    """Whether the target accepts what is genuine, refuses what is not, and says `success` for what the app took alone."""
    with start(build / "bench" / "check", upstream, options.bits, None) as target:
        for what, wanted in [("genuine", 50)] + [(what, 0) for what in FORGERIES]:
            before = upstream.count()
            heard = send(build, target.address, options, count=50, what=what)
            passed = upstream.count() - before
            if heard["wrong"] or heard["broken"] or heard["answers"] != 50 or passed != wanted:
                sys.exit(f"bench: {name} does not do the work: {what}: {passed} of 50 passed, {heard}")
            if what == "genuine":
                shown = json.loads(upstream.ask("/last"))
                if not isinstance(shown["biz_content"], dict) or len(shown["notify_id"]) != 32:
                    sys.exit(f"bench: {name} does not forward the content as JSON")
        upstream.ask("/refuse")
        heard = send(build, target.address, options, count=50, what="failing")
        upstream.ask("/accept")
        if heard["wrong"] or heard["answers"] != 50:
            sys.exit(f"bench: {name} says success for what the app refused: {heard}")


def send(build, to, options, **more):
    with Senders(build, to, bits=options.bits, **more) as senders:
        return senders.go()


def slot(start, build, upstream, options):
    """One target, fresh, with notifications that it has not seen."""
    one, other = sides()
    with start(build / "bench" / "slot", upstream, options.bits, one) as target:
        send(build, target.address, options, count=200, connections=8, processors=other)
        with Senders(
            build, target.address, count=options.count, connections=options.connections, seconds=SLOT, bits=options.bits, processors=other
        ) as senders:
            before = target.cpu_seconds()
            heard = senders.go()
            cpu = target.cpu_seconds() - before
            if heard["wrong"] or heard["broken"]:
                sys.exit(f"bench: wrong answers: {heard}")
            return {
                "cpu_us": cpu / heard["answers"] * 1e6,
                "per_second": heard["answers"] / heard["seconds"],
                "p50_ms": heard["p50_us"] / 1000,
                "p99_ms": heard["p99_us"] / 1000,
                "rss_mib": target.memory("VmHWM") / 1024,
                "answers": heard["answers"],
            }


def sides():
    """The processor for the target, and those for all else; none where there is but one."""
    all_of_them = sorted(os.sched_getaffinity(0))
    return ({all_of_them[0]}, set(all_of_them[1:])) if len(all_of_them) > 1 else (None, None)


def report(rounds, first):
    """The medians of each target, and its processor time in relation to the first one's."""
    rows = {}
    for name in rounds[0]:
        row = {what: statistics.median(taken[name][what] for taken in rounds) for what in rounds[0][name]}
        ratios = sorted(taken[name]["cpu_us"] / taken[first]["cpu_us"] for taken in rounds)
        row["cpu_ratio"], row["cpu_ratio_range"] = statistics.median(ratios), [ratios[0], ratios[-1]]
        rows[name] = row
    return rows


def table(rows):
    lines = [
        "| target | CPU µs each | × CPU (range) | per second | p50 ms | p99 ms | peak RSS MiB |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in rows.items():
        low, high = row["cpu_ratio_range"]
        lines.append(
            f"| {name} | {row['cpu_us']:.1f} | {row['cpu_ratio']:.2f} ({low:.2f}–{high:.2f}) | {row['per_second']:.0f} "
            f"| {row['p50_ms']:.2f} | {row['p99_ms']:.2f} | {row['rss_mib']:.1f} |"
        )
    return "\n".join(lines)


def machine():
    models = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"processor": models[0] if models else platform.machine(), "processors": len(models), "linux": platform.release()}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=lambda path: Path(path).resolve())
    arguments.add_argument("--binary", action="append", default=[])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--count", type=int, default=20_000)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--bits", type=int, default=2048)
    arguments.add_argument("--only")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    binaries = dict(pair.split("=", 1) for pair in options.binary)
    found = targets(options.build, binaries)
    if options.only:
        found = {name: start for name, start in found.items() if any(word in name for word in options.only.split(","))}
    _, other = sides()
    with Upstream(options.build, processors=other) as upstream:
        for name, start in found.items():
            check(name, start, options.build, upstream, options)
            print(f"bench: {name} does the work", file=sys.stderr)
        rounds = []
        for number in range(options.rounds):
            rounds.append({name: slot(start, options.build, upstream, options) for name, start in found.items()})
            print(f"bench: round {number + 1} of {options.rounds}", file=sys.stderr)
    rows = report(rounds, next(iter(found)))
    print(table(rows))
    if options.out:
        taken = {"date": date.today().isoformat(), "machine": machine()}
        taken |= {name: getattr(options, name) for name in ["rounds", "count", "connections", "bits"]}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(taken | {"targets": rows}, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
