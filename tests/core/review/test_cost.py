import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import clusters, trajectories
from core.review import cost
from core.review.cost import MeasuredTarget, measured, operations
from core.trajectories import cost as proxy_cost
from core.trajectories.cost import ProxyCost, TokenCounts

PAPER = ProxyCost(70_000_000, 3.0, 12, 300.0, 200.0, 5.0, 1.0)
AMOUNTS = st.floats(0.01, 1e4)
SHARES = st.floats(0.001, 1)


def test_it_pays_below_the_share_of_the_papers_setting():
    bill = operations(PAPER, TokenCounts(0.11, 1), 40 * 70_000_000, 3)
    assert bill.break_even == pytest.approx(1 - (1 / 40) * (1 + 12 / 9))
    assert bill.break_even == pytest.approx(0.94, abs=0.005)
    assert bill.pays
    assert operations(PAPER, TokenCounts(0.941, 1), 40 * 70_000_000, 3).pays
    assert not operations(PAPER, TokenCounts(0.942, 1), 40 * 70_000_000, 3).pays


@settings(deadline=None)
@given(
    st.builds(
        ProxyCost,
        st.integers(1, 10**9),
        AMOUNTS,
        st.integers(0, 50),
        AMOUNTS,
        AMOUNTS,
        AMOUNTS,
        st.just(1.0),
    ),
    st.builds(MeasuredTarget, st.integers(1, 10**9), AMOUNTS, AMOUNTS, SHARES, st.booleans()),
    SHARES,
    AMOUNTS,
)
def test_it_pays_exactly_below_the_break_even_and_from_the_run_named(done, tuned, share, epochs):
    for bill in (
        measured(done, tuned, share, epochs),
        operations(done, TokenCounts(share, 1), 1e8, epochs),
    ):
        if abs(share - bill.break_even) > 1e-9:
            assert bill.pays == (share < bill.break_even)
        if 1 < bill.runs < 1e6:  # beyond, a saving of one fine-tune is lost in rounding
            assert bill.before + (bill.runs + 0.01) * bill.target < (bill.runs + 0.01) * bill.full
            assert bill.before + (bill.runs - 1.01) * bill.target > (bill.runs - 1.01) * bill.full
        assert ("does not pay" in bill.sentence()) == (not bill.pays)
        parts = bill.table().groupby("arm")["value"].sum()
        assert parts[cost.SELECTED_ARM] == pytest.approx(bill.before + bill.target)
        assert parts[cost.FULL_ARM] == pytest.approx(bill.full)


def test_the_proxys_seconds_are_said_by_part():
    assert PAPER.sentence() == (
        "Measured so far: training the proxy 5 min 0 s, recording 3 min 20 s, clustering 5 s."
    )


def test_time_grows_with_epochs_and_tokens():
    tuned = MeasuredTarget(10, seconds=60, epochs=6, share=0.1, with_test=False)
    bill = measured(PAPER, tuned, 0.2, 3)
    assert bill.full == pytest.approx(300)
    assert bill.target == pytest.approx(60)
    assert bill.break_even < 0
    assert "It does not pay at any budget" in bill.sentence()
    assert "from the 3rd fine-tune on the same selection" in bill.sentence()


def test_the_whole_pool_saves_nothing_ever():
    bill = operations(PAPER, TokenCounts(1.0, 1), 1e12, 3)
    assert not bill.pays
    assert bill.runs == 0
    assert "nothing is saved" in bill.sentence()


def test_a_budget_above_the_break_even_is_told_so():
    text = operations(PAPER, TokenCounts(0.96, 1), 40 * 70_000_000, 3).sentence()
    assert "the budget would have to be below 94.2% of the tokens" in text
    assert "pays from the 2nd fine-tune" in text
    assert "never the target's compute" in cost.EQUAL_STEPS


@pytest.mark.parametrize(
    ("n", "text"), [(1, "1st"), (2, "2nd"), (11, "11th"), (23, "23rd"), (112, "112th")]
)
def test_ordinals(n, text):
    assert cost._th(n) == text


@pytest.mark.parametrize("bad", [(0, 1e9, 3), (1.2, 1e9, 3), (0.1, 0, 3), (0.1, 1e9, 0)])
def test_impossible_questions_are_refused(bad):
    share, *target = bad
    with pytest.raises(ValueError, match="above 0"):
        operations(PAPER, TokenCounts(share, 1), *target)


def test_the_bill_is_read_from_the_manifests(finished):
    w = finished.workspace
    trajectories = w.open(finished.trajectories)
    done = cost.proxy(w.open(finished.clusters))
    assert done.epochs == 2
    assert done.recordings == 4
    assert done.train_seconds == trajectories.summary["train_seconds"] > 0
    assert done.cluster_seconds > 0
    rows = pd.read_parquet(w.open(finished.selection).path / "table.parquet")["row"]
    tokens = proxy_cost.tokens(trajectories, rows)
    share = tokens.share
    assert 0.15 < share < 0.4, "25% of the rows"
    tuned = cost.target(w.open(finished.finetune))
    assert tuned.share == share
    assert len(rows) == 34
    assert tuned.epochs == 3, "34 rows are two batches of 32, and there were 6 steps"
    assert not tuned.with_test
    bill = measured(done, tuned, share, tuned.epochs)
    assert bill.target == pytest.approx(tuned.seconds)
    assert not operations(done, tokens, done.parameters, 2).pays, "a target of the proxy's size"


def test_imported_losses_have_no_bill(finished, tmp_path):
    w = finished.workspace
    losses = np.load(w.open(finished.trajectories).path / "losses.npy")
    np.save(tmp_path / "losses.npy", losses)
    source = str(tmp_path / "losses.npy")
    settings = trajectories.Settings(dataset=finished.dataset, source=source, map=False)
    paths = trajectories.run(w, settings)
    groups = clusters.run(w, clusters.Settings(trajectories=paths, k=3, map=False))
    with pytest.raises(ValueError, match=f"{paths} was imported or extended"):
        cost.proxy(w.open(groups))
