#!/usr/bin/env python3
"""Counts the instructions of a notification, and compares them with what was recorded.

gate.py BUILD BASELINE [--renew] [--skipped FILE]

BUILD is the folder with what `make bench-build` made. A rise of more than 3% fails. Where the counts could not be
compared with the recorded ones, that is said, and written into the file that --skipped names.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from load import Sidecar, Upstream, send

ROOT = Path(__file__).parent.parent
LIMIT = 1.03
# How many notifications the whole process is given, once and once more: what they differ by took their difference.
FEW, MANY = 50, 550
# What has so many checks of an RSA-2048 signature in it. They are the library's, and would hide a rise of the rest.
WITH_RSA = {
    "verifying: verification v1": 1,
    "verifying: verification v2": 2,
    "verifying: verification forged": 2,
    "verifying: verification unknown_app": 2,
    "process": 1,
}
RSA = "verifying: library rsa_2048"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=Path)
    arguments.add_argument("baseline", type=Path)
    arguments.add_argument("--renew", action="store_true")
    arguments.add_argument("--skipped", type=Path)
    options = arguments.parse_args()
    here = machine()
    recorded = json.loads(options.baseline.read_text()) if options.baseline.exists() else None
    obstacle = "no valgrind" if here["valgrind"] is None else None
    if not options.renew:
        obstacle = obstacle or other(recorded["measured_with"], here)
    if obstacle and options.renew:
        sys.exit(f"make bench-baseline: {obstacle}")
    if obstacle:
        line = f"SKIPPED: counted benches ({obstacle}; `make bench-baseline` records a baseline of this machine's own)"
        print(line, file=sys.stderr)
        if options.skipped:
            with options.skipped.open("a") as skipped:
                print(line, file=skipped)
        return
    counts = without_rsa(rooms(options.build) | {"process": process(options.build)})
    if options.renew:
        text = json.dumps({"measured_with": here, "instructions": counts}, indent=2)
        options.baseline.write_text(text + "\n")
        print(f"{options.baseline}: {len(counts)} counts recorded")
        return
    sys.exit(compare(recorded, counts, here))


def machine():
    """What the counts depend on beside the code."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    valgrind = shutil.which("valgrind") and subprocess.run(
        ["valgrind", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip().removeprefix("valgrind-")
    return {
        "processor": platform.machine(),
        # valgrind shows the same processor on all that have AVX2, so that libraries choose the same code there.
        "avx2": "avx2" in Path("/proc/cpuinfo").read_text(),
        "rustc": rustc,
        "valgrind": valgrind,
        "libc": " ".join(platform.libc_ver()),
    }


def other(recorded, here):
    """Why counts of this machine say nothing about the recorded ones, if they do not."""
    for what in ["processor", "avx2", "rustc"]:
        if recorded[what] != here[what]:
            return f"the baseline is of {what} {recorded[what]}, and this is {here[what]}"
    return None


def rooms(build):
    """The instructions of each counted bench of the rooms."""
    command = [os.environ.get("CARGO", "cargo"), "bench", "--quiet", "--locked", "--manifest-path", "bench/Cargo.toml"]
    command += ["--target-dir", build, "--bench", "rooms", "--", "--output-format=json"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=900)
    if run.returncode != 0:
        sys.exit("make bench-gate: the counted benches did not run to their end; what they said is above")
    counts = {}
    for summary in map(json.loads, run.stdout.decode().splitlines()):
        name = f"{summary['group']}: {summary['function_name']} {summary['id']}"
        # Of the calling thread: those beside it, such as the app's, count nothing.
        counts[name] = summary["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"]
    return counts


def process(build, few=FEW, many=MANY, sidecar=None, load=None):
    """The instructions of the whole process for one notification, from its bytes on a socket to the answer's."""
    taken = [whole(build, count, sidecar or {}, load or {}) for count in (few, many)]
    return (taken[1] - taken[0]) // (many - few)


def whole(build, count, sidecar, load):
    """All instructions of a sidecar that gets so many notifications, one after another on one connection."""
    log = build / "bench" / "cachegrind.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}"]
    binary = build / "release" / "sidecar"
    with Upstream(build) as upstream:
        # One processor, so that there is one worker.
        with Sidecar(binary, upstream, build / "bench", around=valgrind, processors={0}, **sidecar) as target:
            result = send(build, target.address, count=count, **load)
    if result["answers"] != count or result["wrong"]:
        sys.exit(f"bench: the sidecar under valgrind answered {result}")
    return int(re.search(r"I\s+refs:\s+([\d,]+)", log.read_text())[1].replace(",", ""))


def without_rsa(counts):
    """The counts, and beside those with a signature what is left without it."""
    rest = {f"{name}, without RSA": counts[name] - times * counts[RSA] for name, times in WITH_RSA.items()}
    return counts | rest


def compare(recorded, counts, here):
    """Prints what differs from the recorded counts; 1 if something takes more than it may."""
    risen, old = [], recorded["instructions"]
    for name in sorted(old.keys() | counts.keys()):
        before, after = old.get(name), counts.get(name)
        if before is None or after is None:
            risen.append(f"{name}: {'is not recorded' if before is None else 'is recorded, and was not counted'}")
            continue
        if after > before * LIMIT:
            risen.append(f"{name}: {before} -> {after} instructions ({after / before - 1:+.1%})")
        elif after * LIMIT < before:
            print(f"bench-gate: {name}: {before} -> {after} ({after / before - 1:+.1%})")
    if not risen:
        print(f"bench-gate: {len(counts)} counts, none of which rose by more than 3%")
        return 0
    print("bench-gate: too many instructions:", *risen, sep="\n  ", file=sys.stderr)
    changed = [what for what in here if here[what] != recorded["measured_with"][what]]
    if changed:
        was = ", ".join(f"{what} {recorded['measured_with'][what]} (here {here[what]})" for what in changed)
        print(f"  the baseline was measured with {was}, which may be the reason", file=sys.stderr)
    print("  if that is meant: `make bench-baseline`, and commit bench/baseline.json", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
