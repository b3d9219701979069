"""What is compared of conversations: their words, and where questions and replies begin.

Words are told and hashed some thousands of rows at a time, out of arrow's own memory, so no Python
object is made for a word or a row. Beside the words, 4 bytes each, a row takes some 100 bytes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from core.arrays import Ints
from core.dataset.shingles import Texts
from core.dataset.words import GOLDEN, TEXTS, Flat, Hashes, as_texts, mixed, told_in_parts
from core.model.conversation import Turn, shown

LONG = 10
"""Words of a user's turn that is a question wherever it stands."""
SHARED = (0.05, 20)
"""What at least this share of the texts have, and this many, is an instruction."""
MARKS = 2**20
"""Bins by which most shingles are seen not to be common."""
SAMPLE = 2_000
"""Questions from which it is learned what their instructions have in common."""
SYSTEM, USER, ASSISTANT, OTHER = range(4)
ROLES = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}


class Slices(Texts):
    """Texts that are parts of others, without the shingles that most of them have in common."""

    def __init__(self, flat: Flat, starts: Ints, ends: Ints) -> None:
        super().__init__(flat, starts, ends)
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

    def leave_out_instructions(self, order: Ints | None = None) -> None:
        """Let the shingles of an instruction that many texts share count for nothing.

        Args:
            order: Of the texts, by which some are looked at; as they stand without one.
        """
        share, least = SHARED
        sample = np.unique(np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(int))
        sample = sample if order is None else order[sample]
        value, counts = np.unique(self.shingles(sample)[0], return_counts=True)
        self.common = value[counts >= max(least, share * len(sample))]
        self._marked = np.zeros(MARKS, bool)
        self._marked[self.common & np.uint64(MARKS - 1)] = True


class Parts(NamedTuple):
    """Parts of conversations, those of one row one after the other."""

    rows: Ints
    digests: Hashes
    """Equal for equal words."""
    ends: Ints
    """Where each ends, in words."""


