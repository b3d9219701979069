import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.review import stability as module
from core.review.stability import CHECKPOINTS, DRAW, FEATURE, KMEANS, K, stability
from core.selection.quotas import water_fill

N = 240


def curves(n=N, groups=5, noise=0.02, seed=0):
    """Trajectories of `groups` clear shapes of unequal size, 7 recordings, step 0 first."""
    rng = np.random.default_rng(seed)
    which = rng.choice(groups, n, p=np.arange(1, groups + 1) / np.arange(1, groups + 1).sum())
    levels = rng.random((groups, 7)) * 4
    losses = (levels[which] + noise * rng.standard_normal((n, 7))).astype(np.float32)
    losses[:, 0] = 8 + rng.random(n)
    return losses, np.array([f"{i:05d}" for i in range(n)], dtype=object)


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.integers(0, 2**31), st.data())
def test_the_draw_takes_each_clusters_quota(labels, seed, data):
    labels = np.array(labels)
    budget = data.draw(st.integers(0, len(labels)))
    drawn = module._draw(labels, budget, seed)
    taken = np.bincount(labels, weights=drawn)
    assert (taken == water_fill(np.bincount(labels), budget)).all()
    assert set(drawn) <= {0.0, 1.0}


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 99))
def test_the_draw_does_not_depend_on_the_numbers_of_the_clusters(order, seed):
    labels = np.random.default_rng(3).integers(0, 5, 100)  # sizes differ, so no ties in the quotas
    assert len(set(np.bincount(labels))) == 5
    renamed = np.array(order)[labels]
    assert (module._draw(labels, 30, seed) == module._draw(renamed, 30, seed)).all()


def test_clear_clusters_do_not_depend_on_the_seed_of_k_means_and_half_of_them_do_harm():
    losses, ids = curves()
    found = stability(losses, ids, 5)
    means = found.switches.set_index("switch")
    assert means.loc[KMEANS, "agreement"] == 1
    assert means.loc[KMEANS, "rows"] == 1, "same priorities, same clusters: the same rows"
    assert means.loc[DRAW, "agreement"] == 1
    assert means.loc[DRAW, "rows"] < 0.5
    assert means.loc[K, "agreement"] < 1
    assert "1.00 with another seed of k-means" in found.sentence()
    means = found.switches.set_index("switch")["agreement"].drop("seed of the draw")
    assert found.number == pytest.approx(means.mean())
    beyond = (means.mean() - found.chance) / (1 - found.chance)
    assert found.headline().startswith(f"Stability {beyond:.2f} of 1 beyond chance: rows' chances")
    assert f"agree {means.mean():.2f}, where a plain random draw has" in found.headline()
    assert "seed of the draw" not in found.headline()
    assert found.sentence().index("another K") < found.sentence().index("another seed")


def test_no_structure_is_as_unstable_as_chance_allows():
    rng = np.random.default_rng(0)
    ids = np.array([f"{i:05d}" for i in range(N)], dtype=object)
    found = stability(rng.random((N, 7)).astype(np.float32), ids, 20)
    assert 0 < found.switches["agreement"].min() < 0.95
    assert found.chance_rows == pytest.approx((26 / 240) / (2 - 26 / 240))


def test_every_switch_has_its_variants():
    losses, ids = curves()
    table = stability(losses, ids, 6, "centred", seed=4, draw_seed=8).table
    variants = table.groupby("switch")["variant"].agg(list).to_dict()
    assert variants == {
        DRAW: ["9", "10", "11"],
        KMEANS: ["5", "6", "7"],
        K: ["3", "12"],
        FEATURE: ["raw", "diff", "zscore"],
        CHECKPOINTS: ["first half", "every second"],
    }


def test_the_order_of_the_rows_does_not_matter_and_unmeasured_ones_are_left_out():
    losses, ids = curves(noise=0.8)
    losses[7] = np.nan
    one = stability(losses, ids, 6, sample=200)
    order = np.random.default_rng(1).permutation(N)
    two = stability(losses[order], ids[order], 6, sample=200)
    pd.testing.assert_frame_equal(one.table, two.table)
    assert (one.rows, one.of) == (200, N - 1)
    assert "sample of 200 of 239 rows" in one.sentence()


def test_windows_end_with_the_last_recording_and_hold_two():
    x = np.arange(12, dtype=np.float32)[None]
    parts = dict(module._windows(x))
    assert parts["first half"].tolist() == [[0, 1, 2, 3, 4, 5]]
    assert parts["every second"].tolist() == [[1, 3, 5, 7, 9, 11]]
    assert module._windows(x[:, :2]) == []


def test_few_recordings_leave_out_what_needs_more():
    losses, ids = curves()
    table = stability(losses[:, :2], ids, 4).table
    assert set(table["switch"]) == {DRAW, KMEANS, K}


def test_too_large_a_k_is_refused():
    losses, ids = curves(20)
    with pytest.raises(ValueError, match="K = 21"):
        stability(losses, ids, 21)
