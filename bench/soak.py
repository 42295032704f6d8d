#!/usr/bin/env python3
"""Keeps the sidecar under a steady load, and writes down what it has in memory.

soak.py BUILD BINARY OUT.csv MINUTES [--rate N]

Ends with 1 where an answer was wrong or lost, or where memory grew: where a line through the samples of the second half
rises by more than 1 MiB an hour. The ledger retains records for 5 minutes, so that in a run of an hour it is as full as it
gets after a tenth of that, and forgets as many as it takes from there on. A run of less than half an hour judges no growth.
"""

import argparse
import csv
import json
import sys
import threading
import time
from pathlib import Path

from load import Senders, Sidecar, Upstream

# Seconds between two samples.
STEP = 5
# How much may be open at once.
CONNECTIONS = 16
# KiB an hour.
GROWTH = 1024
SETTINGS = '[verify]\nmax_age = "4m"\n[ledger]\nretain = "5m"\n'


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=Path)
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("minutes", type=float)
    arguments.add_argument("--rate", type=int, default=200)
    options = arguments.parse_args()
    count = int(options.rate * options.minutes * 60)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with Upstream(options.build) as upstream, Sidecar(options.binary, upstream, options.build / "bench", settings=SETTINGS) as sidecar:
        seconds = int(options.minutes * 60) + 60
        with Senders(
            options.build, sidecar.address, count=count, connections=CONNECTIONS, rate=options.rate, seconds=seconds
        ) as senders, options.out.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["seconds", "delivered", "cpu_seconds", "rss_kib"])
            heard = {}
            load = threading.Thread(target=lambda: heard.update(senders.go()))
            start = time.monotonic()
            load.start()
            samples = []
            while load.is_alive():
                after = time.monotonic() - start
                samples.append((after, sidecar.memory("VmRSS")))
                rows.writerow([round(after, 1), upstream.count(), sidecar.cpu_seconds(), samples[-1][1]])
                file.flush()
                load.join(STEP)
    print(json.dumps(heard))
    late = samples[len(samples) // 2 :]
    growth = slope(late) * 3600
    print(f"{len(samples)} samples; memory {samples[0][1]} KiB at first, {late[0][1]} KiB at half time, {late[-1][1]} KiB at the end")
    print(f"in the second half it grew by {growth:.0f} KiB an hour")
    wrong = heard["wrong"] or heard["broken"] or heard["answers"] != count
    sys.exit(1 if wrong or (options.minutes >= 30 and growth > GROWTH) else 0)


def slope(samples):
    """Of the line that fits the samples best."""
    xs, ys = zip(*samples)
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    below = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in samples) / below if below else 0.0


if __name__ == "__main__":
    main()
