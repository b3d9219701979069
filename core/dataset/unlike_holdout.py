"""How rows were held out at first; kept so that those datasets are made again.

Rows with the same words (case, spacing and punctuation aside) form a unit and move together. A unit
that is a near-duplicate of any other unit, as `core.dataset.duplicates` has it, is never held out.
Rows that only ask the same stand on both sides.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

import numpy as np

from core.dataset.duplicates import resembling
from core.dataset.holdout import quotas
from core.dataset.shingles import Texts


def draw(
    ids: Sequence[str], texts: Sequence[str], sources: Sequence[str], n: int, seed: int
) -> list[int]:
    """Draw the rows to hold out; the same ids whatever the order of the rows.

    Args:
        ids: Distinct, one a row.
        texts: What is compared between rows.
        n: Rows wanted; fewer come back when too few are unlike all others.

    Returns:
        Row numbers, ascending.
    """
    if n == 0:
        return []
    order = sorted(range(len(ids)), key=ids.__getitem__)
    words = Texts.of(texts[row] for row in order)
    by_words: dict[bytes, list[int]] = {}
    firsts = []  # unit -> its first text in `words`
    for i, row in enumerate(order):
        rows = by_words.setdefault(words.digest(i), [])
        if not rows:
            firsts.append(i)
        rows.append(row)
    units = list(by_words.values())
    docs = np.array(firsts)
    resembles: dict[int, bool] = {}
    taken: list[int] = []

    def take(queue: list[int], labels: Sequence[str], need: collections.Counter[str]) -> None:
        """Take units in the order of the queue until every label has what it needs."""

        def fits(unit: int, room: collections.Counter[str]) -> bool:
            if len(units[unit]) == 1:
                return room[labels[units[unit][0]]] > 0
            wants = collections.Counter(labels[row] for row in units[unit])
            return all(room[label] >= k for label, k in wants.items())

        spare = 1.25
        while queue and need.total() > 0:
            room = collections.Counter({s: math.ceil(k * spare) + 4 for s, k in need.items() if k})
            batch, later = [], []
            for unit in queue:
                if fits(unit, room):
                    batch.append(unit)
                    room.subtract(labels[row] for row in units[unit])
                elif fits(unit, need):
                    later.append(unit)
            new = [unit for unit in batch if unit not in resembles]
            resembles.update(zip(new, resembling(words, docs, np.array(new, int)), strict=True))
            for unit in batch:
                if not resembles[unit] and fits(unit, need):
                    taken.append(unit)
                    need.subtract(labels[row] for row in units[unit])
            queue, spare = later, spare * 4

    shuffled = np.random.default_rng(seed).permutation(len(units)).tolist()
    take(shuffled, sources, quotas(sources, n))
    short = n - sum(len(units[unit]) for unit in taken)
    if short:  # some source has too few rows unlike all others: the rest may give them
        chosen = set(taken)
        left = [unit for unit in shuffled if unit not in chosen and not resembles.get(unit)]
        take(left, [""] * len(ids), collections.Counter({"": short}))
    return sorted(row for unit in taken for row in units[unit])
