"""Does K matter? Many clusterings side by side, and how much the rows they would select change.

A selection by clusters gives every row a probability of being drawn: its cluster's quota over its
cluster's size. Comparing these probabilities needs no draw, so what remains is what K and the seed
of k-means change.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Float64s, Labels, Losses, by_id
from core.clusters.kmeans import BUDGET_SHARE, cluster
from core.selection.budget import Budget
from core.selection.quotas import water_fill
from core.trajectories.features import Features, features

SAMPLE = 20_000
"""Rows clustered, at most."""
SILHOUETTE_SAMPLE = 2000
KS = (5, 10, 20, 40, 70, 100, 200, 300)
SEEDS = (0, 1)
MARGIN = 0.03
"""Agreement lost to another K that counts as no more than another seed costs."""


class Sweep(NamedTuple):
    """What a sweep over K and seeds found."""

    table: pd.DataFrame
    """One line a (k, seed): k, seed, clusters, inertia, silhouette (mean over at most 2,000 rows,
    Rousseeuw 1987; NaN where all of them are in one cluster), smallest, largest (rows), balance
    (entropy of the sizes / log of their number: 1 when all are equal), random (agreement with a
    plain random draw of the same budget)."""
    agreement: pd.DataFrame
    """One line a pair of these: k, seed, other_k, other_seed, agreement (0 to 1)."""
    rows: int
    """Rows clustered, a seeded sample where there are more."""
    of: int
    """Rows that can be clustered."""


def choices(rows: int) -> list[int]:
    """Return the Ks worth trying on this many rows: 5 to 300, at least ten rows a cluster."""
    return [k for k in KS if 10 * k <= rows] or [min(2, rows)]


def sweep(
    losses: Losses,
    ids: npt.NDArray[np.object_],
    ks: list[int],
    seeds: list[int],
    kind: Features = "raw",
    *,
    include_start: bool = False,
    share: float = BUDGET_SHARE,
    sample_seed: int = 0,
) -> Sweep:
    """Cluster with every K and every seed, and compare what each would select.

    Above 20,000 rows a seeded sample is clustered; the rows' order does not matter.

    Args:
        losses: Nats per response token (n_rows, n_checkpoints).
        ids: Row ids (n_rows,), unique.
        ks: Numbers of clusters, at most the rows clustered.
        include_start: Whether step 0 counts.
        share: Budget as a share of the rows.

    Raises:
        ValueError: fewer than two seeds, or a K that the rows do not allow.
    """
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    if len(set(seeds)) < 2:
        raise ValueError(
            f"a sweep with seeds {list(seeds)} cannot say what another seed changes; give two"
        )
    usable = np.flatnonzero(np.isfinite(losses).all(1))
    of = len(usable)
    usable = usable[by_id(ids[usable])]
    rng = np.random.default_rng(sample_seed)
    if of > SAMPLE:
        usable = usable[np.sort(rng.choice(of, SAMPLE, replace=False))]
    values, names = np.asarray(losses[usable]), ids[usable]
    x = features(values, kind, include_start=include_start)
    looked = rng.permutation(len(x))[:SILHOUETTE_SAMPLE]
    budget = Budget("share", share).rows(len(x)) if len(x) else 0
    plain = np.full(len(x), budget / max(1, len(x)))
    lines, drawn = [], {}
    with threadpool_limits(1):  # beside a training, k-means in two threads takes twice as long
        for k, seed in product(sorted(set(ks)), sorted(set(seeds))):
            labels, _, inertia = cluster(
                values, names, k, kind, include_start=include_start, seed=seed
            )
            sizes = np.bincount(labels)
            drawn[k, seed] = inclusion(labels, budget)
            judged = 1 < len(np.unique(labels[looked])) < len(looked)
            line = {
                "k": k,
                "seed": seed,
                "clusters": len(sizes),
                "inertia": inertia,
                "silhouette": silhouette_score(x[looked], labels[looked]) if judged else np.nan,
                "smallest": int(sizes.min()),
                "largest": int(sizes.max()),
                "balance": _balance(sizes),
                "random": overlap(drawn[k, seed], plain),
            }
            lines.append(line)
    pairs = [(*a, *b, overlap(drawn[a], drawn[b])) for a, b in combinations(drawn, 2)]
    columns = ["k", "seed", "other_k", "other_seed", "agreement"]
    return Sweep(pd.DataFrame(lines), pd.DataFrame(pairs, columns=columns), len(x), of)


def inclusion(labels: Labels, budget: int) -> Float64s:
    """Return every row's probability of being drawn by S2L's Algorithm 1 (n_rows,).

    Args:
        labels: Cluster of every row (n_rows,), none left out.
        budget: Rows to draw; the probabilities add up to it.
    """
    sizes = np.bincount(labels)
    out: Float64s = (water_fill(sizes, budget) / np.maximum(sizes, 1))[labels]
    return out


def overlap(p: Float64s, q: Float64s) -> float:
    """Return the weighted Jaccard index sum(min(p, q)) / sum(max(p, q)) (Ruzicka 1958).

    1 where all probabilities are equal, 0 where no row can be in both selections.
    """
    most = float(np.maximum(p, q).sum())
    return float(np.minimum(p, q).sum()) / most if most else 1.0


def adjusted_agreement(agreement: float, chance: float) -> float:
    """Return an agreement beyond that of chance: (a - c) / (1 - c), 1 the same, 0 as by chance."""
    return (agreement - chance) / (1 - chance) if chance < 1 else 1.0


def by_k(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the mean agreement of every K with every other (n_ks, n_ks), both sides the Ks.

    The diagonal is what another seed of one K agrees.
    """
    swapped = agreement.rename(columns={"k": "other_k", "other_k": "k"})
    both = pd.concat([agreement, swapped[list(agreement)]])
    return both.pivot_table(index="k", columns="other_k", values="agreement")


