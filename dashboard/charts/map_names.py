"""Names on a map: those that do not hide another, and on hover all that there is to say of one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure
from dashboard.charts.raster import Extent

ROOM = (420, 320)
"""Width and height in pixels of the smallest map that names are set for: what does not overlap
there does not on a larger one, where places lie further apart and names are as long."""
HALF_ROOM = (300, 320)
"""The same of two maps side by side."""
MOST = 12
"""Names on a map."""
HIGH = 20
_BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0, "bottom": 0.0, "middle": 0.5, "top": 1.0}
"""The part of a name that lies before its anchor."""


class NameBox(NamedTuple):
    """Where a name stands, in pixels from the lower left."""

    left: float
    low: float
    wide: float

    def hides(self, other: NameBox) -> bool:
        """Say whether two names overlap."""
        return (
            self.left < other.left + other.wide
            and other.left < self.left + self.wide
            and abs(self.low - other.low) < HIGH
        )


def width(text: str) -> int:
    """Return the pixels that a name takes at most: letters of the East are twice as wide."""
    wide = sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
    return 7 * wide + 8


def write(
    fig: go.Figure,
    labels: pd.DataFrame,
    extent: Extent,
    chosen: int | None,
    colours: Sequence[str] | None = None,
    room: tuple[int, int] = ROOM,
) -> None:
    """Write at most 12 names, the chosen one first, skipping any that would hide another.

    A dot before a name has the colour of the points that are meant; pointing at it tells their
    number and the whole name. A name too near an edge begins or ends at its place instead of
    standing astride it. The `name` of each annotation is its cluster.

    Args:
        fig: The map.
        labels: cluster, x, y, name and perhaps size, the most important first.
        extent: x0, x1, y0, y1 that is shown.
        chosen: Cluster whose name is written first, the others fainter.
        colours: `#rrggbb` of cluster 0...
        room: The smallest size in pixels that the map is seen at.
    """
    x0, x1, y0, y1 = extent
    taken: list[NameBox] = []
    ordered = labels.sort_values("cluster", key=lambda c: c != chosen, kind="stable")
    sizes = {}
    if "size" in ordered:
        sizes = {c: f"{n:,} rows" for c, n in zip(ordered["cluster"], ordered["size"], strict=True)}
    spots = zip(ordered["cluster"], ordered["x"], ordered["y"], ordered["name"], strict=True)
    for cluster, across, up, name in spots:
        text = figure.label(name)
        x, y = room[0] * (across - x0) / (x1 - x0), room[1] * (up - y0) / (y1 - y0)
        if not (0 <= x <= room[0] and 0 <= y <= room[1]):
            continue
        mark = ""
        if colours and 0 <= cluster < len(colours):
            mark = f'<span style="color:{colours[int(cluster)]}">●</span> '
        wide = width(text) + (14 if mark else 0)
        side = "left" if x < wide / 2 else "right" if x > room[0] - wide / 2 else "center"
        end = "bottom" if y < HIGH / 2 else "top" if y > room[1] - HIGH / 2 else "middle"
        box = NameBox(x - wide * _BEFORE[side], y - HIGH * _BEFORE[end], wide)
        if any(map(box.hides, taken)) or len(taken) == MOST:
            continue
        taken.append(box)
        lit = chosen is None or cluster == chosen
        figure.note(
            fig,
            mark + text,
            name=str(cluster),
            hovertext=" · ".join(filter(None, [figure.label(name, 120), sizes.get(cluster, "")])),
            x=across,
            y=up,
            xref="x",
            yref="y",
            xanchor=side,
            yanchor=end,
            font=figure.HALO,
            opacity=1 if lit else 0.7,
        )
