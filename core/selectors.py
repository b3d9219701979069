"""Selectors: from a pool of rows to the rows chosen, each with a reason.

A selector is a pure function of (pool, number of rows, seed). A new one is a function and an entry
in SELECTORS.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.budget import Budget
from core.clusters import cluster

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The rows a selection may choose from, in order of id: measured, not held out.

    Selectors speak in positions of this pool.
    """

    rows: Ints
    """Row of the dataset (n,)."""
    ids: npt.NDArray[np.object_]
    sources: npt.NDArray[np.object_]
    tokens: Ints
    """Response tokens (n,); empty without trajectories."""
    losses: npt.NDArray[np.float32]
    """Trajectories (n, n_checkpoints); 0 columns without trajectories."""
    labels: npt.NDArray[np.int32]
    """Cluster (n,); empty without a clustering."""
    k: int
    features: str
    include_start: bool

    def __len__(self) -> int:
        return len(self.rows)


class Choice(NamedTuple):
    """A selector's answer, in order of rank."""

    positions: Ints
    reasons: list[str]


Selector = Callable[[Pool, int, int], Choice]
"""(pool, rows to choose, seed) -> choice."""


def water_fill(sizes: npt.ArrayLike, budget: int) -> Ints:
    """Share a budget over groups as evenly as their sizes allow (S2L, Algorithm 1).

    Smallest group first: each may take an equal share of what is left; what a small group cannot
    use goes to the larger ones. Ties keep their order.

    Args:
        sizes: Members of each group (n_groups,).
        budget: Rows to share, 0 to the sum of sizes.

    Returns:
        Rows taken of each group (n_groups,), summing to the budget exactly.
    """
    sizes = np.asarray(sizes, np.int64)
    taken = np.zeros(len(sizes), np.int64)
    left = budget
    for done, group in enumerate(np.argsort(sizes, kind="stable")):
        taken[group] = min(int(sizes[group]), left // (len(sizes) - done))
        left -= int(taken[group])
    return taken


def full(pool: Pool, n: int, seed: int) -> Choice:
    """Take the whole pool, whatever the budget."""
    return Choice(np.arange(len(pool)), ["the whole pool"] * len(pool))


def random(pool: Pool, n: int, seed: int) -> Choice:
    """Draw uniformly without replacement."""
    drawn = np.random.default_rng(seed).permutation(len(pool))[:n]
    return Choice(drawn, [f"drawn at random, {n:,} of {len(pool):,}"] * n)


def random_per_source(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget evenly over the sources and draw at random inside each."""
    names, labels = np.unique(pool.sources.astype(str), return_inverse=True)
    return _by_group(labels, n, np.random.default_rng(seed), [f"source {s}" for s in names])


def s2l(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget evenly over the clusters and draw at random inside each (Algorithm 1)."""
    k = int(pool.labels.max()) + 1
    names = [f"cluster {c}" for c in range(k)]
    return _by_group(pool.labels, n, np.random.default_rng(seed), names)


def s2l_per_source(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget over the sources, then cluster and share again inside each source."""
    groups = _clusters_per_source(pool, seed)
    taken = water_fill([len(inside) for _, inside, _ in groups], n)
    rng = np.random.default_rng(seed)
    parts: list[Choice] = []
    for (source, inside, labels), quota in zip(groups, taken, strict=True):
        titles = [f"source {source}, cluster {c}" for c in range(labels.max() + 1)]
        part = _by_group(labels, int(quota), rng, titles)
        parts.append(Choice(inside[part.positions], part.reasons))
    return _shuffled(parts, rng)


@functools.lru_cache(1)
def _clusters_per_source(pool: Pool, seed: int) -> list[tuple[str, Ints, npt.NDArray[np.int32]]]:
    """Return per source its name, positions and cluster labels; a token budget asks often."""
    out = []
    names, sources = np.unique(pool.sources.astype(str), return_inverse=True)
    for source, name in enumerate(names):
        inside = np.flatnonzero(sources == source)
        result = cluster(
            pool.losses[inside],
            pool.ids[inside],
            min(pool.k, len(inside)),
            pool.features,
            include_start=pool.include_start,
            seed=seed,
        )
        out.append((str(name), inside, result.labels))
    return out


def least_confidence(pool: Pool, n: int, seed: int) -> Choice:
    """Take the largest final losses."""
    return _by_score(-pool.losses[:, -1], pool.losses[:, -1], n, "final loss", "from the top")


def low_final_loss(pool: Pool, n: int, seed: int) -> Choice:
    """Take the smallest final losses."""
    return _by_score(pool.losses[:, -1], pool.losses[:, -1], n, "final loss", "from the bottom")


def middle_perplexity(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows whose final loss ranks nearest the middle of the pool."""
    final = pool.losses[:, -1]
    rank = np.empty(len(pool))
    rank[np.argsort(final, kind="stable")] = np.arange(len(pool))
    return _by_score(np.abs(rank - len(pool) / 2), final, n, "final loss", "from the middle")


def high_learnability(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows whose loss fell most from before training to the end."""
    drop = pool.losses[:, 0] - pool.losses[:, -1]
    return _by_score(-drop, drop, n, "loss drop", "from the top")


SELECTORS: dict[str, Selector] = {
    "s2l": s2l,
    "s2l_per_source": s2l_per_source,
    "random": random,
    "random_per_source": random_per_source,
    "full": full,
    "least_confidence": least_confidence,
    "middle_perplexity": middle_perplexity,
    "high_learnability": high_learnability,
    "low_final_loss": low_final_loss,
}
NEEDS_CLUSTERS = {"s2l", "s2l_per_source"}
NEEDS_NOTHING = {"random", "random_per_source", "full"}


def choose(pool: Pool, strategy: str, budget: Budget, seed: int) -> Choice:
    """Apply a selector to a budget; a token budget is filled to at most its size.

    Raises:
        ValueError: the pool is empty, or the budget does not fit it.
    """
    select = SELECTORS[strategy]
    if not len(pool):
        raise ValueError("no row can be selected: all are held out or not measurable")
    if budget.kind != "tokens" or strategy == "full":
        return select(pool, 0 if strategy == "full" else budget.rows(len(pool)), seed)
    if not len(pool.tokens):
        raise ValueError("a token budget needs trajectories, which hold the token counts")

    def size(n: int) -> int:
        return int(pool.tokens[select(pool, n, seed).positions].sum())

    low, high = 0, len(pool)  # the largest n whose rows fit; size grows with n but for the draw
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(middle) <= budget.value else (low, middle - 1)
    if not low:
        raise ValueError(
            f"the budget of {budget} is below the shortest choice; "
            f"rows have {int(pool.tokens.min()):,} to {int(pool.tokens.max()):,} response tokens"
        )
    return select(pool, low, seed)


def _by_group(
    labels: npt.NDArray[np.integer], n: int, rng: np.random.Generator, names: list[str]
) -> Choice:
    """Water-fill n over the groups and draw inside each at random."""
    sizes = np.bincount(labels, minlength=len(names))
    taken = water_fill(sizes, n)
    parts = []
    for group in np.flatnonzero(taken):
        members = np.flatnonzero(labels == group)
        drawn = rng.permutation(members)[: taken[group]]
        whole = taken[group] == sizes[group]
        how = "taken whole" if whole else f"{taken[group]:,} drawn of {sizes[group]:,}"
        parts.append(Choice(drawn, [f"{names[group]}: {how}"] * len(drawn)))
    return _shuffled(parts, rng)


def _shuffled(parts: list[Choice], rng: np.random.Generator) -> Choice:
    """Join and mix, so that rank says nothing about the group."""
    positions = np.concatenate([np.zeros(0, np.int64), *(p.positions for p in parts)])
    reasons = [r for p in parts for r in p.reasons]
    order = rng.permutation(len(positions))
    return Choice(positions[order], [reasons[i] for i in order])


def _by_score(
    key: npt.NDArray[np.floating], shown: npt.NDArray[np.floating], n: int, what: str, end: str
) -> Choice:
    """Take the n smallest keys; ties break by id, the order of the pool."""
    best = np.argsort(key, kind="stable")[:n]
    reasons = [f"{what} {shown[i]:.3f}, number {r + 1:,} {end}" for r, i in enumerate(best)]
    return Choice(best, reasons)
