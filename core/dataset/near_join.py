"""Near-duplicates of a whole dataset at once: which texts hang together by them.

All texts that have one of their rarest shingles in common are candidates (the prefix filter of
`core.dataset.shingles`); a pair is judged only where its texts do not hang together already. So
sixteen near copies of a row cost fifteen judgements, not 120.
"""

from __future__ import annotations

import numpy as np

from core.arrays import Bools, Ints
from core.dataset.shingles import BATCH, NEAR, Texts, looked_up
from core.dataset.words import Hashes

PAIRS = 2_000_000
"""Candidates looked at together, about."""
PARTS = 8
"""Ranges of shingles whose entries are sorted one after the other."""


class Sets:
    """Disjoint sets of things, each with the number of its set."""

    def __init__(self, n: int) -> None:
        self.label = np.arange(n)

    def unite(self, a: Ints, b: Ints) -> None:
        """Let pairs hang together."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if len(a):
            n = int(self.label.max()) + 1
            pairs = (np.ones(len(a), bool), (self.label[a], self.label[b]))
            self.label = connected_components(coo_array(pairs, (n, n)), False)[1][self.label]


def unite_near(sets: Sets, rows: Ints, texts: Texts) -> None:
    """Unite rows of which a text each is given, where these are near-duplicates."""
    shingle, doc, sizes = _entries(texts)
    starts, rank = _buckets(shingle)
    inside = np.flatnonzero(rank)
    a, b = doc[inside - 1], doc[inside]
    n_entries = np.bincount(doc, minlength=len(texts))
    # neighbours that share most of what there is: copies, mostly
    pair, common = _counted(a, b, len(texts))
    a, b = pair // len(texts), pair % len(texts)
    likely = 2 * common >= np.minimum(n_entries[a], n_entries[b])
    _judge(sets, rows, texts, a[likely], b[likely], common[likely], sizes)
    keep = _mixed_buckets(starts, sets.label[rows[doc]])
    doc, (starts, rank) = doc[keep], _buckets(shingle[keep])
    order = np.argsort(doc, kind="stable")
    n_pairs = np.cumsum(rank[order])
    at = 0
    while at < len(order):
        taken = n_pairs[at - 1] if at else 0
        stop = int(np.searchsorted(n_pairs, taken + PAIRS, "right"))
        stop = int(np.searchsorted(doc[order], doc[order[max(stop, at + 1) - 1]], "right"))
        later = order[at:stop]
        n = rank[later]
        partner = np.arange(n.sum()) + np.repeat(starts[later] - np.cumsum(n) + n, n)
        a, b = doc[partner], np.repeat(doc[later], n)
        apart = np.flatnonzero(sets.label[rows[a]] != sets.label[rows[b]])
        pair, common = _counted(a[apart], b[apart], len(texts))
        a, b = pair // len(texts), pair % len(texts)
        # what the rarest of both have in common, and all the others of one of them
        most = common + np.maximum(sizes[a] - looked_up(sizes[a]), sizes[b] - looked_up(sizes[b]))
        maybe = most >= _least(sizes, a, b)
        _judge(sets, rows, texts, a[maybe], b[maybe], common[maybe], sizes)
        at = stop


def _entries(texts: Texts) -> tuple[Hashes, Ints, Ints]:
    """Return the rarest shingles of all texts, those of one only left out.

    Returns:
        Shingle and text of each entry, sorted by shingle, then text; how many shingles a text has.
    """
    bits = np.uint64(max(len(texts), 2).bit_length())
    parts: list[list[Hashes]] = [[np.zeros(0, np.uint64)] for _ in range(PARTS)]
    sizes = []
    for start, (owner, value, n) in texts.all_prefixes():
        part = (value * np.uint64(PARTS)) >> np.uint64(40)
        # of more than 16 million texts candidates are looked up by fewer bits of the shingle
        value >>= max(bits, np.uint64(24)) - np.uint64(24)
        both = (value << bits) | (owner + start).astype(np.uint64)
        for i, some in enumerate(parts):
            some.append(both[part == i])
        sizes.append(n)
    # a part at a time, so that the entries of one text only never stand beside copies of all
    entries = []
    for some in parts:
        both = np.concatenate(some)
        some.clear()
        both.sort()
        same = both[1:] >> bits == both[:-1] >> bits
        shared = np.append(same, False) | np.append(False, same) if len(both) else same
        entries.append(both[shared])
        del both, same, shared
    both = np.concatenate(entries)
    doc = (both & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    return both >> bits, doc, np.concatenate([np.zeros(0, np.int64), *sizes])


def _buckets(shingle: Hashes) -> tuple[Ints, Ints]:
    """Return of each entry where the first one of its shingle stands, and its rank behind that."""
    at = np.arange(len(shingle))
    first = np.append(True, shingle[1:] != shingle[:-1])[: len(shingle)]
    starts = np.maximum.accumulate(np.where(first, at, 0)) if len(at) else at
    return starts, at - starts


def _mixed_buckets(starts: Ints, label: Ints) -> Bools:
    """Say which entries are of a shingle whose texts do not all hang together."""
    differs = label != label[starts]
    mixed = np.zeros(len(starts), bool)
    mixed[starts[differs]] = True
    out: Bools = mixed[starts]
    return out


def _counted(a: Ints, b: Ints, n: int) -> tuple[Ints, Ints]:
    """Return the distinct pairs, as one number each, and how often each is there."""
    pair, counts = np.unique(a * n + b, return_counts=True)
    return pair, counts


def _least(sizes: Ints, a: Ints, b: Ints) -> Ints:
    """Return how many shingles near-duplicates of these sizes have in common."""
    near, of = NEAR
    out: Ints = -(-near * (sizes[a] + sizes[b]) // (near + of))
    return out


def _judge(
    sets: Sets, rows: Ints, texts: Texts, a: Ints, b: Ints, common: Ints, sizes: Ints
) -> None:
    """Unite what is alike of pairs of texts; the likeliest of two sets first, then more of them."""
    possible = np.minimum(sizes[a], sizes[b]) >= _least(sizes, a, b)
    a, b, common = a[possible], b[possible], common[possible]
    order = np.argsort(-common, kind="stable")
    a, b = a[order], b[order]
    each = 1
    while len(a):
        one, other = sets.label[rows[a]], sets.label[rows[b]]
        apart = one != other
        a, b, one, other = a[apart], b[apart], one[apart], other[apart]
        key = np.minimum(one, other) * len(sets.label) + np.maximum(one, other)
        by_sets = np.argsort(key, kind="stable")
        _, rank = _buckets(key[by_sets].astype(np.uint64))
        now = np.zeros(len(a), bool)
        now[by_sets[rank < each]] = True
        alike = _alike(texts, a[now], b[now], _least(sizes, a[now], b[now]))
        sets.unite(rows[a[now][alike]], rows[b[now][alike]])
        a, b, each = a[~now], b[~now], 2 * each


def _alike(texts: Texts, a: Ints, b: Ints, least: Ints) -> Bools:
    """Say which pairs have at least so many shingles in common."""
    out = np.zeros(len(a), bool)
    order = np.argsort(a, kind="stable")  # what is near in the file is read together
    for start in range(0, len(a), BATCH // 2):
        part = order[start : start + BATCH // 2]
        docs, place = np.unique(np.concatenate([a[part], b[part]]), return_inverse=True)
        value, owner = texts.shingles(docs)
        n = np.bincount(owner, minlength=len(docs))
        begin = np.cumsum(n) - n
        one, other = place[: len(part)], place[len(part) :]
        mine = np.repeat(np.arange(len(part)), n[one])
        at = np.arange(len(mine)) + np.repeat(begin[one] - np.cumsum(n[one]) + n[one], n[one])
        shift = np.uint64(40)
        pairs = (other[mine].astype(np.uint64) << shift) | value[at]
        there = (owner.astype(np.uint64) << shift) | value
        at = np.minimum(np.searchsorted(there, pairs), len(there) - 1)
        both = np.bincount(mine[there[at] == pairs], minlength=len(part))
        out[part] = both >= least[part]
    return out
