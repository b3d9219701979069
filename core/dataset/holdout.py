"""Which rows are held out: a source-stratified draw of whole groups.

Rows that ask the same, begin one conversation or are near-duplicates form a group, as
`core.dataset.groups` has it, so nothing in the pool gives a test row away. Datasets made before
there were groups were drawn by `core.dataset.unlike_holdout`.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np

from core.arrays import by_id
from core.errors import InputError

AUTO_SHARE, AUTO_MOST, AUTO_FROM = 0.05, 1000, 100


def size(asked: str, n_rows: int) -> int:
    """Return how many rows `auto` or a number asks for.

    Raises:
        InputError: it would leave nothing to train on.
    """
    if asked == "auto":
        return min(AUTO_MOST, int(AUTO_SHARE * n_rows)) if n_rows >= AUTO_FROM else 0
    if int(asked) > 0 and int(asked) >= n_rows:
        raise InputError(
            f"--holdout {asked} leaves no row to train on: there are {n_rows:,}; ask for fewer"
        )
    return int(asked)


def quotas(sources: Sequence[str], n: int) -> collections.Counter[str]:
    """Share n rows among the sources in proportion to their size, by largest remainder."""
    counts = collections.Counter(sources)
    exact = {s: divmod(n * count, len(sources)) for s, count in counts.items()}
    out = collections.Counter({s: whole for s, (whole, _) in exact.items()})
    by_remainder = sorted(counts, key=lambda s: (-exact[s][1], s))
    out.update(by_remainder[: n - out.total()])
    return out


def draw(
    ids: Sequence[str], groups: Sequence[int], sources: Sequence[str], n: int, seed: int
) -> list[int]:
    """Draw the rows to hold out, whole groups of them; the same ids whatever the order of the rows.

    Args:
        ids: Distinct, one a row.
        groups: Rows of equal number stand on one side.
        n: Rows wanted; fewer come back when the groups that are left are larger than what is
            missing.

    Returns:
        Row numbers, ascending.
    """
    order = by_id(np.array(ids, object))
    _, first, group = np.unique(np.array(groups)[order], return_index=True, return_inverse=True)
    group = np.argsort(np.argsort(first))[group]  # numbered as they come in the order of ids
    members = order[np.argsort(group, kind="stable")].tolist()
    edges = np.searchsorted(np.sort(group), np.arange(len(first) + 1)).tolist()
    taken: list[int] = []

    def take(queue: list[int], labels: Sequence[str], need: collections.Counter[str]) -> list[int]:
        """Take groups in order until every label has what it needs; return those left."""
        left: list[int] = []
        for i, one in enumerate(queue):
            if len(taken) == n:
                return left + queue[i:]
            rows = members[edges[one] : edges[one + 1]]
            if len(rows) == 1 and need[labels[rows[0]]] > 0:  # nearly all are
                taken.append(rows[0])
                need[labels[rows[0]]] -= 1
                continue
            wants = collections.Counter(labels[row] for row in rows)
            if all(need[label] >= k for label, k in wants.items()):
                taken.extend(rows)
                need.subtract(wants)
            else:
                left.append(one)
        return left

    shuffled = np.random.default_rng(seed).permutation(len(first)).tolist()
    queue = take(shuffled, sources, quotas(sources, n))
    # some source has too few small groups: the rest may give them
    take(queue, [""] * len(ids), collections.Counter({"": n - len(taken)}))
    return sorted(taken)
