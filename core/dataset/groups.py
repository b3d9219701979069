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

import array
import collections
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import Int32s, Ints
from core.dataset.duplicates import SHINGLE, Hashes, Index, Texts, words
from core.model.conversation import Turn

LONG = 10
"""Words of a user's turn that is a question wherever it stands."""
SHARED = (0.05, 20)
"""An instruction: what at least this share of the rows have, and this many."""
MARKS = 2**20
"""Bins by which most shingles are seen not to be common."""
SAMPLE = 2_000
"""Questions from which it is learned what their instructions have in common."""


class Slices(Texts):
    """Texts that are parts of others, without the shingles that most of them have in common."""

    def __init__(self, flat: Int32s, starts: Ints, ends: Ints, codes: Hashes) -> None:
        self.flat, self.starts, self.ends, self.codes = flat, starts, ends, codes
        self.common: Hashes = np.zeros(0, np.uint64)

    def windows(self, docs: Ints) -> tuple[Hashes, Ints]:
        """Return the shingles of some texts that count, and the place in docs of each."""
        value, owner = super().windows(docs)
        if not len(self.common):
            return value, owner
        maybe = np.flatnonzero(self._marked[value & np.uint64(len(self._marked) - 1)])
        at = np.minimum(np.searchsorted(self.common, value[maybe]), len(self.common) - 1)
        keep = np.ones(len(value), bool)
        keep[maybe[self.common[at] == value[maybe]]] = False
        return value[keep], owner[keep]

    def leave_out_instructions(self) -> None:
        """Let the shingles of an instruction that many texts share count for nothing."""
        share, least = SHARED
        sample = np.unique(np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(int))
        value, counts = np.unique(self.shingles(sample)[0], return_counts=True)
        self.common = value[counts >= max(least, share * len(sample))]
        self._marked = np.zeros(MARKS, bool)
        self._marked[self.common & np.uint64(MARKS - 1)] = True


class Compared:
    """What is compared of conversations: their words, and where questions and replies begin."""

    def __init__(self, conversations: Iterable[Sequence[Turn]]) -> None:
        vocabulary: collections.defaultdict[str, int] = collections.defaultdict(
            itertools.count().__next__
        )
        flat = array.array("i")
        self.starts = array.array("q")
        """Row -> where its system turns begin, in words."""
        self.said = array.array("q")
        """Row -> where all else begins."""
        self.ends = array.array("q")
        self.before: list[list[tuple[bytes, int]]] = []
        """Row -> of each reply, what is said before it and where that ends."""
        self.after: list[list[bytes]] = []
        """Row -> what is said up to the end of each reply."""
        self.asked: list[list[bytes]] = []
        """Row -> its long user turns."""
        self.system: list[bytes] = []

        def add(text: str) -> bytes:
            codes = array.array("i", list(map(vocabulary.__getitem__, words(text))))
            flat.extend(codes)
            return codes.tobytes()

        for turns in conversations:
            self.starts.append(len(flat))
            system = b"".join(add(t["content"]) for t in turns if t["role"] == "system")
            self.system.append(_hash(system) if system else b"")
            self.said.append(len(flat))
            so_far = hashlib.blake2b(digest_size=8)
            before, after, asked = [], [], []
            for turn in turns:
                if turn["role"] == "system":
                    continue
                if turn["role"] == "assistant":
                    before.append((so_far.digest(), len(flat)))
                own = add(turn["content"])
                so_far.update(own)
                if turn["role"] == "assistant":
                    after.append(so_far.digest())
                elif turn["role"] == "user" and len(own) >= 4 * LONG:
                    asked.append(_hash(own))
            if not before or after[-1] != so_far.digest():  # a test item, or a last turn unanswered
                before.append((so_far.digest(), len(flat)))
                after.append(so_far.digest())
            self.before.append(before)
            self.after.append(after)
            self.asked.append(asked)
            self.ends.append(len(flat))
        self.flat = np.frombuffer(flat, np.int32)
        self.codes = np.random.default_rng(0).integers(0, 2**64, len(vocabulary), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self.ends)

    def slices(self, starts: Sequence[int], ends: Sequence[int]) -> Slices:
        return Slices(self.flat, np.array(starts, int), np.array(ends, int), self.codes)


