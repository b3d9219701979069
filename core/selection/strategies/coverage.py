"""Selectors by likeness of rows: cover the pool, spread over it, or thin what repeats in it.

Likeness is the cosine of two rows' embeddings, or of their trajectories, the mean taken off. The
rows come in an order of which the first so many are a choice, too.
"""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Float32s, Ints
from core.selection.pool import Choice, Pool

EXACT = 20_000
"""Rows up to which facility location tries every row at every step."""
EPSILON = 0.01
"""Stochastic greedy comes within 1 - 1/e - epsilon of the best, in expectation."""
CHUNK = 2_048
NEAR = 0.95
"""Cosine above which a row repeats an earlier one of its cluster."""
PROTOTYPES = 0.25
"""Share of the distinct rows that D4 discards for being nearest to their cluster's centre."""
MOST_REPEATED = 0.5
"""Share of near-duplicates above which D4 is refused."""
ROWS_PER_CENTRE = 100
MAX_CENTRES = 1_000


def facility_location(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows that together are most like all rows, greedily.

    Maximises sum_i max_{j in S} (1 + cos(i, j)) / 2. Up to 20,000 rows each step takes the best row
    (lazily: Minoux 1978). Above, each step takes the best of (rows / n) ln(1 / epsilon) drawn rows
    (stochastic greedy: Mirzasoleiman et al. 2015), judged on the larger of 20,000 and n drawn rows.
    """
    x, start = pool.points()
    rng = np.random.default_rng(seed)
    if len(x) <= EXACT:
        order, gains = _greedy(x, start, n)
    else:
        order, gains = _stochastic(x, start, n, rng)
    reasons = [f"number {r + 1:,} to cover the pool, gain {g:.3g}" for r, g in enumerate(gains)]
    return Choice(order, reasons)


def k_center(pool: Pool, n: int, seed: int) -> Choice:
    """Take the row farthest from all taken, again and again (Sener & Savarese 2018).

    The first is the row nearest to the middle of the pool, unless rows are kept.
    """
    x, start = pool.points()
    order, gaps = farthest_first(x, n, start)
    reasons = [f"number {r + 1:,} to spread, {g:.3g} from the rest" for r, g in enumerate(gaps)]
    return Choice(order, reasons)


def d4(pool: Pool, n: int, seed: int) -> Choice:
    """Drop near-duplicates, discard the most prototypical rows, draw from the rest (after D4).

    Rows are clustered by k-means on their embeddings, about 100 a cluster, 1,000 clusters at most.
    A row with a cosine above 0.95 to an earlier one of its cluster is a near-duplicate; of the
    others, clustered again, the quarter nearest to the centres is discarded (Tirumala et al. 2023,
    who set both shares by the budget). Where the budget asks for more than is left, discarded rows
    come back: the least prototypical first, then the near-duplicates, the least alike first.
    """
    x, _ = pool.points()
    likest = _likest(x, _centres(x, seed)[0])
    distinct = np.flatnonzero(likest <= NEAR)
    _, gaps = _centres(x[distinct], seed)
    by_gap = distinct[np.argsort(-gaps, kind="stable")]
    left = len(by_gap) - int(PROTOTYPES * len(by_gap))
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.sort(by_gap[:left]))
    repeats = np.flatnonzero(likest > NEAR)
    repeats = repeats[np.argsort(likest[repeats], kind="stable")]
    order = np.concatenate([drawn, by_gap[left:], repeats])[:n]
    texts = [
        (f"drawn of {left:,} rows neither repeated nor prototypical", left),
        ("prototypical, taken since the rest did not suffice", len(by_gap) - left),
        ("a near-duplicate, taken since the rest did not suffice", len(repeats)),
    ]
    return Choice(order, [text for text, rows in texts for _ in range(rows)][:n])


def near_share(pool: Pool, seed: int) -> float:
    """Return the share of the pool that D4 takes for near-duplicates."""
    x, _ = pool.points()
    return float((_likest(x, _centres(x, seed)[0]) > NEAR).mean())


def farthest_first(x: Float32s, n: int, start: Float32s | None = None) -> tuple[Ints, list[float]]:
    """Order rows so that each is the farthest from all before it (Gonzalez 1985).

    Args:
        x: Points (n_rows, width).
        start: Points taken already (n_taken, width); without any, the first row is the nearest to
            the mean.

    Returns:
        Positions, and each one's distance to the nearest taken before it (to the mean, the first).
    """
    order: list[int] = []
    gaps: list[float] = []
    nearest = np.full(len(x), np.inf, np.float32)
    for point in start if start is not None else x[:0]:
        np.minimum(nearest, _distances(x, point), out=nearest)
    first = start is None or not len(start)
    for _ in range(n):
        if first and not order:
            middle = _distances(x, x.mean(0))
            best = int(middle.argmin())
            gaps.append(float(middle[best]))
        else:
            best = int(nearest.argmax())
            gaps.append(float(nearest[best]))
        order.append(best)
        np.minimum(nearest, _distances(x, x[best]), out=nearest)
        nearest[order[-1]] = -1
    return np.array(order, np.int64), gaps


def _distances(x: Float32s, point: Float32s) -> Float32s:
    out: Float32s = np.linalg.norm(x - point, axis=1)
    return out


def _similar(x: Float32s, to: Float32s) -> Float32s:
    """Return similarities in 0 to 1 (n_rows, n_to)."""
    out: Float32s = np.clip((1 + x @ to.T) / 2, 0, 1)
    return out


def _covered(x: Float32s, start: Float32s) -> Float32s:
    """Return how alike each row is to the likest of the kept (n_rows,)."""
    best = np.zeros(len(x), np.float32)
    for at in range(0, len(start), CHUNK):
        np.maximum(best, _similar(x, start[at : at + CHUNK]).max(1), out=best)
    return best


def _gains(x: Float32s, candidates: Ints, points: Float32s, best: Float32s) -> Float32s:
    """Return what each candidate adds to the cover (n_candidates,)."""
    gains = np.zeros(len(candidates), np.float32)
    for at in range(0, len(x), CHUNK):
        alike = _similar(points[candidates], x[at : at + CHUNK])
        gains += np.maximum(alike - best[at : at + CHUNK], 0).sum(1)
    return gains


def _greedy(x: Float32s, start: Float32s, n: int) -> tuple[Ints, list[float]]:
    """Take the best row again and again; old gains bound new ones, so few are computed again."""
    best = _covered(x, start)
    gains = np.concatenate(
        [np.zeros(0, np.float32)]
        + [
            _gains(x, np.arange(at, min(at + CHUNK, len(x))), x, best)
            for at in range(0, len(x), CHUNK)
        ]
    )
    fresh = np.zeros(len(x), np.int64)
    order: list[int] = []
    taken: list[float] = []
    for step in range(n):
        while fresh[top := int(gains.argmax())] != step:
            likely = np.argpartition(-gains, min(16, len(x) - 1))[:16]
            stale = likely[(fresh[likely] != step) & (gains[likely] >= 0)]
            stale = np.union1d(stale, [top])
            gains[stale] = _gains(x, stale, x, best)
            fresh[stale] = step
        order.append(top)
        taken.append(float(gains[top]))
        np.maximum(best, _similar(x, x[top : top + 1])[:, 0], out=best)
        gains[top] = -1
    return np.array(order, np.int64), taken


def _stochastic(
    x: Float32s, start: Float32s, n: int, rng: np.random.Generator
) -> tuple[Ints, list[float]]:
    """Take the best of a few drawn rows again and again, judged on a sample."""
    judges = x[np.sort(rng.permutation(len(x))[: max(EXACT, n)])]
    best = _covered(judges, start)
    tried = math.ceil(len(x) / max(1, n) * math.log(1 / EPSILON))
    left = rng.permutation(len(x))  # the first `step` of it are taken
    taken: list[float] = []
    for step in range(n):
        drawn = step + rng.integers(0, len(x) - step, min(tried, len(x) - step))
        gains = _gains(judges, left[drawn], x, best)
        top = int(gains.argmax())
        taken.append(float(gains[top]))
        left[step], left[drawn[top]] = left[drawn[top]], left[step]
        np.maximum(best, _similar(judges, x[left[step]][None])[:, 0], out=best)
    return left[:n], taken


def _centres(x: Float32s, seed: int) -> tuple[Ints, Float32s]:
    """Cluster points, about 100 a cluster; return labels and distances to the own centre."""
    from sklearn.cluster import MiniBatchKMeans

    if not len(x):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    k = min(MAX_CENTRES, max(1, len(x) // ROWS_PER_CENTRE))
    model = MiniBatchKMeans(k, n_init=1, random_state=seed, batch_size=4_096).fit(x)
    labels = model.labels_.astype(np.int64)
    gaps: Float32s = np.linalg.norm(x - model.cluster_centers_[labels], axis=1)
    return labels, gaps


def _likest(x: Float32s, labels: Ints) -> Float32s:
    """Return each row's largest cosine to an earlier row of its cluster, -1 for the first."""
    out = np.full(len(x), -1, np.float32)
    by_label = np.argsort(labels, kind="stable")
    for group in np.split(by_label, np.flatnonzero(np.diff(labels[by_label])) + 1):
        for at in range(1, len(group), CHUNK):
            rows = group[at : at + CHUNK]
            alike = x[rows] @ x[group[: at + len(rows)]].T
            earlier = np.arange(alike.shape[1]) < np.arange(at, at + len(rows))[:, None]
            out[rows] = np.where(earlier, alike, -1).max(1)
    return out
