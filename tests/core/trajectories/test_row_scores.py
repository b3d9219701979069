import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.trajectories import row_scores
from core.trajectories.row_scores import SCORES, scores

LOSSES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 6)),
    elements=st.floats(0, 20, width=32) | st.just(float("nan")),
)


def test_the_scores_of_a_row_by_hand():
    table = scores(np.array([[6, 2, 1, 1.5, 1.55, 0.5]], np.float32))
    p = np.exp([-2, -1, -1.5, -1.55, -0.5])
    assert table.columns.tolist() == list(SCORES)
    assert table.loc[0].tolist() == pytest.approx([6, 0.5, 5.5, 1, p.mean(), p.std()], rel=1e-5)


def test_a_rise_from_before_training_is_no_forgetting_but_counts_where_nothing_was_before():
    rising = np.array([[1, 2, 1, 2]], np.float32)
    assert scores(rising)["forgetting"].tolist() == [1]
    assert scores(rising, start=False)["forgetting"].tolist() == [2]
    assert scores(rising, tolerance=1.0)["forgetting"].tolist() == [0], "exactly the tolerance"


def test_one_recording_has_no_forgetting_and_no_variability():
    row = scores(np.array([[1.0]], np.float32)).loc[0]
    assert row.tolist() == pytest.approx([1, 1, 0, 0, np.exp(-1), 0])


@settings(max_examples=60, deadline=None)
@given(LOSSES)
def test_every_row_is_scored_alone_and_a_gap_makes_all_of_it_nan(losses):
    table = scores(losses)
    finite = np.isfinite(losses).all(1)
    assert (table.notna().all(axis=1) == finite).all()
    assert (table.isna().all(axis=1) == ~finite).all()
    good = table[finite]
    assert good["confidence"].between(0, 1).all()
    assert good["variability"].between(0, 0.5 + 1e-6).all()
    assert (good["drop"] == good["first_loss"] - good["final_loss"]).all()
    assert (good["forgetting"] <= max(0, losses.shape[1] - 2)).all()
    alone = pd.concat([scores(row[None]) for row in losses], ignore_index=True)
    pd.testing.assert_frame_equal(table, alone, rtol=1e-5, atol=1e-6)


def test_chunks_change_nothing(monkeypatch):
    losses = np.random.default_rng(0).exponential(2, (25, 5)).astype(np.float32)
    losses[[3, 17]] = np.nan
    whole = scores(losses)
    monkeypatch.setattr(row_scores, "CHUNK", 7)
    pd.testing.assert_frame_equal(scores(losses), whole)
    assert (whole.dtypes == np.float32).all()
