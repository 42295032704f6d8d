#!/usr/bin/env python3
"""Draws docs/performance/*.svg of the figures beside them: plot.py FOLDER"""

import csv
import json
import sys
from math import log10
from pathlib import Path
from xml.sax.saxutils import escape

# The picture, and what of it the axes enclose, in pixels.
WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 40, 52
COLOURS = ["#1677ff", "#d4380d", "#389e0d"]


def main():
    folder = Path(sys.argv[1])
    read = lambda name: json.loads((folder / name).read_text())
    drawn = []

    def draw(name, *plot, **options):
        (folder / name).write_text(svg(*plot, **options))
        drawn.append(name)

    scaling = read("scaling.json")
    for part, label in [
        ("apps", "apps"),
        ("messages", "messages of one's own beside those built in"),
        ("bodies_kib", "KiB of body"),
        ("bits", "bits of the key"),
    ]:
        points = [(float(x), y / 1000) for x, y in scaling[part].items()]
        draw(f"{part}.svg", f"Cost of a notification by {label}", label, "thousand instructions", {"": points})
    connections = [(float(x), y / 1024) for x, y in read("memory.json")["connections"].items()]
    draw("memory.svg", "Memory by open connections", "open connections", "MiB (RSS)", {"": connections})
    if (folder / "ledger.json").exists():
        entries = read("ledger.json")
        lines = {store: [(row["records"], row["look_up_ns"]) for row in entries[store] if row["records"]] for store in ("memory", "file")}
        draw("ledger.svg", "Look-up in the ledger by its records", "records", "ns", lines)
    if (folder / "soak.csv").exists():
        with (folder / "soak.csv").open() as file:
            samples = [(float(row["seconds"]) / 60, int(row["rss_kib"]) / 1024) for row in csv.DictReader(file)]
        draw("soak.svg", "Memory under a steady load", "minutes", "MiB (RSS)", {"": samples}, dots=False, linear=True)
    if (folder / "comparison.json").exists():
        rows = read("comparison.json")["targets"]
        (folder / "comparison.svg").write_text(bars("CPU for a notification", "µs", {n: r["cpu_us"] for n, r in rows.items()}))
        drawn.append("comparison.svg")
    print(*drawn)


def svg(title, x_label, y_label, lines, dots=True, linear=False):
    """A plot of lines over an axis that is logarithmic where the points ask for it, and begins at 0 upwards."""
    points = [point for line in lines.values() for point in line]
    xs = sorted({x for x, _ in points})
    # 0 has a place on a logarithmic axis too, left of the first.
    scale = (lambda x: x) if linear or xs[-1] < 20 * max(xs[0], 1) else (lambda x: log10(x) if x else log10(xs[1]) - 1)
    low, high = scale(xs[0]), scale(xs[-1])
    top = ceiling(max(y for _, y in points))
    at_x = lambda x: LEFT + (scale(x) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)
    at_y = lambda y: HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)
    parts = []
    for step in range(5):
        y = top * step / 4
        parts.append(f'<path d="M{LEFT} {at_y(y):.1f}H{WIDTH - RIGHT}" class="grid"/>')
        parts.append(text(LEFT - 8, at_y(y) + 4, number(y), "end"))
    marks = [xs[0] + (xs[-1] - xs[0]) * step / 4 for step in range(5)] if linear else xs
    parts += [text(at_x(x), HEIGHT - BOTTOM + 18, number(x), "middle") for x in marks]
    for colour, (name, line) in zip(COLOURS, lines.items()):
        path = "L".join(f"{at_x(x):.1f} {at_y(y):.1f}" for x, y in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if dots:
            parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        if name:
            x, y = line[-1]
            parts.append(text(at_x(x), at_y(y) - 10, name, "end", f'fill="{colour}"'))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label, "middle"))
    return picture(title, y_label, parts)


def bars(title, unit, values):
    """Bars beside names, each with its value."""
    left, step = 200, (HEIGHT - TOP - BOTTOM) / len(values)
    longest = max(values.values())
    parts = []
    for place, (name, value) in enumerate(values.items()):
        y = TOP + place * step
        length = max(value / longest * (WIDTH - left - 90), 1)
        parts.append(text(left - 8, y + step / 2 + 4, name, "end"))
        parts.append(f'<rect x="{left}" y="{y + step / 6:.1f}" width="{length:.1f}" height="{step * 2 / 3:.1f}" fill="{COLOURS[0]}"/>')
        parts.append(text(left + length + 8, y + step / 2 + 4, f"{value:.0f} {unit}", "start"))
    return picture(title, "", parts)


def picture(title, y_label, parts):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">\n'
        "<style>text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd}</style>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n'
    )
    parts = [text(LEFT, 18, title, "start", 'font-weight="bold"'), text(8, 34, y_label, "start")] + parts
    return head + "\n".join(parts) + "\n</svg>\n"


def text(x, y, content, anchor, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(content)}</text>'.replace(" >", ">")


def ceiling(value):
    """The next round number."""
    unit = 10 ** int(log10(value)) if value >= 1 else 1
    return next(unit * factor for factor in (1, 1.2, 1.6, 2, 4, 6, 8, 10, 12) if unit * factor >= value)


def number(value):
    return f"{value:,.0f}" if value == int(value) or value > 100 else f"{value:.1f}"


if __name__ == "__main__":
    main()
