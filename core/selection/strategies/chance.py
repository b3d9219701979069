"""Selectors by chance: everything, random rows, and random rows as many as another selection's."""

from __future__ import annotations

import numpy as np

from core.errors import InputError
from core.selection.pool import Choice, Match, Pool


def full(pool: Pool, n: int, seed: int) -> Choice:
    """Take the whole pool, whatever the budget."""
    return Choice(np.arange(len(pool)), ["the whole pool"] * len(pool))


def random(pool: Pool, n: int, seed: int) -> Choice:
    """Draw uniformly without replacement."""
    drawn = np.random.default_rng(seed).permutation(len(pool))[:n]
    return Choice(drawn, [f"drawn at random, {n:,} of {len(pool):,}"] * n)


def random_token_matched(pool: Pool, n: int, seed: int) -> Choice:
    """Draw until the response tokens of another selection are reached, whatever the budget.

    The last row drawn is the one that reaches them.

    Raises:
        InputError: no selection to match, or the whole pool has fewer tokens.
    """
    match = _match(pool, "random_token_matched")
    drawn = np.random.default_rng(seed).permutation(len(pool))
    already = int(pool.kept.tokens.sum()) if pool.kept else 0
    sums = already + np.cumsum(pool.tokens[drawn])
    if not len(sums) or sums[-1] < match.tokens:
        raise InputError(
            f"the selection to match has {match.tokens:,} response tokens, the pool "
            f"{already + int(pool.tokens.sum()):,}; match a smaller one"
        )
    count = 0 if already >= match.tokens else int(np.searchsorted(sums, match.tokens)) + 1
    reason = f"drawn at random until {match.tokens:,} response tokens were reached"
    return Choice(drawn[:count], [reason] * count)


def random_cost_matched(pool: Pool, n: int, seed: int) -> Choice:
    """Draw as many rows as another selection would have had for its proxy's cost, too.

    Raises:
        InputError: no selection to match, or that is more than the pool.
    """
    match = _match(pool, "random_cost_matched")
    already = len(pool.kept) if pool.kept else 0
    if match.rows > already + len(pool):
        raise InputError(
            f"with what its proxy cost the selection to match is worth {match.rows:,} rows, more "
            f"than the {already + len(pool):,} eligible: training on all of them costs less"
        )
    count = max(0, match.rows - already)
    drawn = np.random.default_rng(seed).permutation(len(pool))[:count]
    reason = f"drawn at random, {match.rows:,} rows for the cost of another selection"
    return Choice(drawn, [reason] * count)


def _match(pool: Pool, name: str) -> Match:
    if pool.match is None:
        raise InputError(f"{name} needs the selection that it is as large as; name it with --match")
    return pool.match
