"""Islands of a map, moved closer: the ground between them takes most of it, and says nothing.

How far apart UMAP draws two islands has no meaning, how rows lie within one has. So an island is
moved as a whole, without turning or scaling it, towards the largest one until it would touch
another. It is a change of the picture alone, made when a map is read: what is on the disk stays as
UMAP gave it, and every page and report draws the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s

CELLS = 64
"""Cells over the middle 99% of a map, each way; fewer where so few rows would not touch."""
MOST_CELLS = 512
"""Cells over all of a map, each way, however far away its last row is."""
GAP = 2
"""Empty cells that do not part rows into two islands, and stay between any two at least."""

_Cells = npt.NDArray[np.intp]


def closer(xy: Float32s) -> Float32s:
    """Return the map (n_rows, 2) with its islands moved closer; NaN stays NaN.

    Rows of one island keep their places to each other; two islands that did not overlap do not
    overlap afterwards, and the map is nowhere wider or higher than before.
    """
    placed = np.isfinite(xy).all(1)
    points = xy[placed].astype(np.float64)
    if len(points) < 2 or not np.ptp(points, axis=0).all():
        return xy
    cells = min(CELLS, np.sqrt(2 * len(points)))
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    cell = np.maximum((high - low) / cells, np.ptp(points, axis=0) / MOST_CELLS)
    at = ((points - points.min(0)) / cell).astype(np.intp)
    island = _islands(at)
    moves = _moves(at, island)
    if moves is None:
        return xy
    moved = (points + moves[island] * cell).astype(np.float32)
    if (np.ptp(moved, axis=0) > np.ptp(points, axis=0)).any():
        return xy
    out = xy.copy()
    out[placed] = moved
    return out


def _islands(at: _Cells) -> _Cells:
    """Return the island of each point (n,) by its cell (n, 2); 0 has the most points."""
    wide = int(at[:, 1].max()) + 2 * GAP + 2  # a cell is one number; rows of them do not touch
    cells, cell = np.unique(at[:, 0] * wide + at[:, 1], return_inverse=True)
    reach = range(-GAP - 1, GAP + 2)
    steps = [right * wide + up for right in reach for up in reach]
    unseen, island_of = set(cells.tolist()), {}
    for island, start in enumerate(cells.tolist()):
        front = [start] if start in unseen else []
        unseen.difference_update(front)
        while front:
            here = front.pop()
            island_of[here] = island
            near = unseen.intersection([here + step for step in steps])
            unseen -= near
            front.extend(near)
    _, islands = np.unique([island_of[c] for c in cells.tolist()], return_inverse=True)
    by_size = np.argsort(-np.bincount(islands[cell]), kind="stable")
    numbers: _Cells = np.argsort(by_size)[islands[cell]]
    return numbers


def _moves(at: _Cells, island: _Cells) -> _Cells | None:
    """Return the cells that each island is moved by (n_islands, 2), or None where one cannot be.

    The island nearest to the largest one goes first.
    """
    grid = np.full(at.max(0) + 1, -1)
    grid[at[:, 0], at[:, 1]] = island
    cells = [np.argwhere(grid == i) for i in range(int(island.max()) + 1)]
    home = cells[0].mean(0)
    far = [float(np.hypot(*(c - home).T).min()) for c in cells]
    edge = max(grid.shape) + GAP  # no island moves farther than that
    taken = np.zeros(np.array(grid.shape) + 2 * edge, bool)
    moves = np.zeros((len(cells), 2), np.intp)
    for i in [0, *sorted(range(1, len(cells)), key=far.__getitem__)]:
        if i:
            move = _move(cells[i] + edge, home + edge, taken)
            if move is None:
                return None
            moves[i] = move
        x, y = (cells[i] + moves[i] + edge).T
        for right in range(-GAP, GAP + 1):
            for up in range(-GAP, GAP + 1):
                taken[x + right, y + up] = True
    return moves


def _move(
    cells: _Cells, home: npt.NDArray[np.float64], taken: npt.NDArray[np.bool_]
) -> _Cells | None:
    """Return how far an island can go home (2,): straight first, then along what is in its way."""

    def free(move: _Cells) -> bool:
        x, y = (cells + move).T
        return not taken[x, y].any()

    way = home - cells.mean(0)
    steps = int(np.abs(way).max()) + 1
    move = None
    for step in range(steps + 1):  # those before it may have taken where it stood
        onward = np.rint(way * step / steps).astype(np.intp)
        if free(onward):
            move = onward
        elif move is not None:
            break
    while move is not None:
        left = np.trunc(way - move).astype(np.intp)
        ahead = (
            move + np.sign(left) * axis for axis in np.eye(2, dtype=np.intp) if (left * axis).any()
        )
        onward = next((m for m in ahead if free(m)), None)
        if onward is None:
            break
        move = onward
    return move