class Compared:
    """The words of conversations, and digests of what is said up to their replies."""

    def __init__(self, conversations: Iterable[Sequence[Turn]] = (), folder: Any = None) -> None:
        """Compare conversations.

        Args:
            conversations: May be given later, by `add`.
            folder: Where words are kept meanwhile; in memory without one.
        """
        self.flat = Flat(folder)
        self._rows = 0
        self._parts: dict[str, list[Any]] = {
            key: []
            for key in ("starts", "said", "ends", "system", "whole", "before", "after", "asked")
        }
        left = iter(conversations)
        while some := list(itertools.islice(left, TEXTS)):
            turns = [turn for talk in some for turn in talk]
            roles = np.array([ROLES.get(turn["role"], OTHER) for turn in turns], np.int64)
            counts = np.array([len(talk) for talk in some])
            self.add(roles, as_texts(map(shown, turns)), counts)
        self._join()

    def __len__(self) -> int:
        return self._rows

    def add_stored(self, messages: pa.Array, extras: pa.Array | None) -> None:
        """Add conversations as examples.parquet holds them; `finish` when all are there."""
        turns = messages.flatten()
        names = turns.field("role").dictionary_encode()
        codes = [ROLES.get(name, OTHER) for name in names.dictionary.to_pylist()]
        roles = np.array(codes, np.int64)[names.indices.to_numpy(zero_copy_only=False)]
        contents = turns.field("content")
        counts = messages.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
        if extras is not None and extras.null_count < len(extras):
            contents = _with_calls(contents, extras, np.cumsum(counts) - counts)
        self.add(roles, contents, counts)

    def add(self, roles: Ints, contents: pa.Array, counts: Ints) -> None:
        """Add conversations.

        Args:
            roles: As ROLES has them, one a turn.
            contents: large_string, one a turn.
            counts: Turns of each conversation.
        """
        rows = np.repeat(np.arange(len(counts)), counts)
        order = np.argsort(2 * rows + (roles != SYSTEM), kind="stable")  # system turns first
        if (np.diff(order) < 0).any():
            roles, contents = roles[order], contents.take(pa.array(order))
        parts = list(told_in_parts(contents))
        value = np.concatenate([np.zeros(0, np.uint64), *(v for v, _ in parts)])
        n_words = np.concatenate([np.zeros(0, np.int64), *(n for _, n in parts)])
        start = self.flat.n
        self.flat.append((value >> np.uint64(32)).astype(np.uint32))
        ends = np.cumsum(n_words)  # turn -> where it ends, in words of these rows
        turn_ends = np.cumsum(counts)
        edges = np.concatenate([[0], ends])
        first, last = edges[turn_ends - counts], edges[turn_ends]
        of_system = np.bincount(rows[roles == SYSTEM], n_words[roles == SYSTEM], len(counts))
        middle = first + of_system.astype(np.int64)
        said_so_far = _running(value, np.repeat(middle, last - first))
        digest = _digests(said_so_far, middle[rows], ends)
        whole = _digests(said_so_far, middle, last)
        system = np.zeros(len(counts), np.uint64)
        if (with_system := np.flatnonzero(of_system)).size:
            from_first = _running(value, np.repeat(first, last - first))
            system[with_system] = _digests(from_first, first[with_system], middle[with_system])
        replies = np.flatnonzero(roles == ASSISTANT)
        begins = ends - n_words
        # a test item, or a last turn unanswered, ends what is said, too
        answered = np.zeros(len(counts), bool)
        answered[rows[replies[ends[replies] == last[rows[replies]]]]] = True
        open_rows = np.flatnonzero(~answered)
        place = np.concatenate([rows[replies], open_rows])
        by_row = np.argsort(place, kind="stable")
        before = _digests(said_so_far, middle[rows[replies]], begins[replies])
        self._keep(
            "before",
            place[by_row],
            np.concatenate([before, whole[open_rows]])[by_row],
            np.concatenate([begins[replies], last[open_rows]])[by_row] + start,
        )
        self._keep(
            "after",
            place[by_row],
            np.concatenate([digest[replies], whole[open_rows]])[by_row],
            np.concatenate([ends[replies], last[open_rows]])[by_row] + start,
        )
        long = np.flatnonzero((roles == USER) & (n_words >= LONG))
        alone = _digests(said_so_far, begins[long], ends[long])
        if (later := np.flatnonzero(begins[long] != middle[rows[long]])).size:
            turns = long[later]
            by_turn = _running(value, np.repeat(begins, n_words))
            alone[later] = _digests(by_turn, begins[turns], ends[turns])
        self._keep("asked", rows[long], alone, ends[long] + start)
        for key, array in {
            "starts": first + start,
            "said": middle + start,
            "ends": last + start,
            "system": system,
            "whole": whole,
        }.items():
            self._parts[key].append(array)
        self._rows += len(counts)

    def _keep(self, key: str, rows: Ints, digests: Hashes, ends: Ints) -> None:
        self._parts[key].append(Parts(rows + self._rows, digests, ends))

    def finish(self) -> Compared:
        """Join what was added."""
        self._join()
        return self

    def _join(self) -> None:
        def whole(key: str, kind: type = np.int64) -> Any:
            joined = np.concatenate([np.zeros(0, kind), *self._parts[key]])
            self._parts[key] = [joined]  # once, not beside its pieces
            return joined

        def parts(key: str) -> Parts:
            kinds = (np.int64, np.uint64, np.int64)
            each = list(zip(*self._parts[key], strict=True)) or [()] * 3
            joined = [
                np.concatenate([np.zeros(0, k), *x]) for k, x in zip(kinds, each, strict=True)
            ]
            out = Parts(*joined)
            self._parts[key] = [out]
            return out

        self.starts: Ints = whole("starts")
        """Row -> where its system turns begin, in words."""
        self.said: Ints = whole("said")
        """Row -> where all else begins."""
        self.ends: Ints = whole("ends")
        self.system: Hashes = whole("system", np.uint64)
        """Row -> digest of its system turns, 0 without any."""
        self.whole: Hashes = whole("whole", np.uint64)
        """Row -> digest of all else."""
        self.before = parts("before")
        """Of each reply, what is said before it."""
        self.after = parts("after")
        """What is said up to the end of each reply."""
        self.asked = parts("asked")
        """Long user turns."""

    def slices(self, starts: Ints, ends: Ints) -> Slices:
        return Slices(self.flat, starts, ends)


def _with_calls(contents: pa.Array, extras: pa.Array, first: Ints) -> pa.Array:
    """Return contents with the calls of tools that stand in the extras of their rows."""
    texts: list[str] | None = None
    for row in np.flatnonzero(extras.is_valid().to_numpy(zero_copy_only=False)).tolist():
        for turn, more in json.loads(extras[row].as_py()).items():
            if "tool_calls" in more:
                texts = contents.to_pylist() if texts is None else texts
                at = first[row] + int(turn)
                texts[at] = shown({"content": texts[at], **more})
    return contents if texts is None else as_texts(texts)


def _running(value: Hashes, base: Ints) -> Hashes:
    """Return running sums of words, each stirred with its place behind a base; 0 first.

    A difference of two tells which words stand where between them.
    """
    place = (np.arange(len(value)) - base).astype(np.uint64)
    sums: Hashes = np.zeros(len(value) + 1, np.uint64)
    np.cumsum(mixed(value + place * GOLDEN), out=sums[1:])
    return sums


def _digests(sums: Hashes, starts: Ints, ends: Ints) -> Hashes:
    """Return the digests of ranges that begin at the bases of these sums."""
    return mixed((sums[ends] - sums[starts]) ^ ((ends - starts).astype(np.uint64) * GOLDEN))
