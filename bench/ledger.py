#!/usr/bin/env python3
"""Writes the table that `make ledger` prints as JSON: ledger.py FILE < TABLE"""

import json
import re
import sys
from pathlib import Path

import gate

COLUMNS = {
    "memory": ["records", "bytes_each", "look_up_ns", "put_ns"],
    "file": ["records", "file_mb", "put_us", "look_up_ns"],
    "redis": ["records", "bytes_each", "begin_and_end_us", "own_processor_us", "look_up_us"],
}


def main():
    taken = {"machine": gate.machine(), **{store: [] for store in COLUMNS}}
    store = None
    for line in sys.stdin:
        print(line, end="")
        if heading := re.search(r"\| records in (?:a )?(memory|file|Redis)", line):
            store = heading[1].lower()
        elif re.match(r"\| \d", line):
            taken[store].append(dict(zip(COLUMNS[store], map(float, line.strip("| \n").split("|")), strict=True)))
        elif opened := re.search(r"opened with (\d+) records in (\d+) ms", line):
            taken["open"] = {"records": int(opened[1]), "ms": int(opened[2])}
    if "open" not in taken or not taken["redis"]:
        sys.exit("make ledger did not come to its end")
    Path(sys.argv[1]).write_text(json.dumps(taken, indent=2) + "\n")


if __name__ == "__main__":
    main()
