"""Why a row was selected or not: its cluster's share, its nearest kept row, the budget it needs."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.errors import InputError
from core.selection.filters import GUARDED
from core.selection.pool import EXCLUDED, Pool
from core.selection.quotas import water_fill
from core.trajectories.features import features

DrawRows = Callable[[int], Ints]
"""Rows wanted -> positions of the pool that the selection's strategy and seed then give."""
OUTSIDE = {
    "holdout": "it is held out for testing",
    "no response token": "it has no response token within the window, so no loss was measured",
    "loss not finite": "its loss was not finite",
    "not sampled": "it was not in the sample that the proxy was trained on",
    "": "its clustering leaves it out",
}
"""Flag of the trajectories -> why a row cannot be selected."""
FILTERED = {
    EXCLUDED: "it is excluded; include it again on the clusters page",
    "too short": "its response is shorter than the filter asks for",
    "too long": "its response is longer than the filter allows",
    "exact duplicate": "an earlier row has the same text, and duplicates are removed",
    "near duplicate": "it is a near-duplicate of another row, and those are removed",
    GUARDED: "its final loss is far above that of the texts most like it, so the guard suspects "
    "its answer",
}
"""Reason of the pool -> why a row that could be selected is left out."""


class Nearest(NamedTuple):
    """The selected row whose trajectory is nearest."""

    row: int
    distance: float
    """Euclidean, in the features that were clustered."""
    same_cluster: bool


class Why(NamedTuple):
    """All there is to say about one row and one selection."""

    row: int
    kept: bool
    reason: str
    """As the selection has it; empty for a row that was not selected."""
    cluster: int
    """-1 without a clustering, and for a pinned row that is in none."""
    size: int
    """Rows of its cluster, or of the pool where it has none."""
    taken: int
    """Of those, how many were selected."""
    nearest: Nearest | None
    """Another row, where this one was selected; None where no other was, or without losses."""
    needs: int
    """Fewest rows of a budget that includes it under the same seed; 0 if unknown."""
    of: int
    """Rows of the pool."""

    @property
    def probability(self) -> float:
        """Share of its cluster that was selected: what a draw inside the cluster gave the row."""
        return self.taken / self.size

    def sentences(self) -> list[str]:
        """Say it, one thing a sentence."""
        group = f"cluster {self.cluster}" if self.cluster >= 0 else "the pool"
        out = [
            f"Selected: {self.reason}." if self.kept else "Not selected.",
            f"Of {group}, {self.taken:,} of {self.size:,} rows were selected "
            f"({100 * self.probability:.0f}%).",
        ]
        if self.nearest:
            other = "other selected" if self.kept else "selected"
            where = (
                ""
                if self.cluster < 0
                else (
                    ", of the same cluster" if self.nearest.same_cluster else ", of another cluster"
                )
            )
            out.append(
                f"The nearest {other} row by its trajectory is row {self.nearest.row:,}{where}, "
                f"{self.nearest.distance:.3g} away."
            )
        if self.needs:
            share = 100 * self.needs / self.of
            verb = "It stays from a budget of" if self.kept else "It would be in from"
            out.append(f"{verb} {self.needs:,} rows ({share:.1f}% of the pool) on, same seed.")
        return out


def explain(
    pool: Pool,
    chosen: Ints,
    row: int,
    draw: DrawRows | None = None,
    *,
    reason: str = "",
    guess: int = 0,
    stays: int = 0,
) -> Why:
    """Explain one row of the pool.

    Args:
        chosen: Positions of the pool that are selected.
        draw: Finds the budget the row needs, see `needed`; None leaves that out.
        reason: The selection's own, where the row is in it.

    Raises:
        InputError: the row is not in the pool (`outside` says why).
    """
    places = np.flatnonzero(pool.rows == row)
    if not len(places):
        raise InputError(f"row {row:,} is not among the {len(pool):,} rows that could be selected")
    position = int(places[0])
    cluster = int(pool.labels[position]) if len(pool.labels) else -1
    grouped = cluster >= 0
    size = int((pool.labels == cluster).sum()) if grouped else len(pool)
    taken = int((pool.labels[chosen] == cluster).sum()) if grouped else len(chosen)
    kept = bool((chosen == position).any())
    return Why(
        row=row,
        kept=kept,
        reason=reason,
        cluster=cluster,
        size=size,
        taken=taken,
        nearest=_nearest(pool, chosen[chosen != position], position),
        needs=needed(position, len(pool), draw, guess, stays) if draw else 0,
        of=len(pool),
    )


