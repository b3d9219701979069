"""Groups: rows that stand on one side of a split, because one would give the other away.

Rows belong together when they ask the same, when one conversation begins with the other, or when
they are near-duplicates as `core.dataset.duplicates` has it, by all that is said or by the question
alone; case, spacing and punctuation aside. The question of a row is what is said before its first
reply. Where that is a greeting (fewer than five words) or an instruction (1 row in 20 has it, and
at least 20), it reaches to the next reply; where it is rarer with its system turn, as when a
document stands there, that belongs to it. A user's turn of ten words counts anywhere in a
conversation. A question that more than half of all rows have tells no row from another: these are
compared by all that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import Bools, Ints, release
from core.dataset.compared import Compared
from core.dataset.near_join import Sets, unite_near
from core.dataset.shingles import SHINGLE
from core.dataset.words import GOLDEN, Hashes, mixed

SHARED = (0.05, 20)
"""An instruction: what at least this share of the rows have, and this many."""
QUESTION, ASKED, SAID = (mixed(np.full(1, kind, np.uint64)) for kind in (1, 2, 3))
"""Kinds of keys."""


class Questions(NamedTuple):
    """What tells rows from others: those that share a key ask the same."""

    rows: Ints
    """Of each key; a row may have several."""
    keys: Hashes
    question: Hashes
    """Row -> the key of its question, where it has one of its own."""
    starts: Ints
    """Row -> where its question begins, in words; at its end where it has none of its own."""
    ends: Ints


def questions(compared: Compared) -> Questions:
    """Return the questions of all rows."""
    n = len(compared)
    share, least = SHARED
    instruction = max(least, share * n)
    replies, asked, after = compared.before, compared.asked, compared.after
    rows_with = _rows_with(replies.rows, replies.digests)
    telling = replies.ends - compared.said[replies.rows] >= SHINGLE
    telling &= rows_with < instruction
    chosen = np.zeros(n, np.int64)
    chosen[replies.rows] = np.arange(len(replies.rows))  # the last one
    first = np.flatnonzero(telling)[::-1]
    chosen[replies.rows[first]] = first
    # else no reply is asked for in words of its own
    known = telling[chosen] if n else np.zeros(0, bool)
    prompt, ends, common = replies.digests[chosen], replies.ends[chosen], rows_with[chosen]
    rare_system = compared.system != 0
    rare_system &= _rows_with(np.arange(n), compared.system) < common
    with_system = ~known & rare_system
    own = known | with_system
    own |= (ends > compared.said) & ((common < least) | (2 * common <= n))
    starts = np.where(with_system, compared.starts, compared.said)
    question = np.where(with_system, mixed(compared.system * GOLDEN + prompt), prompt)
    question = mixed(question ^ QUESTION)
    rare = _rows_with(asked.rows, asked.digests) < instruction
    last = compared.whole[after.rows] == after.digests
    continued = last | (
        np.isin(after.digests, compared.whole)
        & (_rows_with(after.rows, after.digests) < instruction)
    )
    rows = [np.flatnonzero(own), asked.rows[rare], after.rows[continued]]
    keys = [
        question[own],
        mixed(asked.digests[rare] ^ ASKED),
        mixed(after.digests[continued] ^ SAID),
    ]
    starts = np.where(own, starts, ends)
    return Questions(np.concatenate(rows), np.concatenate(keys), question, starts, ends)


def _rows_with(rows: Ints, digests: Hashes) -> Ints:
    """Return of each entry how many rows have its digest."""
    order = np.lexsort((rows, digests))
    digest, row = digests[order], rows[order]
    new = np.append(True, digest[1:] != digest[:-1])[: len(order)]
    fresh = new | np.append(True, row[1:] != row[:-1])[: len(order)]
    place = np.cumsum(new) - 1
    out = np.zeros(len(order), np.int64)
    out[order] = np.bincount(place, fresh).astype(np.int64)[place] if len(order) else 0
    return out


def groups(compared: Compared, order: Sequence[int]) -> list[int]:
    """Return the group of every row, as one of its rows.

    Args:
        order: All rows in an order that does not depend on their place, such as that of their ids.
    """
    asked = questions(compared)
    sets = Sets(len(compared))
    release()
    by_key = np.argsort(asked.keys, kind="stable")
    same = asked.keys[by_key][1:] == asked.keys[by_key][:-1]
    sets.unite(asked.rows[by_key[1:][same]], asked.rows[by_key[:-1][same]])
    ordered = np.array(order, np.int64)
    rows = np.sort(_firsts(ordered, compared.whole))
    unite_near(sets, rows, compared.slices(compared.said[rows], compared.ends[rows]))
    by_order = _firsts(ordered[_has_question(asked)[ordered]], asked.question)
    rows = np.sort(by_order)  # as they stand, so that they are read together
    texts = compared.slices(asked.starts[rows], asked.ends[rows])
    texts.leave_out_instructions(np.searchsorted(rows, by_order))
    unite_near(sets, rows, texts)
    _, first = np.unique(sets.label, return_index=True)
    out: list[int] = first[sets.label].tolist()
    return out


def _has_question(asked: Questions) -> Bools:
    out: Bools = asked.starts < asked.ends
    return out


def _firsts(order: Ints, digests: Hashes) -> Ints:
    """Return the first row of each digest, in order."""
    _, first = np.unique(digests[order], return_index=True)
    return order[np.sort(first)]
