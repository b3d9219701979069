import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.layout.islands import CELLS, GAP, MOST_CELLS, closer


def blobs(seed, n, far):
    """Return a map of `n` blobs of rows."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, n)
    of = np.repeat(np.arange(n), sizes)
    centres = rng.normal(size=(n, 2)) * rng.uniform(1, far, (n, 1))
    return (centres[of] + rng.uniform(-0.5, 0.5, (len(of), 2))).astype(np.float32)


@given(st.integers(0, 10_000), st.integers(2, 12), st.floats(1, 60))
def test_islands_keep_their_inside_and_do_not_come_to_overlap(seed, n, far):
    xy = blobs(seed, n, far)
    moved = closer(xy)
    span = np.ptp(xy, axis=0)
    assert (np.ptp(moved, axis=0) <= span * 1.0001).all()
    middle = np.ptp(np.quantile(xy.astype(float), [0.005, 0.995], axis=0), axis=0)
    cell = np.maximum(middle / min(CELLS, np.sqrt(2 * len(xy))), span / MOST_CELLS)
    before, after, shift = (gaps(places / cell) for places in (xy, moved, moved - xy))
    apart = shift > 0.5  # an island moves by whole cells
    assert (shift[~apart] < 0.01).all()
    assert (before[apart] > GAP).all()
    assert (after[apart] > GAP - 0.01).all()


def gaps(places):
    """Return how far every two rows are from each other, across or up, whichever is more."""
    return np.abs(places[:, None] - places[None]).max(-1)


def far_island(rng):
    """Return a map that is mostly empty: one row is far above all others."""
    rest = rng.uniform(0, 1, (500, 2)) * [20, 5]
    return np.vstack([rest, [[10, 12]]]).astype(np.float32)


def test_a_far_island_no_longer_takes_the_picture():
    xy = far_island(np.random.default_rng(0))
    moved = closer(xy)
    np.testing.assert_allclose(moved[:500], xy[:500], atol=1e-5)
    assert 5 < moved[500, 1] < 6
    np.testing.assert_array_equal(closer(xy), moved)


def test_rows_are_moved_alike_in_any_order_and_unplaced_ones_stay_so():
    rng = np.random.default_rng(1)
    xy = blobs(3, 8, 30)
    xy[5] = np.nan
    order = rng.permutation(len(xy))
    np.testing.assert_array_equal(closer(xy)[order], closer(xy[order]))
    assert np.isnan(closer(xy)[5]).all()


@pytest.mark.parametrize("xy", [np.zeros((0, 2)), np.zeros((3, 2)), np.full((4, 2), np.nan)])
def test_a_map_of_no_size_stays_as_it_is(xy):
    np.testing.assert_array_equal(closer(xy.astype(np.float32)), xy)


def test_one_island_stays_where_it_is():
    xy = np.random.default_rng(0).uniform(size=(2000, 2)).astype(np.float32)
    np.testing.assert_array_equal(closer(xy), xy)
