"""Selectors by the scores of another tool. Ties break by id, the order of the pool."""

from __future__ import annotations

import numpy as np

from core.arrays import Float64s, Ints
from core.errors import InputError
from core.selection.pool import Choice, Pool


def given_scores(pool: Pool, n: int, seed: int) -> Choice:
    """Take rows by their given score: largest, smallest, middle, or drawn in proportion to it."""
    best = by_rule(pool.given, pool.rule, n, np.random.default_rng(seed))
    how = "drawn by its score" if pool.rule == "weighted" else f"number {{:,}}, {pool.rule} first"
    reasons = [f"score {pool.given[i]:.6g}, {how.format(r + 1)}" for r, i in enumerate(best)]
    return Choice(best, reasons)


def by_rule(scores: Float64s, rule: str, n: int, rng: np.random.Generator) -> Ints:
    """Return n positions in order of rank; every shorter choice of one seed is its beginning.

    weighted draws without replacement, one after the other with probabilities in proportion to
    the scores left: the n smallest of exponential times over scores (Efraimidis & Spirakis 2006).

    Args:
        scores: Finite (n_rows,).
        rule: top, bottom, middle or weighted.
        n: At most n_rows.
        rng: Of weighted draws; taken from for no other rule.

    Raises:
        InputError: weighted, and scores are below 0, or fewer than n above.
    """
    if rule == "weighted":
        if (scores < 0).any():
            raise InputError(
                f"--rule weighted draws in proportion to the scores, and {(scores < 0).sum():,} of "
                f"{len(scores):,} are below 0; take top, bottom or middle, or shift them"
            )
        times = rng.exponential(size=len(scores))
        if (positive := int((scores > 0).sum())) < n:
            raise InputError(
                f"--rule weighted never draws a score of 0, and {positive:,} rows have more, fewer "
                f"than the {n:,} wanted; lower the budget or take another rule"
            )
        with np.errstate(divide="ignore"):
            key = times / scores
    elif rule == "middle":
        rank = np.empty(len(scores))
        rank[np.argsort(scores, kind="stable")] = np.arange(len(scores))
        key = np.abs(rank - len(scores) / 2)
    else:
        key = scores if rule == "bottom" else -scores
    return np.argsort(key, kind="stable")[:n]
