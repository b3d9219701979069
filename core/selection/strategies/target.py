"""The selector by likeness to examples of what the target is to do. Ties break by id."""

from __future__ import annotations

import numpy as np

from core.arrays import Float32s, Ints
from core.errors import InputError
from core.selection.pool import Choice, Pool

SPARE = 16
"""Rows of a query's ranking beyond its share that are looked up at once."""


def like_target(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows likest to the queries, the queries in turn (RDS+: Ivison et al. 2025).

    Each query in its turn takes the row of the largest cosine to it that none took before.
    """
    if not len(pool.queries) or pool.embeddings is None:
        raise InputError("like_target needs examples to be like: --queries FILE")
    points = np.nan_to_num(np.asarray(pool.embeddings[pool.rows], np.float32))
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    order, whose, likeness = in_turn(points, pool.queries, n)
    reasons = [
        f"number {r + 1:,}, likest to query {q + 1:,} of those left, cosine {c:.3f}"
        for r, (q, c) in enumerate(zip(whose, likeness, strict=True))
    ]
    return Choice(order, reasons)


def in_turn(points: Float32s, queries: Float32s, n: int) -> tuple[Ints, list[int], list[float]]:
    """Let queries take rows in turn, each the likest that is left.

    Args:
        points: Unit vectors of the rows (n_rows, width).
        queries: Unit vectors (n_queries, width).
        n: Rows wanted, at most n_rows.

    Returns:
        Rows in the order they are taken, whose turn it was, and the cosines.
    """
    taken = np.zeros(len(points), bool)
    ranked: dict[int, tuple[Ints, int]] = {}  # a query's best rows, and how many of them are passed
    order, whose, likeness = [], [], []
    for turn in range(n):
        query = turn % len(queries)
        rows, at = ranked.get(query, (np.zeros(0, np.int64), 0))
        while at == len(rows) or taken[rows[at]]:
            if at == len(rows):
                depth = 2 * len(rows) or n // len(queries) + SPARE
                rows = _likest(points @ queries[query], depth)
            else:
                at += 1
        ranked[query] = rows, at + 1
        best = int(rows[at])
        taken[best] = True
        order.append(best)
        whose.append(query)
        likeness.append(float(points[best] @ queries[query]))
    return np.array(order, np.int64), whose, likeness


def _likest(likeness: Float32s, n: int) -> Ints:
    """Return the first n positions by likeness, the largest first, of equals the first."""
    n = min(n, len(likeness))
    least = np.partition(likeness, len(likeness) - n)[len(likeness) - n]
    some = np.flatnonzero(likeness >= least)
    return np.asarray(some[np.argsort(-likeness[some], kind="stable")][:n], np.int64)
