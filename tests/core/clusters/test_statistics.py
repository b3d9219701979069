import numpy as np
import pandas as pd
import pytest

from core.clusters.statistics import describe, quantiles


def test_quantiles_and_description():
    losses = np.array([[4, 1], [6, 3], [5, 2], [9, 9], [np.nan, np.nan]], np.float32)
    labels = np.array([1, 1, 1, 0, -1], np.int32)
    table = quantiles(losses, labels, np.array([0, 10]))
    assert table.columns.tolist() == ["cluster", "step", "q10", "q25", "q50", "q75", "q90"]
    assert table[table["cluster"] == 1]["q50"].tolist() == [5, 2]
    flags = pd.DataFrame({"n_response": [1, 2, 3, 4, 5], "source": ["b", "a", "a", "c", "a"]})
    rows = describe(labels, losses, flags).to_dict("records")
    assert rows[1] == {
        "cluster": 1,
        "size": 3,
        "first_loss": 5,
        "final_loss": 2,
        "drop": 3,
        "tokens": 2,
        "source": "a",
        "purity": pytest.approx(2 / 3),
    }
    assert (rows[0]["size"], rows[0]["source"], rows[0]["purity"]) == (1, "c", 1)
