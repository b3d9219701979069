"""Selectors: from a pool of rows to the rows chosen, each with a reason.

A selector is a pure function of (pool, number of rows, seed); `strategies.catalog` lists all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from core.errors import InputError
from core.selection.budget import Budget
from core.selection.pool import Choice, Pool
from core.selection.s2l_options import Switches, changed
from core.selection.strategies.catalog import STRATEGIES, named
from core.selection.strategies.s2l import clusters_per_source, room, small_sources

PINNED = "pinned"
"""The reason of a row that somebody pinned."""


def choose(
    pool: Pool,
    strategy: str,
    budget: Budget,
    seed: int,
    stay: Choice | None = None,
    switches: Switches | None = None,
) -> Choice:
    """Apply a selector to a budget; a token budget is filled to at most its size.

    Rows that stay come first and count; the strategy draws the rest of the budget from the other
    rows. Where it shares the budget over clusters or sources, the totals are shared.

    Args:
        budget: Of all rows chosen, those that stay included.
        stay: What is in already, pinned or kept, in order of rank.
        switches: Of S2L's family; those of the pool where left out.

    Raises:
        InputError: the pool is empty, the budget does not fit it or what stays, or a switch is set
            that the strategy does not have.
    """
    if not len(pool):
        raise InputError(
            "no row can be selected: all are held out, not measurable, excluded or filtered; "
            "include some again or loosen the filters"
        )
    if switches is not None and switches != pool.switches:
        pool = dataclasses.replace(pool, switches=switches)
    row = STRATEGIES[strategy]
    check_switches(strategy, pool.switches, budget)
    stay = _with_small_sources(pool, stay or Choice(np.zeros(0, np.int64), []))
    already = stay.positions
    others = np.delete(np.arange(len(pool)), already)
    rest = dataclasses.replace(pool.take(others), kept=pool.take(already)) if len(already) else pool
    if strategy == "s2l_per_source":
        rest = clusters_per_source(rest, seed)

    def draw(n: int) -> Choice:
        if n == len(already) and row.size == "budget" and not pool.switches.quotas:
            return stay
        more = row.choose(rest, n - len(already), seed)
        return Choice(
            np.concatenate([already, others[more.positions]]), stay.reasons + more.reasons
        )

    if row.size != "budget":
        return draw(len(pool))
    if budget.kind != "tokens":
        n = budget.rows(len(pool))
        if n < len(already):
            raise InputError(f"the budget of {budget} is {n:,} rows, less than {_staying(stay)}")
        return draw(n)
    if not len(pool.tokens):
        raise InputError("a token budget needs trajectories, which hold the token counts")
    if (tokens := int(pool.tokens[already].sum())) > budget.value:
        raise InputError(f"the budget of {budget} is less than the {tokens:,} of {_staying(stay)}")
    if row.prefix:
        return _prefix(pool, budget, stay, draw)

    def size(n: int) -> int:
        return int(pool.tokens[draw(n).positions].sum())

    low, high = len(already), len(already) + room(rest, strategy)
    while low < high:  # the largest n that fits; size grows with n but for the draw
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(middle) <= budget.value else (low, middle - 1)
    if not low:
        raise _too_small(pool, budget)
    return draw(low)


def check_switches(strategy: str, switches: Switches, budget: Budget) -> None:
    """Raise InputError where a switch is set that a strategy or a budget does not have."""
    flags = changed(switches)
    if flags and not STRATEGIES[strategy].switches:
        raise InputError(
            f"{', '.join(flags)} {'count' if len(flags) > 1 else 'counts'} for "
            f"{named(switches=True)} only; {strategy} does not have it"
        )
    if switches.quotas and not STRATEGIES[strategy].quotas:
        raise InputError("--quotas names clusters of s2l; s2l_per_source makes its own per source")
    if switches.quotas and budget.kind == "tokens":
        raise InputError(f"--quotas are rows, so the budget must be rows or a share, not {budget}")


def _with_small_sources(pool: Pool, stay: Choice) -> Choice:
    """Add the rows of sources that are kept whole to what stays."""
    if not pool.switches.small_sources:
        return stay
    whole = small_sources(pool, pool.switches.small_sources)
    new = ~np.isin(whole.positions, stay.positions)
    reasons = [r for r, is_new in zip(whole.reasons, new, strict=True) if is_new]
    return Choice(np.concatenate([stay.positions, whole.positions[new]]), stay.reasons + reasons)


def _prefix(pool: Pool, budget: Budget, stay: Choice, draw: Callable[[int], Choice]) -> Choice:
    """Fill a token budget with the first rows of one choice that is long enough for any."""
    shortest = np.sort(np.delete(pool.tokens, stay.positions))
    left = budget.value - pool.tokens[stay.positions].sum()
    most = len(stay.positions) + int(np.searchsorted(np.cumsum(shortest), left, "right"))
    if not most:
        raise _too_small(pool, budget)
    long = draw(most)
    n = int(np.searchsorted(np.cumsum(pool.tokens[long.positions]), budget.value, "right"))
    if not n:
        raise _too_small(pool, budget)
    return Choice(long.positions[:n], long.reasons[:n])


def _too_small(pool: Pool, budget: Budget) -> InputError:
    return InputError(
        f"the budget of {budget} is below the shortest choice; rows have "
        f"{int(pool.tokens.min()):,} to {int(pool.tokens.max()):,} response tokens: raise it"
    )


def _staying(stay: Choice) -> str:
    """Say what stays, and what to do where a budget is too small for it."""
    pinned = stay.reasons.count(PINNED)
    whole = sum(reason.startswith("source ") for reason in stay.reasons)
    kept = len(stay.reasons) - pinned - whole
    parts = [(pinned, "pinned", "unpin some"), (kept, "kept", "keep none")]
    parts.append((whole, "of small sources", "lower --small-sources"))
    there = [part for part in parts if part[0]]
    what = " and ".join(f"{rows:,} {word}" for rows, word, _ in there)
    ways = ["raise it", *(way for _, _, way in there)]
    return f"the {what}; {', '.join(ways[:-1])} or {ways[-1]}"
