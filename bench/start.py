#!/usr/bin/env python3
"""Measures how long the sidecar takes from its start to the first `success`, and what it has in memory then.

start.py BUILD BINARY OUT.json [--times N]
"""

import argparse
import json
import socket
import statistics
import time
from pathlib import Path

import gate
from load import Senders, Sidecar, Upstream


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=Path)
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--times", type=int, default=30)
    options = arguments.parse_args()
    request = one(options.build)
    with Upstream(options.build) as upstream:
        starts = [start(options, upstream, request) for _ in range(options.times)]
    taken = {"machine": gate.machine(), "times": options.times, "median": {}, "range": {}}
    for what in starts[0]:
        values = sorted(each[what] for each in starts)
        taken["median"][what] = round(statistics.median(values), 1)
        taken["range"][what] = [round(values[0], 1), round(values[-1], 1)]
    options.out.write_text(json.dumps(taken, indent=2) + "\n")
    print(json.dumps(taken["median"]), json.dumps(taken["range"]))


def one(build):
    """A genuine notification, as it stands on the wire."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Senders(build, f"127.0.0.1:{listener.getsockname()[1]}", count=1, connections=1) as senders:
            senders.line()
            stream, _ = listener.accept()
            with stream:
                request = b""
                while not is_whole(request):
                    request += stream.recv(65536)
                stream.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsuccess")
                senders.popen.stdout.readline()
    return request


def is_whole(request):
    head, separator, body = request.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(separator) and len(body) >= int(lengths[0])


def start(options, upstream, request):
    began = time.monotonic()
    sidecar = Sidecar(options.binary, upstream, options.build / "bench")
    try:
        host, port = sidecar.address.split(":")
        while True:
            try:
                stream = socket.create_connection((host, int(port)), timeout=5)
                break
            except ConnectionRefusedError:
                time.sleep(0.0005)
        with stream:
            stream.sendall(request)
            answer = stream.recv(65536)
        took = time.monotonic() - began
        if not answer.endswith(b"success"):
            raise SystemExit(f"instead of success: {answer!r}")
        return {"ms": took * 1000, "anonymous_kib": sidecar.memory("RssAnon"), "file_kib": sidecar.memory("RssFile")}
    finally:
        sidecar.__exit__()


if __name__ == "__main__":
    main()
