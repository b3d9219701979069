import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clusters import explained_by
from core.clusters.explained_by import explained, explained_one

N = 4000


def facts(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "length": rng.integers(1, 500, N),
            "source": rng.choice(list("abcd"), N),
            "loss": rng.exponential(2, N),
        }
    )


def shares(labels, frame, **kwargs):
    return explained(np.asarray(labels, np.int32), frame, **kwargs).set_index("what")["share"]


def test_what_determines_the_clusters_explains_all_and_nothing_else_does():
    frame = facts()
    found = shares(frame["source"].map(dict(zip("abcd", range(4), strict=True))), frame)
    assert found["source"] == pytest.approx(1)
    assert found["all together"] == pytest.approx(1)
    assert found["length"] < 0.02
    assert found["loss"] < 0.02


def test_a_number_cut_into_clusters_is_explained_by_its_bins():
    frame = facts()
    labels = pd.qcut(frame["loss"], 20, labels=False)
    found = shares(labels, frame)
    assert found["loss"] > 0.95
    assert found["source"] < 0.02


def test_two_facts_that_only_together_tell_are_seen_together():
    frame = facts()
    longer = (frame["length"] > frame["length"].median()).astype(int)
    labels = longer ^ (frame["source"] < "c").astype(int)
    found = shares(labels, frame)
    assert found[["length", "source", "loss"]].max() < 0.02
    assert found["all together"] > 0.9


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60))
def test_unrelated_clusters_are_not_explained_however_many(seed, k):
    labels = np.random.default_rng(seed).integers(0, k, N)
    assert shares(labels, facts(seed + 1)).max() < 0.03


def test_a_fact_with_a_value_of_its_own_a_row_explains_nothing():
    frame = pd.DataFrame({"id": [f"row {i}" for i in range(900)]})
    labels = np.random.default_rng(0).integers(0, 5, 900)
    assert shares(labels, frame).tolist() == [0]


def test_one_cluster_leaves_nothing_to_explain():
    assert shares(np.zeros(N), facts()).tolist() == [0, 0, 0, 0]


def test_rows_left_out_do_not_count_and_missing_values_are_a_bin_of_their_own():
    frame = facts()
    missing = np.arange(N) % 3 == 0
    frame["loss"] = frame["loss"].where(~missing)
    labels = missing.astype(np.int32)
    labels[:100] = -1
    table = explained(labels, frame[["loss"]])
    assert table.columns.tolist() == ["what", "share", "rows"]
    assert table["what"].tolist() == ["loss"], "one fact needs no 'all together'"
    assert table["rows"].tolist() == [N - 100]
    assert table["share"].tolist() == pytest.approx([1])


def test_one_cluster_against_the_rest():
    frame = facts()
    labels = np.where(frame["source"] == "a", 0, 1 + (frame["loss"] > 1)).astype(np.int32)
    of_a = explained_one(labels, 0, frame).set_index("what")["share"]
    assert of_a["source"] == pytest.approx(1)
    assert of_a["loss"] < 0.02
    assert explained_one(labels, 1, frame).set_index("what")["share"]["loss"] > 0.3


def test_above_the_limit_a_seeded_sample_is_looked_at(monkeypatch):
    monkeypatch.setattr(explained_by, "SAMPLE", 1000)
    frame = facts()
    labels = (frame["loss"] > 1).astype(np.int32)
    one, same, other = (explained(labels, frame, seed=s) for s in (0, 0, 1))
    assert set(one["rows"]) == {1000}
    pd.testing.assert_frame_equal(one, same)
    assert one["share"].tolist() != other["share"].tolist()


def test_it_stays_interactive_at_the_largest_sample():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "length": rng.integers(1, 500, 50_000),
            "source": rng.integers(0, 276, 50_000).astype(str),
            "loss": rng.exponential(2, 50_000),
        }
    )
    began = time.process_time()
    explained(rng.integers(0, 100, 50_000).astype(np.int32), frame)
    assert time.process_time() - began < 2, "0.3 s on an idle core; generous for a busy one"
