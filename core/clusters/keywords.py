"""Names for clusters, from the words of their examples."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import Ints, Labels, by_id
from core.clusters.kmeans import members
from core.dataset.privacy import is_private
from core.dataset.search import prompts
from core.trajectories.artifact import load_flags
from core.workspace.artifact import Artifact

NAME_WORDS = 3
NAME_SAMPLE = 200
"""Texts a cluster's keywords are read from: all of fewer than twice as many, else about these."""
NAME_CHARACTERS = 1000
"""Of a text."""
APART_SHARE, APART_LEAD = 0.25, 0.2
"""Of a cluster's texts that have a word, and by how much this is above every namesake's."""
BETWEEN = r"[^\pL\pN_]+"
WORD = r"^\pL{3,}$"


def sampled(labels: npt.NDArray[np.int32]) -> Ints:
    """Return the positions of the texts that keywords are read from: every so many of a cluster."""
    parts = [rows[:: max(1, len(rows) // NAME_SAMPLE)] for rows in members(labels)]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def keywords(texts: pd.Series, labels: npt.NDArray[np.int32]) -> list[str]:
    """Name every cluster by the words that set it apart (c-TF-IDF, Grootendorst 2022).

    Words of a cluster are weighted by tf * log(1 + A / f): tf the word's count in the cluster, A
    the mean number of words a cluster, f the word's count over all clusters. Clusters whose words
    are the same keep the first, and get those that tell them apart (`_apart`).

    Args:
        texts: One a row (n_rows,), or those of `sampled` rows: more are not read.
        labels: Cluster of every text (n_rows,).
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    k = int(labels.max(initial=-1)) + 1
    rows = sampled(labels)
    part = pa.array(texts.iloc[rows], pa.large_string())
    lower = pc.utf8_lower(pc.utf8_slice_codeunits(part, 0, NAME_CHARACTERS))
    split = pc.split_pattern_regex(lower, BETWEEN)
    coded = split.flatten().dictionary_encode()
    text = pc.list_parent_indices(split).to_numpy()
    stop = pc.is_in(coded.dictionary, pa.array(sorted(ENGLISH_STOP_WORDS), pa.large_string()))
    plain = pc.and_not(pc.match_substring_regex(coded.dictionary, WORD), stop)
    vocabulary = coded.dictionary.filter(plain).sort()
    word = pc.index_in(coded.dictionary, vocabulary).take(coded.indices)
    known = word.is_valid().to_numpy(zero_copy_only=False)
    size = max(1, len(vocabulary))
    codes = word.drop_null().to_numpy().astype(np.int64)
    in_text = text[known] * size + codes
    pairs, count = np.unique(labels[rows][text[known]] * size + codes, return_counts=True)
    cluster, word_of = np.divmod(pairs, size)
    mean = count.sum() / max(1, k)
    weight = np.log1p(mean / np.bincount(word_of, count, minlength=size)[word_of])
    order = np.lexsort((word_of, -count * weight, cluster))
    starts = np.searchsorted(cluster[order], np.arange(k + 1))
    best = [
        word_of[order[a : min(b, a + NAME_WORDS)]].tolist() for a, b in itertools.pairwise(starts)
    ]
    of_text, once = np.divmod(np.unique(in_text), size)
    texts_with = collections.Counter(
        zip(labels[rows][of_text].tolist(), once.tolist(), strict=True)
    )
    best = _apart(best, texts_with, np.bincount(labels[rows], minlength=k))
    return [" · ".join(vocabulary.take(pa.array(words, pa.int64())).to_pylist()) for words in best]


def _apart(
    best: list[list[int]], texts_with: collections.Counter[tuple[int, int]], texts: Ints
) -> list[list[int]]:
    """Give clusters of the same words, in any order, the words that tell them apart, if any do.

    Such a word stands in at least 25% of a cluster's texts, and in 20 of 100 texts more than in any
    other's of the same words.

    Args:
        best: Words of each cluster, the first sets it apart most.
        texts_with: How many texts of a cluster have a word, by (cluster, word).
        texts: Of each cluster (k,).
    """
    groups: dict[frozenset[int], list[int]] = collections.defaultdict(list)
    for cluster, words in enumerate(best):
        groups[frozenset(words)].append(cluster)
    namesakes = {c: g for words, g in groups.items() if words and len(g) > 1 for c in g}
    found: dict[int, list[tuple[float, int]]] = collections.defaultdict(list)
    for (cluster, word), n in texts_with.items():
        share = n / texts[cluster]
        if cluster not in namesakes or share < APART_SHARE or word in best[cluster]:
            continue
        others = [
            texts_with[other, word] / texts[other]
            for other in namesakes[cluster]
            if other != cluster
        ]
        if share - max(others) >= APART_LEAD:
            found[cluster].append((max(others) - share, word))
    return [
        [words[0], *(word for _, word in sorted(found[c])[: NAME_WORDS - 1])]
        if c in found
        else words
        for c, words in enumerate(best)
    ]


def names(trajectories: Artifact, labels: Labels) -> list[str]:
    """Return keywords for every cluster, by number; the order of the rows does not matter."""
    dataset = trajectories.ancestor("dataset")
    return name(dataset, load_flags(trajectories)["id"].to_numpy(), labels)


def name(dataset: Artifact, ids: npt.NDArray[np.object_], labels: Labels) -> list[str]:
    """Name every cluster by its keywords, reading no more prompts than needed.

    Those of a private dataset have no names: keywords are words of its texts.

    Args:
        ids: Row ids (n_rows,): a permuted dataset gives the same names.
        labels: Cluster of every row (n_rows,).
    """
    if is_private(dataset):
        return [""] * (int(labels.max(initial=-1)) + 1)
    order = by_id(ids)
    rows = order[sampled(labels[order])]
    return keywords(prompts(dataset, rows), labels[rows])
