"""Pictures of a million rows: each row falls into a cell, each cell is a pixel.

Placing the rows is done once per map and zoom (`grid`); colouring them again only counts. Row 0 of
every array here is the lowest y, as on a chart; only the finished picture has its first row on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import InputError
from dashboard.charts import theme

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]
Extent = tuple[float, float, float, float]

SHAPE = (560, 900)
FAINTEST = 0.6  # opacity of a cell with one row; the fullest cell has 1
GREY = (0.1, 0.3)  # the same for rows that are not highlighted
SPILL = 0.55  # opacity of an empty cell beside a filled one, as a share of the filled one's
SHADES = 256  # steps of a colour scale of a quantity


class Grid(NamedTuple):
    """Where each row of a map falls."""

    cell: npt.NDArray[np.int32]
    """Flat index into `shape` of each row (n,), y first; -1 = outside, or no place on the map."""
    shape: tuple[int, int]
    """Cells up, cells across."""
    extent: Extent
    """x0, x1, y0, y1 of the outer edges."""

    def only(self, rows: Mask) -> Grid:
        """Return the same grid with the other rows left out."""
        return self._replace(cell=np.where(rows, self.cell, np.int32(-1)))


def grid(xy: Floats, extent: Extent | None = None, shape: tuple[int, int] = SHAPE) -> Grid:
    """Place rows in cells.

    Args:
        xy: (n, 2); a row with a NaN is outside.
        extent: x0, x1, y0, y1 of what is drawn, both ends included; all rows where not given.
        shape: Cells up, cells across.
    """
    x0, x1, y0, y1 = extent = extent or around(xy)
    up, across = shape
    x, y = xy[:, 0].astype(float), xy[:, 1].astype(float)
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)  # false where NaN
    with np.errstate(invalid="ignore"):  # NaN to integer, replaced below
        column = ((x - x0) / (x1 - x0) * across).astype(np.int32)
        row = ((y - y0) / (y1 - y0) * up).astype(np.int32)
    cell = np.minimum(row, up - 1) * across + np.minimum(column, across - 1)
    return Grid(np.where(inside, cell, np.int32(-1)), shape, extent)


def around(xy: Floats, margin: float = 0.02) -> Extent:
    """Return the extent (x0, x1, y0, y1) of all placed rows, with a margin as a share of it."""
    ends: list[float] = []
    for values in (xy[:, 0], xy[:, 1]):
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        pad = margin * (high - low) or max(0.5, 0.01 * abs(low))
        ends += [low - pad, high + pad]
    return ends[0], ends[1], ends[2], ends[3]


def counts(grid: Grid, rows: Mask | Ints | None = None) -> npt.NDArray[np.int64]:
    """Count rows per cell (up, across); only `rows` (a mask or indices) where given."""
    cell = grid.cell if rows is None else grid.cell[rows]
    up, across = grid.shape
    return np.bincount(cell[cell >= 0], minlength=up * across).reshape(grid.shape)


def majority(grid: Grid, category: Ints, k: int) -> npt.NDArray[np.int32]:
    """Return the most frequent category per cell (up, across); the smaller one of equals.

    Args:
        grid: Of n rows.
        category: 0..k-1 of each row (n,); rows with -1 have no say.
        k: Number of categories.

    Returns:
        -1 where no row has a category.
    """
    out = np.full(grid.shape, -1, np.int32)
    said = (grid.cell >= 0) & (category >= 0)
    votes = np.sort(grid.cell[said].astype(np.int64) * k + category[said])
    if not len(votes):
        return out
    first = np.flatnonzero(np.append(True, votes[1:] != votes[:-1]))  # of each (cell, category)
    size = np.diff(np.append(first, len(votes)))
    cell, winner = np.divmod(votes[first], k)
    start = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))  # of each cell
    most = np.repeat(np.maximum.reduceat(size, start), np.diff(np.append(start, len(cell))))
    best = np.flatnonzero(size == most)[::-1]  # backwards: the smallest category is written last
    out.ravel()[cell[best]] = winner[best]
    return out


def mean(grid: Grid, values: Floats) -> npt.NDArray[np.float32]:
    """Return the mean of a quantity (n,) per cell (up, across); NaN rows do not count.

    NaN where no row has a value.
    """
    known = (grid.cell >= 0) & np.isfinite(values)
    up, across = grid.shape
    cell = grid.cell[known]
    total = np.bincount(cell, values[known], up * across)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return (total / np.bincount(cell, minlength=up * across)).reshape(grid.shape).astype("f4")


def image(
    grid: Grid,
    *,
    categories: Ints | None = None,
    values: Floats | None = None,
    colours: Sequence[str] = theme.SEQUENTIAL,
    span: tuple[float, float] | None = None,
    highlight: Mask | None = None,
) -> Picture:
    """Draw the rows: a cell's colour says what its rows are, its opacity how many there are.

    Opacity grows with the logarithm of the rows; an empty cell beside filled ones takes a part of
    their colour, so that a single row can be seen. Give `categories` or `values`.

    Args:
        grid: Of n rows.
        categories: 0..k-1 of each row (n,), -1 for grey; a cell shows the most frequent one.
        values: A quantity (n,); a cell shows the mean.
        colours: `#rrggbb` of each category, or of a scale from low to high.
        span: Values of the scale's ends; the 1st and 99th percentile where not given.
        highlight: Rows in colour (n,); cells with none of them are grey. All where not given.

    Returns:
        (up, across, 4) red, green, blue, opacity, the highest y first.
    """
    lit = grid if highlight is None else grid.only(highlight)
    if categories is not None:
        table = _channels([*colours, theme.MUTED])  # the last one is for -1
        shade = majority(lit, categories, len(colours))
    elif values is not None:
        table = _channels([*theme.shades(SHADES, colours), theme.MUTED])
        low, high = span or ends(values)
        place = (mean(lit, values) - low) / ((high - low) or 1.0) * (SHADES - 1)
        shade = np.where(np.isnan(place), -1, np.clip(np.nan_to_num(place), 0, SHADES - 1))
        shade = np.rint(shade).astype(np.int32)
    else:
        raise InputError("neither categories nor values are given; give one of them")
    here = counts(lit)
    top = int(counts(grid).max()) if highlight is not None else int(here.max())
    alpha = _opacity(here, top, FAINTEST, 1.0)
    colour = table[shade]
    if highlight is not None:
        rest = (here == 0) & (grey := counts(grid)).astype(bool)
        colour[rest] = table[-1]
        alpha[rest] = _opacity(grey[rest], top, *GREY)
    drawn = np.dstack([colour, np.rint(255 * alpha).astype(np.uint8)])
    return np.ascontiguousarray(_spill(drawn)[::-1])


def ends(values: Floats) -> tuple[float, float]:
    """Return the 1st and 99th percentile of a quantity: where its colour scale ends."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    known = known[:: max(1, len(known) // 100_000)]  # a sample is as good, and instant
    low, high = np.quantile(known, [0.01, 0.99])
    return float(low), float(high)


