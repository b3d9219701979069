"""Stability: how much of an S2L selection depends on choices that nobody has a reason for.

A selection by clusters gives every row a probability of being drawn, its cluster's quota over its
size. Where only the clustering changes, those probabilities are compared, and rows are drawn by the
same random priorities, so that what differs is the clustering and not the luck of the draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Float64s, Labels, Losses, by_id
from core.clusters.kmeans import BUDGET_SHARE, cluster
from core.review.k_sweep import SAMPLE, adjusted_agreement, inclusion, overlap
from core.selection.budget import Budget
from core.selection.quotas import water_fill
from core.trajectories.features import FEATURES, Features

DRAW, KMEANS, K, FEATURE, CHECKPOINTS = (
    "seed of the draw",
    "seed of k-means",
    "K",
    "features",
    "checkpoints used",
)
WORDS = {
    KMEANS: "another seed of k-means",
    K: "another K",
    FEATURE: "other features",
    CHECKPOINTS: "fewer checkpoints",
}
SEEDS = 3
"""Other seeds tried, of the draw and of k-means."""


class Stability(NamedTuple):
    """How far a selection stays the same when one choice changes."""

    table: pd.DataFrame
    """One line a variant: switch, variant, agreement (weighted Jaccard of the probabilities of
    being drawn, `core.review.k_sweep.overlap`; 1 where only the draw changes), rows (Jaccard index
    of the rows drawn)."""
    switches: pd.DataFrame
    """One line a switch, least stable first: switch, agreement, rows (means over its variants),
    lowest, highest (rows of a variant), variants."""
    chance: float
    """Agreement of the base with a plain random draw of the same size."""
    chance_rows: float
    """Jaccard index expected of two plain random draws of the same size."""
    k: int
    rows: int
    """Rows clustered, a seeded sample where there are more."""
    of: int
    """Rows that could be clustered."""

    @property
    def number(self) -> float:
        """Mean agreement over the switches that change the clustering, 0 to 1."""
        return float(self.switches.loc[self.switches["switch"] != DRAW, "agreement"].mean())

    @property
    def adjusted(self) -> float:
        """`number` beyond chance: 0 where a plain random draw would agree as well."""
        return adjusted_agreement(self.number, self.chance)

    def headline(self) -> str:
        """Say the one number, beside chance."""
        named = [WORDS[s] for s in self.switches["switch"] if s != DRAW]
        return (
            f"Stability {self.adjusted:.2f} of 1 beyond chance: rows' chances of being selected "
            f"agree {self.number:.2f}, where a plain random draw has {self.chance:.2f}; the mean "
            f"over {', '.join(named)}."
        )

    def sentence(self) -> str:
        """Say what every choice changes, beside chance."""
        table = self.switches[self.switches["switch"] != DRAW]
        parts = [
            f"{agreement:.2f} with {WORDS[switch]}"
            for switch, agreement in zip(table["switch"], table["agreement"], strict=True)
        ]
        drawn = self.switches.set_index("switch")["rows"].to_dict()[DRAW]
        where = (
            ""
            if self.rows == self.of
            else (f" Seen on a seeded sample of {self.rows:,} of {self.of:,} rows.")
        )
        return (
            f"Rows' chances of being selected agree {', '.join(parts)}, and {self.chance:.2f} with "
            "a plain random draw (1 is the same). Of the rows in either of two draws from the same "
            f"clusters {100 * drawn:.0f}% are in both; of two plain random draws "
            f"{100 * self.chance_rows:.0f}%.{where}"
        )


def stability(
    losses: Losses,
    ids: npt.NDArray[np.object_],
    k: int,
    kind: Features = "raw",
    *,
    include_start: bool = False,
    seed: int = 0,
    share: float = BUDGET_SHARE,
    draw_seed: int = 0,
    sample: int = SAMPLE,
) -> Stability:
    """Change one choice at a time, and compare what would be selected.

    Eleven clusterings at most; the order of the rows does not matter.

    Args:
        losses: Nats per response token (n_rows, n_checkpoints).
        ids: Row ids (n_rows,), unique.
        k: Clusters of the base; half and twice as many are tried.
        kind: Features of the base; the others are tried.
        include_start: Whether step 0 counts.
        seed: Of the base's k-means; the next three are tried.
        share: Budget as a share of the rows.
        draw_seed: Of the base's draw, and of the sample; the next three are tried.
        sample: Rows clustered, at most.

    Raises:
        InputError: K is larger than the number of rows clustered.
    """
    usable = np.flatnonzero(np.isfinite(losses).all(1))
    usable, of = usable[by_id(ids[usable])], len(usable)
    if of > sample:
        rng = np.random.default_rng(draw_seed)
        usable = usable[np.sort(rng.choice(of, sample, replace=False))]
    names = ids[usable]
    window = losses[usable] if include_start or losses.shape[1] == 1 else losses[usable, 1:]

    def labels(x: Losses, k: int = k, kind: Features = kind, seed: int = seed) -> Labels:
        return cluster(x, names, k, kind, include_start=True, seed=seed).labels

    base = labels(window)
    budget = Budget("share", share).rows(len(base))
    chances = inclusion(base, budget)
    drawn = _draw(base, budget, draw_seed)
    lines: list[tuple[str, str, float, float]] = []
    for other in range(draw_seed + 1, draw_seed + 1 + SEEDS):
        rows = overlap(drawn, _draw(base, budget, other))
        lines.append((DRAW, f"{other}", 1.0, rows))

    def tried() -> Iterator[tuple[str, str, Labels]]:
        for other in range(seed + 1, seed + 1 + SEEDS):
            yield KMEANS, f"{other}", labels(window, seed=other)
        for number in sorted({max(1, k // 2), min(2 * k, len(base))} - {k}):
            yield K, f"{number}", labels(window, k=number)
        for feature in FEATURES:
            if feature != kind and window.shape[1] > 1:
                yield FEATURE, feature, labels(window, kind=feature)
        for words, x in _windows(window):
            yield CHECKPOINTS, words, labels(x)

    for switch, variant, other_labels in tried():
        agreement = overlap(chances, inclusion(other_labels, budget))
        rows = overlap(drawn, _draw(other_labels, budget, draw_seed))
        lines.append((switch, variant, agreement, rows))
    table = pd.DataFrame(lines, columns=["switch", "variant", "agreement", "rows"])
    part = budget / len(base)
    return Stability(
        table,
        _by_switch(table),
        overlap(chances, np.full(len(base), part)),
        part / (2 - part),
        k,
        len(base),
        of,
    )


def _windows(window: Losses) -> list[tuple[str, Losses]]:
    """Return the parts of the recordings that are tried; at least two columns each."""
    n = window.shape[1]
    parts = [
        ("first half", window[:, : (n + 1) // 2]),
        ("every second", window[:, (n - 1) % 2 :: 2]),  # the last is among them
    ]
    return [(words, x) for words, x in parts if 1 < x.shape[1] < n]


def _draw(labels: Labels, budget: int, seed: int) -> Float64s:
    """Draw by S2L's Algorithm 1 where every row has a priority of its own: 1 if drawn (n_rows,).

    Whatever the clusters, the same seed gives the same priorities.
    """
    priority = np.random.default_rng(seed).random(len(labels))
    sizes = np.bincount(labels)
    order = np.lexsort((priority, labels))
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    taken = np.repeat(water_fill(sizes, budget), sizes)
    out = np.zeros(len(labels))
    out[order[place < taken]] = 1
    return out


def _by_switch(table: pd.DataFrame) -> pd.DataFrame:
    """Sum the variants up by switch, least stable first."""
    out = table.groupby("switch", sort=False).agg(
        agreement=("agreement", "mean"),
        rows=("rows", "mean"),
        lowest=("rows", "min"),
        highest=("rows", "max"),
        variants=("variant", "size"),
    )
    return out.sort_values("agreement", kind="stable").reset_index()
