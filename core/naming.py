"""Names for clusters, from the words of their examples."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

NAME_WORDS = 3
NAME_SAMPLE = 200
"""Texts a cluster's keywords are read from, at most."""
WORD = r"(?u)\b[^\W\d_]{3,}\b"


def keywords(texts: pd.Series, labels: npt.NDArray[np.int32]) -> list[str]:
    """Name every cluster by the words that set it apart (c-TF-IDF, Grootendorst 2022).

    Words of a cluster are weighted by tf * log(1 + A / f): tf the word's share of the cluster's
    words, A the mean number of words a cluster, f the word's count over all clusters.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    groups = []
    for c in range(labels.max(initial=-1) + 1):
        part = texts[labels == c]
        part = part.iloc[:: max(1, len(part) // NAME_SAMPLE)]
        groups.append(" ".join(t[:1000] for t in part))
    try:
        vectorizer = CountVectorizer(token_pattern=WORD, stop_words="english", max_features=20_000)
        counts = vectorizer.fit_transform(groups).astype(np.float64)
    except ValueError:  # no words at all
        return [""] * len(groups)
    words = vectorizer.get_feature_names_out()
    totals = np.asarray(counts.sum(1)).ravel()
    weight = np.log1p(totals.mean() / np.asarray(counts.sum(0)).ravel())
    out = []
    for c in range(len(groups)):
        row = counts.getrow(c)
        score = row.data * weight[row.indices]
        best = np.lexsort((words[row.indices], -score))[:NAME_WORDS]
        out.append(" · ".join(re.sub(r"\s+", " ", words[row.indices[i]]) for i in best))
    return out