def _hash(codes: bytes) -> bytes:
    return hashlib.blake2b(codes, digest_size=8).digest()


class Question(NamedTuple):
    """What tells a row from others: who shares a key with it asks the same."""

    keys: list[bytes]
    start: int
    """Where the question begins, in words; at its end where the row has none of its own."""
    end: int


def questions(compared: Compared) -> list[Question]:
    """Return the question of every row."""
    n = len(compared)
    share, least = SHARED
    instruction = max(least, share * n)
    rows_with = collections.Counter(d for before in compared.before for d in {d for d, _ in before})
    with_system = collections.Counter(compared.system)
    with_asked = collections.Counter(d for asked in compared.asked for d in set(asked))
    with_after = collections.Counter(d for after in compared.after for d in set(after))
    whole = {after[-1] for after in compared.after}
    out = []
    for row in range(n):
        said = compared.said[row]
        start, own = said, True
        for prompt, end in compared.before[row]:
            if end - said >= SHINGLE and rows_with[prompt] < instruction:
                break
        else:  # no reply is asked for in words of its own
            system = compared.system[row]
            if system and with_system[system] < rows_with[prompt]:
                prompt, start = system + prompt, compared.starts[row]
            else:
                own = end > said and (rows_with[prompt] < least or 2 * rows_with[prompt] <= n)
        keys = [b"question" + prompt] if own else []
        keys += [b"asked" + d for d in compared.asked[row] if with_asked[d] < instruction]
        keys += [
            b"said" + d
            for d in compared.after[row]
            if d == compared.after[row][-1] or (d in whole and with_after[d] < instruction)
        ]
        out.append(Question(keys, start if own else end, end))
    return out


class _Sets:
    """Disjoint sets of rows, to be united."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def root(self, row: int) -> int:
        while self.parent[row] != row:
            self.parent[row] = row = self.parent[self.parent[row]]
        return row

    def unite(self, a: int, b: int) -> None:
        a, b = self.root(a), self.root(b)
        self.parent[max(a, b)] = min(a, b)


def groups(compared: Compared, order: Sequence[int]) -> list[int]:
    """Return the group of every row, as one of its rows.

    Args:
        compared: The rows.
        order: All rows in an order that does not depend on their place, such as that of their ids.
    """
    asked = questions(compared)
    sets = _Sets(len(compared))
    first: dict[bytes, int] = {}
    for row in order:
        for key in asked[row].keys:
            sets.unite(row, first.setdefault(key, row))
    by_words = {compared.after[row][-1]: row for row in order}
    rows = list(by_words.values())
    said, ends = compared.said, compared.ends
    _unite_near(sets, rows, compared.slices([said[r] for r in rows], [ends[r] for r in rows]))
    by_question = {asked[row].keys[0]: row for row in order if asked[row].start < asked[row].end}
    rows = list(by_question.values())
    texts = compared.slices([asked[r].start for r in rows], [asked[r].end for r in rows])
    texts.leave_out_instructions()
    _unite_near(sets, rows, texts)
    return [sets.root(row) for row in range(len(compared))]


def _unite_near(sets: _Sets, rows: list[int], texts: Texts) -> None:
    """Unite rows of which a text each is given, where these are near-duplicates."""
    index = Index(texts)
    for text in texts.walk(np.arange(len(rows))):
        own = rows[text.doc]
        docs, least = index.candidates(text)
        roots = np.array([sets.root(rows[doc]) for doc in docs.tolist()], int)
        while len(docs := docs[other := roots != sets.root(own)]):  # one of each set, then others
            least, roots = least[other], roots[other]
            _, tried = np.unique(roots, return_index=True)
            alike = index.confirmed(text, docs[tried], least[tried])
            near = roots[tried][alike]
            for root in near.tolist():
                sets.unite(own, root)
            left = np.ones(len(docs), bool)
            left[tried] = False
            left &= ~np.isin(roots, near)
            docs, least, roots = docs[left], least[left], roots[left]
        index.enter(text)
