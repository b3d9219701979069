"""What rows are compared by."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from core import dataset
from core.review import facets
from core.review.facets import code, distance, load, shares
from core.workspace.store import Workspace

VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # scipy's p-value of tiny sets, not used
@settings(deadline=None)
@given(VALUES, VALUES)
def test_the_distance_of_numbers_is_scipys(a, b):
    coded = code(pd.Series(a + b), "number")
    p, q = (shares(c, coded.size) for c in np.split(coded.codes, [len(a)]))
    assert distance(p, q, "number") == pytest.approx(ks_2samp(a, b, method="asymp").statistic)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_distances_are_0_for_equal_sets_symmetric_and_at_most_1(a, b):
    for kind in ("category", "number"):
        coded = code(pd.Series(a + b), kind)
        p, q = (shares(c, coded.size) for c in np.split(coded.codes, [len(a)]))
        assert distance(p, p, kind) == 0
        assert distance(p, q, kind) == pytest.approx(distance(q, p, kind))
        assert 0 <= distance(p, q, kind) <= 1 + 1e-12
        assert distance(p, q, "number") <= distance(p, q, "category") + 1e-12


def test_total_variation_is_the_share_that_must_move():
    assert distance(np.array([0.5, 0.5, 0]), np.array([0.5, 0, 0.5]), "category") == 0.5


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200))
def test_bins_are_in_order_of_value_and_equal_values_share_one(values):
    coded = code(pd.Series(values), "number")
    order = np.argsort(values, kind="stable")
    assert (np.diff(coded.bins[order]) >= 0).all()
    assert coded.bins.min() == 0
    assert len(np.unique(coded.bins)) == len(coded.labels) <= facets.BINS
    by_value = pd.Series(coded.bins).groupby(np.asarray(values)).nunique()
    assert (by_value == 1).all()


def test_distinct_values_fall_into_ten_equal_bins():
    coded = code(pd.Series(np.random.default_rng(0).permutation(200)), "number")
    assert np.bincount(coded.bins).tolist() == [20] * 10


def test_a_dataset_alone_has_sources_lengths_and_copies(finished):
    pool = load(finished.workspace.open(finished.dataset))
    assert set(pool) == {"row", "id", "source", "prompt", "text", "copies"}


def test_copies_are_found_by_their_text(tmp_path):

    file = tmp_path / "twice.jsonl"
    pairs = [(f"What is {i} plus {j}?", "4") for i, j in [(1, 3), (2, 2), (1, 3), (4, 0)]]
    file.write_text("".join(f'{{"question": "{q}", "answer": "{a}"}}\n' for q, a in pairs))
    workspace = Workspace(tmp_path / "w")
    id = dataset.run(workspace, dataset.Settings(path=str(file), holdout="0"))
    pool = load(workspace.open(id)).set_index("row")
    assert pool["copies"].loc[[0, 1, 2, 3]].tolist() == [
        facets.COPIED,
        facets.ONCE,
        facets.COPIED,
        facets.ONCE,
    ]
    assert pool.loc[0, "text"] == pool.loc[2, "text"]
