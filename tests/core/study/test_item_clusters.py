"""Clusters of test items."""

import numpy as np
import pandas as pd

from core.study import item_clusters


def test_a_test_item_belongs_to_the_cluster_it_is_most_like(finished):
    clusters = finished.workspace.open(finished.clusters)
    dataset = finished.workspace.open(finished.dataset)
    found = item_clusters.nearest(clusters, dataset, "holdout")
    assert len(found) == 20
    examples = pd.read_parquet(dataset.path / "examples.parquet").set_index("id")
    labels = np.load(clusters.path / "labels.npy")
    asked = examples.loc[[i for i in found.index if "letters" in examples["prompt"][i]]]
    counted = {labels[r] for r in examples.loc[examples["prompt"].str.contains("letters"), "row"]}
    assert len(asked) > 2
    assert {found[i] for i in asked.index} <= counted, "rows of the same kind share its words"
