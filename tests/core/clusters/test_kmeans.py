import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clusters import kmeans
from core.clusters.kmeans import auto_k, cluster
from core.trajectories import features as statistics
from core.trajectories.features import features
from tests.core.clusters.conftest import curves


def test_rows_that_cannot_be_measured_are_left_out_and_the_bundles_found():
    losses, ids = curves()
    found = cluster(losses, ids, 3)
    assert found.labels.dtype == np.int32
    assert (np.flatnonzero(found.labels < 0) == [7, 50]).all()
    for part in (slice(0, 40), slice(40, 80), slice(80, 120)):
        assert len(set(found.labels[part]) - {-1}) == 1
    assert found.centroids.shape == (3, 4)
    inside = np.flatnonzero(found.labels >= 0)
    gaps = features(losses, "raw")[inside] - found.centroids[found.labels[inside]]
    assert found.inertia == pytest.approx((gaps**2).sum(), rel=1e-3)


@pytest.mark.parametrize("k", [0, -1, 119, 10**9])
def test_k_out_of_range_says_the_range(k):
    with pytest.raises(ValueError, match="118 rows can be clustered; choose K from 1 to 118"):
        cluster(*curves(), k)


def test_clusters_are_numbered_by_size_then_smallest_id():
    losses = np.array([[0, v] for v in [9, 9, 9, 5, 5, 1, 1]], np.float32)
    ids = np.array(list("gfedcba"), dtype=object)
    assert cluster(losses, ids, 3).labels.tolist() == [2, 2, 2, 1, 1, 0, 0]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from(list(statistics.FEATURES)))
def test_a_permuted_dataset_gives_the_same_clusters_by_id(seed, k, kind):
    losses, ids = curves()
    order = np.random.default_rng(seed).permutation(len(ids))
    one = cluster(losses, ids, k, kind, seed=1)
    two = cluster(losses[order], ids[order], k, kind, seed=1)
    assert (one.labels[order] == two.labels).all()
    np.testing.assert_array_equal(one.centroids, two.centroids)


@pytest.fixture
def sample_of_60(monkeypatch):
    """Take the way of many rows with few."""
    monkeypatch.setattr(kmeans, "EXACT_ROWS", 100)
    monkeypatch.setattr(kmeans, "SAMPLE", 60)
    monkeypatch.setattr(kmeans, "SAMPLE_A_CLUSTER", 3)


@pytest.mark.usefixtures("sample_of_60")
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from(list(statistics.FEATURES)))
def test_many_rows_too_are_clustered_alike_whatever_their_order(seed, k, kind):
    losses, ids = curves()
    order = np.random.default_rng(seed).permutation(len(ids))
    one = cluster(losses, ids, k, kind, seed=1)
    two = cluster(losses[order], ids[order], k, kind, seed=1)
    assert (one.labels[order] == two.labels).all()
    sizes = np.bincount(one.labels[one.labels >= 0])
    assert sizes.tolist() == sorted(sizes)
    assert len(sizes) == len(one.centroids)


@pytest.mark.usefixtures("sample_of_60")
def test_many_rows_are_clustered_by_all_of_them_not_by_the_sample_alone():
    losses, ids = curves()
    found = cluster(losses, ids, 3)
    inside = np.flatnonzero(found.labels >= 0)
    x, labels = features(losses, "raw")[inside], found.labels[inside]
    means = np.array([x[labels == c].mean(0) for c in range(3)])
    np.testing.assert_allclose(found.centroids, means, rtol=1e-5)
    gaps = ((x[:, None] - found.centroids) ** 2).sum(2)
    assert (gaps.argmin(1) == labels).all()
    assert found.inertia == pytest.approx(gaps.min(1).sum(), rel=1e-3)


@pytest.mark.usefixtures("sample_of_60")
@pytest.mark.parametrize("k", [40, 118])
def test_many_clusters_of_many_rows_see_them_all(k):
    losses, ids = curves()
    assert len(cluster(losses, ids, k).centroids) == k


def test_a_sample_gives_an_inertia_near_that_of_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    losses = (
        rng.gamma(2, 1, (4000, 1)) * np.linspace(1, rng.random((4000, 1)), 6)[..., 0].T
    ).astype(np.float32)
    exact = kmeans.fit(losses, 20, 0).inertia
    monkeypatch.setattr(kmeans, "EXACT_ROWS", 3000)
    monkeypatch.setattr(kmeans, "SAMPLE", 1500)
    assert kmeans.fit(losses, 20, 0).inertia < 1.03 * exact


def test_fewer_distinct_rows_than_k_give_fewer_clusters():
    losses = np.repeat(np.array([[0, 1], [0, 2]], np.float32), 5, axis=0)
    found = cluster(losses, np.arange(10).astype(str).astype(object), 6)
    assert sorted(set(found.labels)) == [0, 1]
    assert len(found.centroids) == 2


@pytest.mark.parametrize(
    ("pool", "budget", "k"),
    [(262_040, 0, 100), (16_386, 0, 100), (1000, 0, 11), (100, 0, 2), (1, 0, 1), (5000, 50, 5)],
)
def test_auto_k_never_goes_below_ten_selected_rows_a_cluster(pool, budget, k):
    assert auto_k(pool, budget) == k


def ids(copied):
    return {e.id for e in copied.workspace.entries("clusters")}
