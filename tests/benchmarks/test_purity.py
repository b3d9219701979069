import json

import numpy as np
import pytest

from benchmarks import purity


def test_purity_is_the_share_of_the_commonest_sources():
    labels = np.array([0, 0, 0, 1, 1], np.int32)
    assert purity.purity(labels, np.array([0, 0, 1, 1, 1])) == pytest.approx(4 / 5)


def test_the_comparison_of_features_on_recorded_trajectories(finished):
    result = purity.compare(finished.workspace, finished.trajectories, k=5, seeds=2)
    again = json.loads(json.dumps(result))
    assert (again["k"], again["rows"]) == (
        5,
        finished.workspace.open(finished.trajectories).summary["measured"],
    )
    assert sum(line["rows"] for line in again["learned"]) == again["rows"]
    assert sum(line["clusters"] for line in again["learned"]) == 5
    for found in again["features"].values():
        assert all(len(values) == 2 for values in found.values())
        assert min(found["purity"]) >= again["source_share"] - 1e-9
        assert min(found["ARI seed"]) > max(map(abs, found["ARI texts shuffled"]))
    raw, texts = again["features"]["raw"], again["features"]["embeddings"]
    assert min(raw["explained by final loss"]) > max(texts["explained by final loss"])
    assert purity.table(result).count("\n") > 15
