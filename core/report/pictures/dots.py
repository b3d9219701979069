"""The map: a dot a row, a path a cluster, so that 20,000 dots take a few hundred kilobytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import Float32s, Ints, Labels
from core.report.svg import drawing, el, tip

DOTS = 20_000
"""Drawn at most."""
WIDTH, HEIGHT, EDGE = 1600, 1000, 20
CLIP = 0.002
"""Share of the rows on each side that lie at the edge, so that a few far ones do not shrink all."""


def drawn(xy: Float32s, labels: Labels, most: int = DOTS, seed: int = 0) -> Ints:
    """Return the rows that are drawn: all that have a place and a cluster, or a random sample."""
    rows = np.flatnonzero(np.isfinite(xy).all(1) & (labels >= 0))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    return rows


def places(xy: Float32s) -> Ints:
    """Return whole pixels of places (n, 2), rows too far out at the edge."""
    low, high = np.quantile(xy, [CLIP, 1 - CLIP], axis=0)
    share = np.clip((xy - low) / np.where(high > low, high - low, 1.0), 0, 1)
    share[:, 1] = 1 - share[:, 1]
    size = np.array([WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE])
    places: Ints = np.rint(EDGE + share * size).astype(np.int64)
    return places


def picture(
    key: str,
    title: str,
    xy: Float32s,
    labels: Labels,
    rows: Ints,
    colours: Sequence[str],
    tips: Mapping[int, str],
) -> str:
    """Draw rows at their places, each cluster in its colour.

    Args:
        key: Of the picture.
        title: For who cannot see it.
        xy: Places of all rows (n_rows, 2).
        labels: Their clusters (n_rows,).
        rows: Those that are drawn.
        colours: `#rrggbb` of cluster 0..
        tips: What is said of each cluster.
    """
    at = places(xy[rows])
    paths = []
    for cluster in np.unique(labels[rows]).tolist():
        own = np.unique(at[labels[rows] == cluster], axis=0)  # dots on one pixel are one dot
        dots = "".join(f"M{x} {y}h0" for x, y in own.tolist())
        paths.append(
            el(
                "path",
                tip(tips[cluster]),
                d=dots,
                class_="dots",
                stroke=colours[cluster],
                data_c=cluster,
            )
        )
    return drawing(key, title, WIDTH, HEIGHT, *paths)