def outside(pool: Pool, row: int, flag: str, reason: str = "") -> str:
    """Say why a row is not in the pool: left out by people or a filter, or for its flag."""
    for why, rows in pool.left_out.items():
        if (rows == row).any():
            return f"Row {row:,} is not selected: {FILTERED[why]}."
    why = f" ({reason})" if reason and flag == "no response token" else ""
    return f"Row {row:,} could not be selected: {OUTSIDE[flag]}{why}."


def needed(position: int, pool: int, draw: DrawRows, guess: int = 0, stays: int = 0) -> int:
    """Return the smallest budget, in rows, whose selection has the row; 0 if none has.

    Tried with the strategy itself: the row is in at this budget and not at one row less. It is the
    smallest one wherever a larger budget keeps what a smaller one took: in selectors by score, in
    random draws, and in draws by cluster from one row a cluster on (each cluster is put in a random
    order that does not depend on the budget).

    Args:
        position: Of the row in the pool.
        draw: From a number of rows to the positions selected.
        guess: Tried first, such as `by_cluster`; a wrong one costs two draws.
        stays: Rows that are in before the strategy draws: no budget can be smaller.
    """

    def has(n: int) -> bool:
        if n < max(1, stays):
            return False
        try:
            return bool((draw(n) == position).any())
        except InputError:  # less than the quotas set by hand: no selection, so without the row
            return False

    def enters(n: int) -> bool:
        return has(n) and not has(n - 1)

    if guess and enters(guess):
        return guess
    try:
        places = np.flatnonzero(draw(pool) == position)
    except InputError:
        return 0
    if not len(places):
        return 0
    place = 1 + int(places[0])  # by score, the whole pool is in order of entering
    if enters(place):
        return place
    low, high = 0, pool  # never in at low, in at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if has(middle) else (middle, high)
    return high


def by_cluster(pool: Pool, row: int, seed: int) -> int:
    """Return the budget at which the plain `s2l` draw reaches a row, without drawing; 0 if never.

    Clusters draw one after the other, as `core.selection.choose` has it; the row enters when the
    quota of its cluster reaches its place in the cluster's order. To be checked by `needed`:
    fewer rows than clusters, kept rows and other ways to pick inside a cluster change it.
    """
    position = int(np.flatnonzero(pool.rows == row)[0])
    sizes = np.bincount(pool.labels[pool.labels >= 0])
    rng = np.random.default_rng(seed)
    own = int(pool.labels[position])
    if own < 0:
        return 0
    for cluster in np.flatnonzero(sizes[: own + 1]):
        order = rng.permutation(np.flatnonzero(pool.labels == cluster))
    place = 1 + int(np.flatnonzero(order == position)[0])
    budgets = range(1, int(sizes.sum()) + 1)
    return 1 + bisect.bisect_left(budgets, place, key=lambda n: int(water_fill(sizes, n)[own]))


def _nearest(pool: Pool, others: Ints, position: int) -> Nearest | None:
    """Find the nearest of the selected rows that have a loss; None where this row has none."""
    measured = pool.measured()
    others = others[measured[others]]
    if not len(others) or not measured[position] or not pool.losses.shape[1]:
        return None
    x = features(
        pool.losses[np.append(others, position)], pool.features, include_start=pool.include_start
    )
    distances: npt.NDArray[np.float32] = np.linalg.norm(x[:-1] - x[-1], axis=1)
    best = int(distances.argmin())
    other = int(others[best])
    same = len(pool.labels) > 0 and bool(pool.labels[other] == pool.labels[position])
    return Nearest(int(pool.rows[other]), float(distances[best]), same)
