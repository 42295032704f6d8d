#!/usr/bin/env python3
"""Measures what a notification costs where there is more of something, and writes it down.

scale.py BUILD BINARY OUT [--part instructions|memory]

Instructions are those of the whole process, counted by valgrind; memory is that of BINARY.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import gate
from load import Redis, Senders, Sidecar, Upstream

# How many notifications the process is given, once and once more.
FEW, MANY = 20, 120
APPS = [1, 100, 10_000]
MESSAGES = [0, 1_000]
BODIES = [1, 4, 16, 64, 256]
BITS = [2048, 4096]
STORES = ["off", "memory", "file"]
CONNECTIONS = [0, 64, 1_000, 10_000]
# No more are to be delivered at once than `upstream.max_in_flight` allows.
AT_ONCE = 64
# A message of one's own.
MESSAGE = """msg_method = "example.number_{number}"
complete = true
title = {{ en = "One of many" }}
source = {{ page = "example.com", kind = "documented" }}
[[fields]]
name = "text"
type = "string"
required = true
description = {{ en = "A text" }}
"""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=Path)
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--part", choices=["instructions", "memory"])
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.part != "memory":
        write(options.out / "scaling.json", instructions(options.build))
    if options.part != "instructions":
        write(options.out / "memory.json", memory(options.build, options.binary))


def write(file, content):
    file.write_text(json.dumps(content, indent=2) + "\n")
    print(f"{file} written")


def instructions(build):
    def count(load=None, **sidecar):
        taken = gate.process(build, FEW, MANY, sidecar, load or {})
        print(f"{sidecar or load}"[:60], taken, flush=True)
        return taken

    taken = {"machine": gate.machine(), "of": "instructions of the process for a notification"}
    # The first notifications are of all apps that any is of: what happens once a key is not in the difference.
    taken["apps"] = {number: count(load={"apps": min(number, FEW)}, apps=number) for number in APPS}
    taken["messages"] = {number: count(settings=messages(build, number)) for number in MESSAGES}
    taken["bodies_kib"] = {kib: count(load={"body": kib * 1024}) for kib in BODIES}
    taken["bits"] = {bits: count(load={"bits": bits}, bits=bits) for bits in BITS}
    taken["store"] = {store: count(settings=ledger(build, store)) for store in STORES}
    # What Redis itself does is not counted, and who waits for it takes no instructions.
    with Redis() as redis:
        taken["store"]["redis"] = count(settings=f'[ledger]\nstore = "redis"\nurl = "redis://{redis.address}"\n')
    return taken


def messages(build, number):
    """The lines that add so many messages to the catalogue."""
    folder = build / "bench" / "messages"
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{one}.toml" for one in range(number)]
    for one, name in enumerate(names):
        name.write_text(MESSAGE.format(number=one))
    return f"[translate]\nmessages = {json.dumps([str(name) for name in names])}\n"


def ledger(build, store):
    if store != "file":
        return f'[ledger]\nstore = "{store}"\n'
    path = build / "bench" / f"ledger-{time.monotonic_ns()}.redb"
    return f'[ledger]\nstore = "file"\npath = "{path}"\n'


def memory(build, binary):
    """What the process has in memory with so many connections open, each of which brought one notification."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    taken = {"machine": gate.machine(), "of": "KiB of memory (VmRSS), by open connections"}
    rows = {}
    for connections in CONNECTIONS:
        with Upstream(build) as upstream, Sidecar(binary, upstream, build / "bench") as sidecar:
            if connections == 0:
                rows[0] = sidecar.memory("VmRSS")
                continue
            senders = Senders(build, sidecar.address, count=connections, connections=connections, hold=True, **{"at-once": AT_ONCE})
            with senders:
                heard = senders.go()
                if heard["answers"] != connections or heard["wrong"]:
                    raise SystemExit(f"with {connections} connections: {heard}")
                rows[connections] = sidecar.memory("VmRSS")
                senders.line()
        print(f"{connections} connections: {rows[connections]} KiB")
    taken["connections"] = rows
    return taken


if __name__ == "__main__":
    main()
