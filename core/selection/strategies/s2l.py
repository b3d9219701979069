"""Selectors that share the budget over groups: S2L's clusters with their switches, and sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, Ints, Labels
from core.clusters.kmeans import cluster
from core.errors import InputError
from core.selection.pool import NO_SOURCE, Choice, Inside, Pool, shuffled
from core.selection.quotas import quotas
from core.selection.s2l_options import by_hand
from core.selection.strategies.coverage import farthest_first
from core.selection.strategies.given import by_rule
from core.trajectories.row_checks import HIGH, never_learned

GIVEN = "given scores"
"""A way to pick inside a cluster that is a strategy of its own."""


def random_per_source(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget evenly over the sources and draw at random inside each."""
    names, labels = _sources(pool)
    already = _kept_sources(pool, names)
    taken = quotas(np.bincount(labels) + already, n + int(already.sum()), already) - already
    rng = np.random.default_rng(seed)
    titles = [f"source {s}" for s in names]
    return shuffled(_draw(pool, labels, taken, already, titles, "random", rng), rng)


def s2l(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget over the clusters and draw inside each (Algorithm 1).

    As the paper has it: evenly, and at random. The pool's switches change either.
    """
    return _over_clusters(pool, n, seed, pool.switches.pick)


def s2l_scores(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget over the clusters as `s2l` does, and take by given scores inside each."""
    choice = _over_clusters(pool, n, seed, GIVEN)
    scores, rng = pool.given[choice.positions], np.random.default_rng(seed)
    order = by_rule(scores, "top" if pool.rule == "weighted" else pool.rule, len(scores), rng)
    return Choice(choice.positions[order], [choice.reasons[i] for i in order])


def _over_clusters(pool: Pool, n: int, seed: int, pick: str) -> Choice:
    k = int(pool.labels.max(initial=-1)) + 1
    kept = _kept_labels(pool)
    k = max(k, int(kept.max(initial=-1)) + 1)
    sizes, already = np.bincount(pool.labels, minlength=k), np.bincount(kept, minlength=k)
    how, total = pool.switches, n + int(already.sum())
    fixed, caps = by_hand(how.quotas)
    everyone = np.concatenate([pool.labels, kept])
    upper_bounds = _guard(pool, everyone, sizes + already, total, _high(pool))
    taken = (
        quotas(
            sizes + already,
            total,
            already,
            fixed,
            caps,
            how.allocation,
            cap=how.cap,
            upper_bounds=upper_bounds,
        )
        - already
    )
    rng = np.random.default_rng(seed)
    names = [f"cluster {c}" for c in range(k)]
    for c in fixed:
        names[c] += " (set by hand)"
    return shuffled(_draw(pool, pool.labels, taken, already, names, pick, rng), rng)


def s2l_per_source(pool: Pool, n: int, seed: int) -> Choice:
    """Share the budget over the sources, then cluster and share again inside each source."""
    groups, how, high = pool.inside, pool.switches, _high(pool)
    already = _kept_sources(pool, [group.source for group in groups])
    sizes = np.array([len(group.rows) for group in groups])
    rooms = np.array([_room(np.bincount(g.labels), how.cap, how.allocation) for g in groups])
    taken = (
        quotas(sizes + already, n + int(already.sum()), already, upper_bounds=rooms + already)
        - already
    )
    rng = np.random.default_rng(seed)
    parts: list[Choice] = []
    for group, quota in zip(groups, taken, strict=True):
        inside = dataclasses.replace(pool.take(group.rows), kept=None, inside=())
        k = int(group.labels.max()) + 1
        titles = [f"source {group.source}, cluster {c}" for c in range(k)]
        none = np.zeros(k, np.int64)
        sizes = np.bincount(group.labels, minlength=k)
        upper_bounds = _guard(inside, group.labels, sizes, int(quota), high)
        shares = quotas(
            sizes, int(quota), allocation=how.allocation, cap=how.cap, upper_bounds=upper_bounds
        )
        drawn = _draw(inside, group.labels, shares, none, titles, how.pick, rng)
        parts.append(shuffled([Choice(group.rows[d.positions], d.reasons) for d in drawn], rng))
    return shuffled(parts, rng)


def room(pool: Pool, strategy: str) -> int:
    """Return the most rows that the switches let a strategy choose."""
    how = pool.switches
    if how.allocation != "capped":
        return len(pool)
    if strategy == "s2l_per_source":
        return sum(_room(np.bincount(group.labels), how.cap, "capped") for group in pool.inside)
    kept = _kept_labels(pool)
    k = int(max(pool.labels.max(initial=-1), kept.max(initial=-1))) + 1
    already, sizes = np.bincount(kept, minlength=k), np.bincount(pool.labels, minlength=k)
    most = np.floor(how.cap * (sizes + already) + 1e-9).astype(np.int64)
    return int((np.maximum(most, already) - already).sum())


def small_sources(pool: Pool, below: int) -> Choice:
    """Return all rows of the sources that have fewer rows than this.

    Raises:
        InputError: the data names no sources.
    """
    if not below:
        return Choice(np.zeros(0, np.int64), [])
    names, labels = _sources(pool)
    sizes = np.bincount(labels)
    rows = np.flatnonzero(sizes[labels] < below)
    reasons = [f"source {names[labels[r]]}: kept whole, {sizes[labels[r]]:,} rows" for r in rows]
    return Choice(rows, reasons)


def _guard(pool: Pool, labels: Labels, sizes: Ints, budget: int, high: float) -> Ints | None:
    """Return the most rows of each cluster under the noise guard; nothing where it is off.

    Args:
        pool: Its losses are judged, with those kept.
        labels: Cluster of each row, those kept last.
        sizes: Rows of each cluster (n_clusters,).
        budget: Shared by the clusters.
        high: As `never_learned` takes it.
    """
    if not pool.switches.noise_guard:
        return None
    if not pool.start:
        raise InputError(
            "the noise guard compares with the loss before training, and these trajectories have "
            "no recording at step 0; leave --noise-guard out"
        )
    losses = _all_losses(pool)
    ends = np.full((len(sizes), 2), np.nan, np.float32)  # median before training, and at the end
    for c in np.unique(labels):
        ends[c] = np.median(losses[labels == c][:, [0, -1]], axis=0)
    noisy = never_learned(ends[:, 0], ends[:, 1], high)
    share = -(-budget * sizes // max(1, len(labels)))  # rounded up, or all could miss the budget
    return np.where(noisy, np.minimum(sizes, share), sizes)


def _kept_labels(pool: Pool) -> npt.NDArray[np.int32]:
    """Return the clusters of the kept rows that have one; pinned rows may have none."""
    return pool.kept.labels[pool.kept.labels >= 0] if pool.kept else pool.labels[:0]


def _all_losses(pool: Pool) -> Float32s:
    """Return the losses of the rows in clusters, those kept last."""
    if pool.kept is None:
        return pool.losses
    return np.concatenate([pool.losses, pool.kept.losses[pool.kept.labels >= 0]])


def _high(pool: Pool) -> float:
    """Return the final loss that a quarter of the pool is above; NaN where nobody asks."""
    if not pool.switches.noise_guard:
        return float("nan")
    return float(np.quantile(_all_losses(pool)[:, -1], HIGH))


def _room(sizes: Ints, cap: float, allocation: str) -> int:
    most = np.floor(cap * sizes + 1e-9) if allocation == "capped" else sizes
    return int(most.sum())


def clusters_per_source(pool: Pool, seed: int) -> Pool:
    """Return the pool with the clusters inside each source: once, for a token budget draws often.

    Raises:
        InputError: the data names no sources.
    """
    out = []
    names, sources = _sources(pool)
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
        out.append(Inside(name, inside, result.labels))
    return dataclasses.replace(pool, inside=tuple(out))


def _sources(pool: Pool) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the names of the sources and each row's number.

    Raises:
        InputError: the data names none.
    """
    names, labels = np.unique(pool.sources.astype(str), return_inverse=True)
    kept = pool.kept.sources.astype(str) if pool.kept else names[:0]
    if {*names, *kept} == {NO_SOURCE}:
        raise InputError(
            "the data names no sources to share the budget over; import it again with "
            "--source-column, or take random or s2l"
        )
    return [str(name) for name in names], labels


def _kept_sources(pool: Pool, names: Sequence[str]) -> Ints:
    """Count the kept rows of each source."""
    kept = pool.kept.sources.astype(str) if pool.kept else np.zeros(0, str)
    return np.array([(kept == name).sum() for name in names], np.int64)


def _draw(
    pool: Pool,
    labels: npt.NDArray[np.integer],
    taken: Ints,
    already: Ints,
    names: list[str],
    pick: str,
    rng: np.random.Generator,
) -> list[Choice]:
    """Take so many rows of each group."""
    parts = []
    sizes = np.bincount(labels, minlength=len(names))
    by_label = np.argsort(labels, kind="stable")
    ends = np.cumsum(sizes)
    verb = "drawn" if pick == "random" else f"taken, {pick} first,"
    verb = f"taken by score, {pool.rule}," if pick == GIVEN else verb
    for group in np.flatnonzero(taken):
        members = by_label[ends[group] - sizes[group] : ends[group]]
        drawn = _pick(pool, members, int(taken[group]), pick, int(group), rng)
        whole = taken[group] == sizes[group]
        how = "taken whole" if whole else f"{taken[group]:,} {verb} of {sizes[group]:,}"
        how += f" beside {already[group]:,} kept" if already[group] else ""
        parts.append(Choice(drawn, [f"{names[group]}: {how}"] * len(drawn)))
    return parts


def _pick(
    pool: Pool, members: Ints, n: int, pick: str, group: int, rng: np.random.Generator
) -> Ints:
    """Return n members: at random, or by what the switch names; ties break by id."""
    if pick == "random":
        return rng.permutation(members)[:n]
    if pick == GIVEN:
        return members[by_rule(pool.given[members], pool.rule, n, rng)]
    if pick in ("hardest", "easiest"):
        final = pool.losses[members, -1]
        return members[np.argsort(-final if pick == "hardest" else final, kind="stable")[:n]]
    x = pool.features_of(members)
    if pick == "medoid":
        gaps = np.linalg.norm(x - x.mean(0), axis=1)
        return members[np.argsort(gaps, kind="stable")[:n]]
    kept = None
    if pool.kept and len(pool.kept.labels):
        kept = pool.kept.features_of(np.flatnonzero(pool.kept.labels == group))
    return members[farthest_first(x, n, kept)[0]]
