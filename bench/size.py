#!/usr/bin/env python3
"""Sums the code in a binary with symbols by the package that it comes from: size.py BINARY"""

import collections
import re
import subprocess
import sys

# Generic code of the standard library stands with the package that it was made for.
STANDARD = {"alloc", "core", "std"}


def main():
    command = ["nm", "--print-size", "--demangle", "--defined-only", sys.argv[1]]
    sizes = collections.Counter()
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if symbol := re.match(r"\S+ (\S+) [tTwWvV] (.*)$", line):
            sizes[package(symbol[2])] += int(symbol[1], 16)
    if not sizes:
        sys.exit(f"{sys.argv[1]} has no symbols: build it with strip = \"none\"")
    print("| package | KiB of code |\n|---|--:|")
    for name, size in sizes.most_common(20):
        print(f"| {name} | {size / 1024:.0f} |")
    print(f"| all | {sizes.total() / 1024:.0f} |")


def package(symbol):
    """Names in paths are those of packages, from the outside in; C has none."""
    names = re.findall(r"(?<![\w:])([a-z_][a-z0-9_]*)::", symbol)
    if not names:
        return "C: aws-lc"
    return next((name for name in names if name not in STANDARD), "the standard library").replace("_", "-")


if __name__ == "__main__":
    main()
