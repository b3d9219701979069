import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clusters import distances as neighbours
from core.clusters.distances import distances, own, own_and_other


def test_the_nearest_other_cluster_and_how_far_it_is():
    table = distances(np.array([[0, 0], [3, 4], [3, 5]], np.float32))
    assert table["nearest"].tolist() == [1, 2, 1]
    assert table["distance"].tolist() == pytest.approx([5, 1, 1])


def test_one_cluster_has_no_neighbour():
    table = distances(np.array([[1, 2]], np.float32))
    assert table["nearest"].tolist() == [-1]
    assert table["distance"].isna().all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_distances_are_those_of_every_pair(seed, k):
    rng = np.random.default_rng(seed)
    centroids = rng.normal(8, 2, (k, 4)).astype(np.float32)
    x = rng.normal(8, 2, (30, 4)).astype(np.float32)
    labels = rng.integers(-1, k, 30).astype(np.int32)
    gaps = np.linalg.norm(x[:, None].astype(float) - centroids, axis=2)
    own, other = own_and_other(x, labels, centroids)
    for row, label in enumerate(labels):
        if label < 0:
            assert np.isnan([own[row], other[row]]).all()
        else:
            assert own[row] == pytest.approx(gaps[row, label], abs=1e-6)
            assert other[row] == pytest.approx(np.delete(gaps[row], label).min(), abs=1e-6)
    between = np.linalg.norm(centroids[:, None].astype(float) - centroids, axis=2)
    np.fill_diagonal(between, np.inf)
    assert distances(centroids)["distance"].to_numpy() == pytest.approx(between.min(1), abs=1e-6)


def test_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(20, 3)).astype(np.float32), rng.integers(0, 4, 20).astype(np.int32)
    centroids = x[:4]
    whole = own_and_other(x, labels, centroids)
    monkeypatch.setattr(neighbours, "CHUNK", 6)
    np.testing.assert_allclose(own_and_other(x, labels, centroids), whole, atol=1e-6)


def test_the_distance_to_the_own_centre_alone_is_the_same():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    centroids = rng.normal(size=(7, 5)).astype(np.float32)
    labels = rng.integers(-1, 7, 200).astype(np.int32)
    expected = own_and_other(x, labels, centroids)[0]
    assert own(x, labels, centroids) == pytest.approx(expected, rel=1e-5, nan_ok=True)
