"""Rows inside an area drawn on a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def inside(xy: npt.NDArray[np.float32], chart: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """Say which points lie in the boxes and lassos of a chart selection.

    Args:
        xy: (n, 2); NaN is never inside.
        chart: Streamlit's selection: `box` and `lasso` lists of x and y coordinates.
    """
    hit = np.zeros(len(xy), bool)
    for box in chart.get("box", []):
        (x0, x1), (y0, y1) = sorted(map(float, box["x"])), sorted(map(float, box["y"]))
        hit |= (xy[:, 0] >= x0) & (xy[:, 0] <= x1) & (xy[:, 1] >= y0) & (xy[:, 1] <= y1)
    for lasso in chart.get("lasso", []):
        hit |= _in_polygon(xy, np.array([lasso["x"], lasso["y"]], float).T)
    return hit


def _in_polygon(
    xy: npt.NDArray[np.float32], corners: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Count, even or odd, the edges that a ray to the right of each point crosses."""
    hit = np.zeros(len(xy), bool)
    near = np.flatnonzero(
        (xy >= corners.min(0)).all(1) & (xy <= corners.max(0)).all(1)
    )  # most points of a large map are outside the polygon's box
    x, y = xy[near, 0], xy[near, 1]
    odd = np.zeros(len(near), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    hit[near] = odd
    return hit
