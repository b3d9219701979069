"""Ribbons: how each cluster lost its loss, a small panel a cluster, all on the same axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.report.svg import Scale, drawing, el, label, path, shortened, tip

PANELS, RECORDINGS = 100, 60
"""Drawn at most."""
COLUMNS, WIDTH, HIGH, GAP, HEAD, LEFT = 5, 1040, 92, 16, 34, 34
BESIDE = 25
"""Panels of one drawing: on paper it stays on a page, and the next may go to another."""


def thinned(steps: Sequence[int]) -> list[int]:
    """Return the recordings that are drawn: all, or RECORDINGS of them, the ends among them."""
    if len(steps) <= RECORDINGS:
        return list(steps)
    at = np.unique(np.rint(np.linspace(0, len(steps) - 1, RECORDINGS)).astype(int))
    return [steps[i] for i in at]


def picture(
    key: str,
    title: str,
    quantiles: pd.DataFrame,
    order: Sequence[int],
    names: Mapping[int, str],
    colours: Sequence[str],
    tips: Mapping[int, str],
) -> str:
    """Draw the median and the 10-90% band of clusters, one drawing below the other.

    Args:
        key: Of the picture.
        title: For who cannot see it.
        quantiles: cluster, step, q10, q50, q90: what is drawn, nats per response token.
        order: Clusters in the order of their panels.
        names: Above each panel.
        colours: `#rrggbb` of cluster 0..
        tips: What is said of each cluster.
    """
    by_cluster = dict(list(quantiles.groupby("cluster")))
    steps = quantiles["step"]
    top = 1.05 * float(quantiles["q90"].max())
    wide = (WIDTH - 2 - LEFT - GAP * (COLUMNS - 1)) / COLUMNS
    panels: list[str] = []
    for place, cluster in enumerate(order):
        row, column = divmod(place % BESIDE, COLUMNS)
        left, upper = LEFT + column * (wide + GAP), float(HEAD + row * (HIGH + HEAD + 6))
        x = Scale(float(steps.min()), float(steps.max()), left, left + wide)
        y = Scale(0.0, top, upper + HIGH, upper)
        scale = [label(left - 4, upper + 10, f"{top:.1f}", "end", "soft")] if column == 0 else []
        name = label(left, upper - 6, shortened(names[cluster], wide))
        curves = _curves(by_cluster[cluster], x, y, colours[cluster])
        panels.append(el("g", tip(tips[cluster]), *curves, name, *scale, data_c=cluster))
    parts = [panels[at : at + BESIDE] for at in range(0, len(panels), BESIDE)]
    return "".join(
        drawing(
            key,
            title if len(parts) == 1 else f"{title} ({n} of {len(parts)})",
            WIDTH,
            -(-len(part) // COLUMNS) * (HIGH + HEAD + 6) + 10,
            *part,
        )
        for n, part in enumerate(parts, 1)
    )


def _curves(curve: pd.DataFrame, x: Scale, y: Scale, colour: str) -> list[str]:
    """Draw a panel's frame, band and median."""
    over, under, middle = (
        [(x(s), y(q)) for s, q in zip(curve["step"], curve[name], strict=True)]
        for name in ("q90", "q10", "q50")
    )
    size = {"width": x.end - x.start, "height": y.start - y.end}
    return [
        el("rect", x=x.start, y=y.end, **size, class_="frame"),
        el("path", d=path([*over, *reversed(under)]) + "Z", fill=colour, class_="ribbon"),
        el("path", d=path(middle), stroke=colour, class_="median"),
    ]
