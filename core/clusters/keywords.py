"""Names for clusters, from the words of their examples."""

from __future__ import annotations

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
BETWEEN = r"[^\pL\pN_]+"
WORD = r"^\pL{3,}$"


def sampled(labels: npt.NDArray[np.int32]) -> Ints:
    """Return the positions of the texts that keywords are read from: every so many of a cluster."""
    parts = [rows[:: max(1, len(rows) // NAME_SAMPLE)] for rows in members(labels)]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def keywords(texts: pd.Series, labels: npt.NDArray[np.int32]) -> list[str]:
    """Name every cluster by the words that set it apart (c-TF-IDF, Grootendorst 2022).

    Words of a cluster are weighted by tf * log(1 + A / f): tf the word's count in the cluster, A
    the mean number of words a cluster, f the word's count over all clusters.

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
    pairs = labels[rows][text[known]].astype(np.int64) * size + word.drop_null().to_numpy().astype(
        np.int64
    )
    pairs, count = np.unique(pairs, return_counts=True)
    cluster, word_of = np.divmod(pairs, size)
    mean = count.sum() / max(1, k)
    weight = np.log1p(mean / np.bincount(word_of, count, minlength=size)[word_of])
    order = np.lexsort((word_of, -count * weight, cluster))
    starts = np.searchsorted(cluster[order], np.arange(k + 1))
    best = [order[a : min(b, a + NAME_WORDS)] for a, b in itertools.pairwise(starts)]
    return [" · ".join(vocabulary.take(pa.array(word_of[b])).to_pylist()) for b in best]


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
