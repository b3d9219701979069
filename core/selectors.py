"""Selectors: from a pool of rows to the rows chosen, each with a reason.

A selector is a pure function of (pool, number of rows, seed). A new one is a function and an entry
in SELECTORS.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.budget import Budget, top_up
from core.clusters import cluster

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The rows a selection may choose from, in order of id: measured, not held out, not excluded.

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
    kept: Pool | None = None
    """Rows that are in already, not to choose from; they count where a budget is shared."""
    excluded: int = 0
    """Rows that would be here had nobody excluded them."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: Ints) -> Pool:
        """Return the pool of these positions, in this order."""
        parts = {
            name: value[positions] if len(value := getattr(self, name)) else value
            for name in ("rows", "ids", "sources", "tokens", "losses", "labels")
        }
        return dataclasses.replace(self, **parts)


class Choice(NamedTuple):
    """A selector's answer, in order of rank."""

    positions: Ints
    reasons: list[str]


Selector = Callable[[Pool, int, int], Choice]
"""(pool, rows to choose of it, seed) -> choice."""


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
    titles = [f"source {s}" for s in names]
    return _by_group(labels, n, np.random.default_rng(seed), titles, _kept_sources(pool, names))


def s2l(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget evenly over the clusters and draw at random inside each (Algorithm 1)."""
    k = int(pool.labels.max()) + 1
    names = [f"cluster {c}" for c in range(k)]
    had = np.bincount(pool.kept.labels, minlength=k)[:k] if pool.kept else np.zeros(k, np.int64)
    return _by_group(pool.labels, n, np.random.default_rng(seed), names, had)


def s2l_per_source(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget over the sources, then cluster and share again inside each source."""
    groups = _clusters_per_source(pool, seed)
    had = _kept_sources(pool, [source for source, _, _ in groups])
    sizes = np.array([len(inside) for _, inside, _ in groups])
    taken = top_up(sizes + had, had, n + int(had.sum())) - had
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
PINNED = "pinned"
"""The reason of a row that somebody pinned."""


def choose(
    pool: Pool,
    strategy: str,
    budget: Budget,
    seed: int,
    stay: Choice | None = None,
) -> Choice:
    """Apply a selector to a budget; a token budget is filled to at most its size.

    Rows that stay come first and count; the strategy draws the rest of the budget from the other
    rows. Where it shares the budget over clusters or sources, the totals are shared.

    Args:
        pool: What may be chosen.
        strategy: A selector's name.
        budget: Of all rows chosen, those that stay included.
        seed: Of the draw.
        stay: What is in already, pinned or kept, in order of rank.

    Raises:
        ValueError: the pool is empty, or the budget does not fit it or what stays.
    """
    if not len(pool):
        raise ValueError("no row can be selected: all are held out, not measurable or excluded")
    stay = stay or Choice(np.zeros(0, np.int64), [])
    had = stay.positions
    others = np.setdiff1d(np.arange(len(pool)), had)
    rest = dataclasses.replace(pool.take(others), kept=pool.take(had)) if len(had) else pool

    def draw(n: int) -> Choice:
        if n == len(had) and strategy != "full":
            return stay
        more = SELECTORS[strategy](rest, n - len(had), seed)
        return Choice(np.concatenate([had, others[more.positions]]), stay.reasons + more.reasons)

    if strategy == "full":
        return draw(len(pool))
    if budget.kind != "tokens":
        n = budget.rows(len(pool))
        if n < len(had):
            raise ValueError(f"the budget of {budget} is {n:,} rows, less than {_staying(stay)}")
        return draw(n)
    if not len(pool.tokens):
        raise ValueError("a token budget needs trajectories, which hold the token counts")
    if (tokens := int(pool.tokens[had].sum())) > budget.value:
        raise ValueError(f"the budget of {budget} is less than the {tokens:,} of {_staying(stay)}")

    def size(n: int) -> int:
        return int(pool.tokens[draw(n).positions].sum())

    low, high = len(had), len(pool)  # the largest n that fits; size grows with n but for the draw
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(middle) <= budget.value else (low, middle - 1)
    if not low:
        raise ValueError(
            f"the budget of {budget} is below the shortest choice; "
            f"rows have {int(pool.tokens.min()):,} to {int(pool.tokens.max()):,} response tokens"
        )
    return draw(low)


def _staying(stay: Choice) -> str:
    """Say what stays, and what to do where a budget is too small for it."""
    pinned = stay.reasons.count(PINNED)
    kept = len(stay.reasons) - pinned
    if pinned and kept:
        return f"the {pinned:,} pinned and {kept:,} kept; raise it, unpin some or keep none"
    if pinned:
        return f"the {pinned:,} pinned; raise it or unpin some"
    return f"the {kept:,} kept; raise it or keep none"


def _kept_sources(pool: Pool, names: Sequence[str] | npt.NDArray[np.str_]) -> Ints:
    """Count the kept rows of each source."""
    kept = pool.kept.sources.astype(str) if pool.kept else np.zeros(0, str)
    return np.array([(kept == name).sum() for name in names], np.int64)


def _by_group(
    labels: npt.NDArray[np.integer],
    n: int,
    rng: np.random.Generator,
    names: list[str],
    had: Ints | None = None,
) -> Choice:
    """Water-fill n over the groups, counting what each had already, and draw inside at random."""
    sizes = np.bincount(labels, minlength=len(names))
    had = np.zeros_like(sizes) if had is None else had
    taken = top_up(sizes + had, had, n + int(had.sum())) - had
    parts = []
    for group in np.flatnonzero(taken):
        members = np.flatnonzero(labels == group)
        drawn = rng.permutation(members)[: taken[group]]
        whole = taken[group] == sizes[group]
        how = "taken whole" if whole else f"{taken[group]:,} drawn of {sizes[group]:,}"
        how += f" beside {had[group]:,} kept" if had[group] else ""
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
