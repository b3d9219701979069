import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clusters.reading_order import ORDERS, order

LOSSES = np.array([[9, 1], [9, 4.4], [9, 2], [9, 6], [9, 8], [9, np.nan]], np.float32)
LABELS = np.array([0, 0, 0, 1, 1, -1], np.int32)
CENTROIDS = np.array([[2], [7.5]], np.float32)
ALL = np.arange(6)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("nearest", [2, 4, 0, 3, 1, 5]),
        ("highest", [4, 3, 1, 2, 0, 5]),
        ("lowest", [0, 2, 1, 3, 4, 5]),
    ],
)
def test_orders_by_hand(how, expected):
    assert order(LOSSES, ALL, LABELS, CENTROIDS, how, 0).tolist() == expected


def test_boundary_begins_with_the_row_between_two_centres():
    found = order(LOSSES, ALL, LABELS, CENTROIDS, "boundary", 0).tolist()
    assert found[:2] == [1, 3]
    assert found[-1] == 5, "without a cluster"


def test_boundary_of_a_single_cluster_is_its_rim():
    labels = np.zeros(5, np.int32)
    found = order(LOSSES[:5], ALL[:5], labels, CENTROIDS[:1], "boundary", 0)
    assert found.tolist() == [4, 3, 1, 0, 2]


def test_features_are_those_that_were_clustered():
    losses = np.array([[0, 5, 7], [0, 1, 2], [0, 9, 9]], np.float32)
    centroid = np.array([[0, 0]], np.float32)  # centred: flat
    found = order(losses, ALL[:3], LABELS[:3], centroid, "nearest", 0, kind="centred")
    assert found.tolist() == [2, 1, 0]


def test_an_unknown_order_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no order 'best'; choose from nearest, boundary"):
        order(LOSSES, ALL, LABELS, CENTROIDS, "best", 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(ORDERS)), st.integers(0, 40))
def test_an_order_is_a_permutation_that_does_not_depend_on_how_the_rows_come(seed, how, n):
    rng = np.random.default_rng(seed)
    losses = rng.exponential(2, (50, 4)).astype(np.float32).round(1)
    labels = rng.integers(-1, 3, 50).astype(np.int32)
    centroids = rng.exponential(2, (3, 3)).astype(np.float32)
    rows = rng.permutation(50)[:n]
    found = order(losses, rows, labels, centroids, how, seed)
    assert sorted(found) == sorted(rows)
    again = order(losses, rng.permutation(rows), labels, centroids, how, seed)
    assert found.tolist() == again.tolist()


def test_random_follows_its_seed():
    draws = [order(LOSSES, ALL, LABELS, CENTROIDS, "random", s).tolist() for s in range(20)]
    assert len({tuple(d) for d in draws}) > 10
