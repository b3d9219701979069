import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from benchmarks import explore
from core.layout import projection
from core.layout.projection import pca, place
from core.trajectories import embeddings


def test_trust_of_all_rows_is_that_of_the_library():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    for xy in (x[:, :2], rng.normal(size=(200, 2)).astype(np.float32)):
        expected = trustworthiness(x, xy, n_neighbors=explore.NEIGHBOURS)
        assert explore.trust_of_all(x, xy, np.arange(200)) == pytest.approx(expected)


def curves(n=60):
    rng = np.random.default_rng(0)
    losses = (rng.random((n, 1)) * np.linspace(3, 1, 5) + rng.random((n, 5)) / 10).astype(
        np.float32
    )
    losses[3] = np.nan
    return losses, np.array([f"{i:05d}" for i in rng.permutation(n)], dtype=object)


def test_rows_are_taken_in_the_order_of_their_ids():
    losses, ids = curves()
    order = np.random.default_rng(1).permutation(len(ids))
    one, _ = place(losses, ids, "raw", include_start=False, method="pca", seed=0)
    two, _ = place(losses[order], ids[order], "raw", include_start=False, method="pca", seed=0)
    np.testing.assert_array_equal(one[order], two)


def test_pca_keeps_distances_of_flat_data():
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32) @ np.eye(
        2, 6, dtype=np.float32
    )
    xy = pca(x)
    gaps = [np.linalg.norm(a[:, None] - a[None], axis=-1) for a in (x, xy)]
    np.testing.assert_allclose(*gaps, atol=1e-4)


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_few_rows_have_a_place_too(n):
    losses, ids = curves(n + 4)
    losses[n:] = np.nan
    xy, fitted = place(losses, ids, "raw", include_start=False, method="umap", seed=0)
    assert np.isfinite(xy).all(1).sum() == fitted <= n


def test_one_feature_is_drawn_without_umap():
    losses, ids = curves()
    xy, _ = place(losses[:, :2], ids, "raw", include_start=False, method="umap", seed=0)
    assert np.isfinite(np.delete(xy, 3, 0)).all()


def test_large_data_is_fitted_on_a_sample_and_the_rest_placed_by_neighbours(monkeypatch):
    monkeypatch.setattr(projection, "FIT_ROWS", 20)
    monkeypatch.setattr(projection, "_umap", lambda x, seed: x[:, :2] * 10)
    losses, ids = curves()
    xy, fitted = place(losses, ids, "raw", include_start=False, method="umap", seed=0)
    assert fitted == 20
    seen = np.flatnonzero(np.isfinite(xy[:, 0]))
    assert len(seen) == 59
    expected = losses[seen, 1:3] * 10
    exact = np.isclose(xy[seen], expected, atol=1e-5).all(1)
    assert exact.sum() >= 20
    assert np.abs(xy[seen] - expected).mean() < 2, "near their neighbours"


def texts(n=80, width=64):
    """Embeddings of two topics, of very different lengths; two rows were not recorded."""
    rng = np.random.default_rng(0)
    topic = np.arange(n) % 2
    pooled = rng.normal(size=(2, width))[topic] + rng.normal(0, 0.2, (n, width))
    pooled = (pooled * rng.lognormal(0, 1, (n, 1))).astype(np.float16)
    pooled[[5, 40]] = 0
    return pooled, topic, np.array([f"{i:05d}" for i in rng.permutation(n)], dtype=object)


@pytest.mark.parametrize("width", [8, 64])
def test_the_map_of_texts_parts_topics_whatever_the_length_of_their_embeddings(width):
    pooled, topic, ids = texts(width=width)
    xy, fitted = place(pooled, ids, of="embeddings", method="pca", seed=0)
    assert np.flatnonzero(np.isnan(xy[:, 0])).tolist() == [5, 40]
    assert fitted == 78
    first = np.nan_to_num(xy[:, 0])
    side = first > 0
    assert (side == (topic == topic[np.argmax(first)]))[np.isfinite(xy[:, 0])].all()
    order = np.random.default_rng(1).permutation(len(ids))
    again, _ = place(pooled[order], ids[order], of="embeddings", method="pca", seed=0)
    np.testing.assert_array_equal(xy[order], again)


def test_wide_embeddings_are_compared_by_their_main_axes_and_keep_their_angles(monkeypatch):
    monkeypatch.setattr(embeddings, "CHUNK", 7)
    rng = np.random.default_rng(0)
    pooled = (1000 * rng.normal(size=(90, 6)) @ rng.normal(size=(6, 300))).astype(np.float16)
    x = embeddings.features(pooled, np.arange(80))
    assert x.dtype == np.float32
    assert x.shape == (80, 50)
    single = pooled[:80].astype(np.float64)
    single /= np.linalg.norm(single, axis=1, keepdims=True)
    gaps = ((x[:, None].astype(np.float64) - x) ** 2).sum(2)
    np.testing.assert_allclose(gaps, 2 - 2 * single @ single.T, atol=1e-4)
