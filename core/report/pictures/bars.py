"""Bars: rows of each cluster and how many are selected; what each arm of a study took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from core.report.svg import Scale, axis, drawing, el, label, shortened, ticks, tip

BARS = 200
"""Clusters drawn at most."""
WIDTH, HIGH, LEFT, BOTTOM = 1040, 260, 56, 40
LINE = 34
PARTS = {"training": "#5b78ea", "testing": "#8b909a", "proxy": "#ec7a5e"}
"""Part of a cost -> its colour."""


def allocation(
    key: str, title: str, table: pd.DataFrame, tips: Mapping[int, str], colours: Sequence[str]
) -> str:
    """Draw a bar a cluster, its selected part filled in the cluster's colour.

    Args:
        key: Of the picture.
        title: For who cannot see it.
        table: cluster, size, taken, in the order of the bars.
        tips: What is said of each cluster.
        colours: `#rrggbb` of cluster 0..
    """
    y = Scale(0.0, float(table["size"].max()), 20.0 + HIGH, 20.0)
    step = (WIDTH - LEFT) / max(1, len(table))
    parts = []
    for value in ticks(0.0, y.high, 4):
        parts += [
            el("line", x1=float(LEFT), x2=float(WIDTH), y1=y(value), y2=y(value), class_="grid"),
            label(LEFT - 8, y(value) + 4, f"{value:,.0f}", "end", "soft"),
        ]
    for i, line in enumerate(table.to_dict("records")):
        x, cluster = LEFT + i * step + 0.1 * step, int(line["cluster"])
        bars = [
            el(
                "rect",
                x=x,
                width=0.8 * step,
                y=y(line[column]),
                height=y.start - y(line[column]),
                **look,
            )
            for column, look in (
                ("size", {"class_": "pool"}),
                ("taken", {"fill": colours[cluster]}),
            )
        ]
        parts.append(el("g", tip(tips[cluster]), *bars, data_c=cluster))
    words = "clusters, the largest first; grey: all rows, coloured: selected rows"
    parts.append(label(LEFT, y.start + 24, words, kind="soft"))
    return drawing(key, title, WIDTH, HIGH + 20 + BOTTOM, *parts)


def costs(key: str, title: str, table: pd.DataFrame) -> str:
    """Draw the seconds of each arm: training, testing, and the proxy before it.

    Args:
        key: Of the picture.
        title: For who cannot see it.
        table: arm, training, testing, proxy (seconds; NaN where not known).
    """
    left, right, top = 220.0, 960.0, 40.0
    totals = table[list(PARTS)].fillna(0).sum(axis=1)
    x = Scale(0.0, float(totals.max()) or 1.0, left, right)
    bottom = top + LINE * len(table)
    parts = [axis(x, bottom, top, "seconds of one fine-tune")]
    at = left
    for part, colour in PARTS.items():
        parts += [
            el("rect", x=at, y=8.0, width=12.0, height=12.0, fill=colour),
            label(at + 18, 19, part, kind="soft"),
        ]
        at += 100
    for i, line in enumerate(table.to_dict("records")):
        y, start = top + LINE * i, 0.0
        parts.append(label(left - 12, y + 21, shortened(str(line["arm"]), left - 20), "end"))
        for part, colour in PARTS.items():
            seconds = line[part] if line[part] == line[part] else 0.0
            bar = {
                "x": x(start),
                "y": y + 6,
                "width": x(start + seconds) - x(start),
                "height": LINE - 12.0,
            }
            words = tip(f"{line['arm']}: {part} {seconds:,.1f} s")
            parts.append(el("rect", words, **bar, fill=colour))
            start += seconds
        parts.append(label(x(start) + 8, y + 21, f"{start:,.0f} s"))
    return drawing(key, title, WIDTH, bottom + 44, *parts)