def _opacity(rows: Ints, top: int, low: float, high: float) -> npt.NDArray[np.float32]:
    """Opacity by the logarithm of the rows of a cell: 0 for none, `low` for one, `high` for top."""
    depth = np.log(np.maximum(rows, 1)) / np.log(max(top, 2))
    return np.where(rows > 0, low + (high - low) * depth, 0).astype(np.float32)


def _spill(drawn: Picture) -> Picture:
    """Give empty cells the colour and a part of the opacity of a filled neighbour, if any."""
    out = drawn.copy()
    empty = drawn[..., 3] == 0
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = np.roll(drawn, step, axis)
        edge = (slice(None),) * axis + ((0 if step > 0 else -1),)
        beside[edge] = 0  # nothing spills around the edge
        beside[..., 3] = np.rint(SPILL * beside[..., 3])
        take = empty & (beside[..., 3] > out[..., 3])
        out[take] = beside[take]
    return out


def _channels(colours: Sequence[str]) -> Picture:
    """Red, green, blue (len(colours), 3) of `#rrggbb`."""
    return np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], np.uint8)


def densest(xy: npt.NDArray[np.floating], labels: Ints) -> pd.DataFrame:
    """Return where most of each category's points lie: x, y by label.

    That is the median of the points in its fullest of 48 x 48 cells. The middle of all its points
    can be empty ground.

    Args:
        xy: Finite places (n, 2).
        labels: Category of each (n,).
    """
    low, high = (xy.min(0), xy.max(0)) if len(xy) else (np.zeros(2), np.ones(2))
    cell = np.minimum((48 * (xy - low) / np.maximum(high - low, 1e-12)).astype(int), 47)
    frame = pd.DataFrame({"label": labels, "cell": cell @ [48, 1], "x": xy[:, 0], "y": xy[:, 1]})
    sizes = frame.groupby(["label", "cell"]).size()
    fullest = pd.DataFrame(sizes[sizes.groupby("label").idxmax()].index.to_frame(index=False))
    there = frame.merge(fullest, on=["label", "cell"])
    return there.groupby("label")[["x", "y"]].median()
