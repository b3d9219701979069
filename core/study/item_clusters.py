"""The cluster of a test item: that of the pool row whose question it is most like.

A test row has no trajectory, as it was never trained on. Likeness is that of words (TF-IDF,
cosine; Salton and Buckley 1988), so it is a guess, and said to be one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.clusters.artifact import load_labels
from core.dataset.artifact import load_examples
from core.finetune.evaluate import load_items
from core.workspace.artifact import Artifact

BATCH = 512


def nearest(clusters: Artifact, test: Artifact, split: str) -> pd.Series:
    """Return item id -> cluster; an item that shares no word with a clustered row is left out."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    labels = load_labels(clusters)
    dataset = clusters.ancestor("dataset")
    pool = load_examples(dataset, ["row", "prompt"])
    pool = pool[labels[pool["row"].to_numpy()] >= 0]
    items = load_items(test, split)
    words = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
    try:
        known = words.fit_transform(pool["prompt"].astype(str))
    except ValueError:  # no row has a word
        return pd.Series(dtype=int)
    asked = words.transform(items["prompt"].astype(str))
    nearest_of: dict[str, int] = {}
    ids, of_row = items["id"].astype(str).to_numpy(), labels[pool["row"].to_numpy()]
    for start in range(0, asked.shape[0], BATCH):
        likeness = (asked[start : start + BATCH] @ known.T).toarray()
        best = likeness.argmax(axis=1)
        for at in np.flatnonzero(likeness.max(axis=1) > 0).tolist():
            nearest_of[ids[start + at]] = int(of_row[best[at]])
    return pd.Series(nearest_of)
