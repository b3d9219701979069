"""How a cluster was learned, in plain words: early, late, never, forgotten again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.arrays import Float64s
from core.trajectories.row_checks import never_learned

DONE = 0.9
"""Share of its whole fall after which a cluster counts as learned."""
EARLY, LATE = 0.75, 1.2
"""Of the pool's time to that point: what is before, or after, is early, or late."""
REGAINED = 0.1
"""Nats per response token above its lowest loss at which a cluster ends that was forgotten."""


def behaviours(
    quantiles: pd.DataFrame,
    table: pd.DataFrame,
    pool: pd.DataFrame,
    tokens: tuple[float, float],
    *,
    start: bool = True,
) -> list[str]:
    """Say in plain words how every cluster was learned, in the order of the table.

    Args:
        quantiles: As `clusters.quantiles` gives them: cluster, step, q10, q25, q50, q75, q90.
        table: As `clusters.describe` gives it; `cluster` and `tokens` are read.
        pool: The same quantiles over all measured rows, one line a step.
        tokens: The 25th and the 75th percentile of the pool's response tokens.
        start: Whether the first step is from before training.
    """
    medians = quantiles.pivot_table(index="cluster", columns="step", values="q50")
    steps = medians.columns.to_numpy(np.float64)
    ordered = pool[["q25", "q50", "q75"]].to_numpy(np.float64).T
    return [
        behaviour(medians.loc[cluster].to_numpy(), steps, ordered, length, tokens, start=start)
        for cluster, length in zip(table["cluster"], table["tokens"], strict=True)
    ]


def behaviour(
    median: Float64s,
    steps: Float64s,
    pool: Float64s,
    length: float,
    tokens: tuple[float, float],
    *,
    start: bool = True,
) -> str:
    """Say in plain words how one cluster was learned.

    - never learned, by `never_learned`;
    - known from the start: before training already below the 25th percentile of where the pool
      ends;
    - learned early, late, or with the rest: 90% of its fall is done before 0.75 times, after 1.2
      times, or about when 90% of the pool's fall is done; it starts at the first recording;
    - ends low, ends high: outside the middle half of the pool's final losses;
    - forgotten again: ends 0.1 nats per response token above its lowest;
    - short answers, long answers: mean length outside the middle half of the pool's.

    Args:
        median: Median loss at every recording, nats per response token (n_checkpoints,).
        steps: Of the recordings (n_checkpoints,).
        pool: 25th percentile, median and 75th of the pool's losses (3, n_checkpoints).
        length: Mean response tokens.
        tokens: The 25th and the 75th percentile of the pool's response tokens.
        start: Whether the first recording is from before training: the first two need it.
    """
    low, _, high = pool[:, -1]
    first, final = float(median[0]), float(median[-1])
    words = []
    if start and never_learned(first, final, high):
        words.append("never learned")
    elif start and first < low:
        words.append("known from the start")
    else:
        pace = _learned_at(median, steps) / max(_learned_at(pool[1], steps), 1e-9)
        when = "early" if pace < EARLY else "late" if pace > LATE else "with the rest"
        words.append(f"learned {when}")
        if not low <= final <= high:
            words.append("ends low" if final < low else "ends high")
    if final - median.min() > REGAINED:
        words.append("forgotten again")
    if not tokens[0] <= length <= tokens[1]:
        words.append("short answers" if length < tokens[0] else "long answers")
    return ", ".join(words)


def _learned_at(curve: Float64s, steps: Float64s) -> float:
    """Return the steps from the first recording until 90% of the whole fall is done."""
    level = curve[0] - DONE * (curve[0] - curve.min())
    at = int((curve <= level).argmax())
    if at == 0:
        return 0.0
    share = (curve[at - 1] - level) / (curve[at - 1] - curve[at])
    return float(steps[at - 1] + share * (steps[at] - steps[at - 1]) - steps[0])