def verdict(sweep: Sweep) -> str:
    """Say in a sentence whether K matters, compared with what another seed changes.

    K does not matter in a range when any two Ks of it agree as well as two seeds of either do on
    average, within a margin of 0.03. The widest range is named.
    """
    table = by_k(sweep.agreement)
    ks, values = [int(k) for k in table.index], table.to_numpy()
    seeds = np.diag(values)
    n = len(ks)
    where = (
        ""
        if sweep.rows == sweep.of
        else (f" Seen on a seeded sample of {sweep.rows:,} of {sweep.of:,} rows.")
    )
    if n == 1:
        return f"With K = {ks[0]} alone, another seed agrees {seeds[0]:.2f}.{where}"
    level = values >= np.add.outer(seeds, seeds) / 2 - MARGIN
    ranges = [
        (i, j) for i in range(n) for j in range(i + 1, n) if level[i : j + 1, i : j + 1].all()
    ]
    plain = sweep.table.groupby("k")["random"].mean()
    if not ranges:
        between = float(values[~np.eye(n, dtype=bool)].mean())
        seed, chance = float(seeds.mean()), float(plain.mean())
        return (
            f"K matters: selections of two Ks between {ks[0]} and {ks[-1]} agree {between:.2f} on "
            f"average; another seed of one K agrees {seed:.2f}, a plain random draw "
            f"{chance:.2f}. {_beyond(between, seed, chance)}{where}"
        )
    i, j = max(ranges, key=lambda r: (r[1] - r[0], -r[0]))
    inside = values[i : j + 1, i : j + 1]
    between = inside[~np.eye(len(inside), dtype=bool)].mean()
    seed, chance = float(np.diag(inside).mean()), float(plain.iloc[i : j + 1].mean())
    return (
        f"K does not matter between {ks[i]} and {ks[j]}: selections agree {between:.2f}; another "
        f"seed of one K agrees {seed:.2f}, a plain random draw {chance:.2f}. "
        f"{_beyond(between, seed, chance)}{where}"
    )


def _beyond(between: float, seed: float, chance: float) -> str:
    """Say the two agreements once more with that of chance taken off."""
    ks, seeds = adjusted_agreement(between, chance), adjusted_agreement(seed, chance)
    return f"Beyond chance, of 1: {ks:.2f} and {seeds:.2f}."


def _balance(sizes: npt.NDArray[np.int64]) -> float:
    """Return the entropy of the sizes over its largest value; 1 for a single cluster."""
    share = sizes / sizes.sum()
    return float(-(share * np.log(share)).sum() / np.log(len(sizes))) if len(sizes) > 1 else 1.0
