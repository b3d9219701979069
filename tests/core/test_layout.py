import numpy as np
import pytest

from core import layout
from core.layout import Settings, pca, place


def curves(n=60):
    rng = np.random.default_rng(0)
    losses = (rng.random((n, 1)) * np.linspace(3, 1, 5) + rng.random((n, 5)) / 10).astype(
        np.float32
    )
    losses[3] = np.nan
    return losses, np.array([f"{i:05d}" for i in rng.permutation(n)], dtype=object)


def run(house, **more):
    return layout.run(house.workspace, Settings(trajectories=house.trajectories, **more))


def test_it_is_made_once_for_the_same_settings(house):
    first = run(house, method="pca")
    assert run(house, method="pca", name="another name") == first
    assert run(house, method="pca", features="centred") != first
    made = house.workspace.open(first, "layout")
    xy = np.load(made.path / "xy.npy")
    losses = np.load(house.workspace.open(house.trajectories).path / "losses.npy")
    assert xy.dtype == np.float32
    assert (np.isfinite(xy).all(1) == np.isfinite(losses).all(1)).all()
    assert made.summary == {
        "rows": 160,
        "placed": len(xy) - np.isnan(xy[:, 0]).sum(),
        "fitted_on": made.summary["placed"],
    }


def test_a_map_that_fails_leaves_nothing_half_made(house, monkeypatch):
    monkeypatch.setattr(layout, "place", lambda *args, **kwargs: 1 / 0)
    before = house.workspace.entries("layout")
    with pytest.raises(ZeroDivisionError):
        run(house, method="pca", features="zscore")
    assert house.workspace.entries("layout") == before


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
    monkeypatch.setattr(layout, "FIT_ROWS", 20)
    monkeypatch.setattr(layout, "_umap", lambda x, seed: x[:, :2] * 10)
    losses, ids = curves()
    xy, fitted = place(losses, ids, "raw", include_start=False, method="umap", seed=0)
    assert fitted == 20
    seen = np.flatnonzero(np.isfinite(xy[:, 0]))
    assert len(seen) == 59
    expected = losses[seen, 1:3] * 10
    exact = np.isclose(xy[seen], expected, atol=1e-5).all(1)
    assert exact.sum() >= 20
    assert np.abs(xy[seen] - expected).mean() < 2, "near their neighbours"
