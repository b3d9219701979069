from importlib import import_module

import numpy as np
import pytest

from core import layout, trajectories
from core.layout.settings import Settings
from core.workspace.files import fingerprint
from tests.summaries import whole


def run(finished, **more):
    return layout.run(finished.workspace, Settings(trajectories=finished.trajectories, **more))


def test_it_is_made_once_for_the_same_settings(finished):
    first = run(finished, method="pca")
    assert run(finished, method="pca", name="another name") == first
    assert run(finished, method="pca", features="centred") != first
    made = finished.workspace.open(first, "layout")
    xy = np.load(made.path / "xy.npy")
    losses = np.load(finished.workspace.open(finished.trajectories).path / "losses.npy")
    assert xy.dtype == np.float32
    assert (np.isfinite(xy).all(1) == np.isfinite(losses).all(1)).all()
    assert made.summary == {
        "rows": 160,
        "placed": len(xy) - np.isnan(xy[:, 0]).sum(),
        "fitted_on": made.summary["placed"],
    }


def test_a_map_that_fails_leaves_nothing_half_made(finished, monkeypatch):
    monkeypatch.setattr(import_module("core.layout.run"), "place", lambda *args, **kwargs: 1 / 0)
    before = finished.workspace.entries("layout")
    with pytest.raises(ZeroDivisionError):
        run(finished, method="pca", features="zscore")
    assert finished.workspace.entries("layout") == before


def test_the_map_of_texts_is_another_and_does_not_ask_how_trajectories_are_compared(finished):
    one = run(finished, method="pca", of="embeddings")
    assert run(finished, method="pca", of="embeddings", features="diff", include_start=True) == one
    assert run(finished, method="pca") != one
    made = finished.workspace.open(one, "layout")
    assert made.name.endswith("pca of texts")
    measured = np.isfinite(
        np.load(finished.workspace.open(finished.trajectories).path / "losses.npy")
    )
    assert (np.isfinite(np.load(made.path / "xy.npy")).all(1) == measured.all(1)).all()


def test_layouts_from_before_there_were_maps_of_texts_are_found(finished):
    old = {
        "trajectories": finished.trajectories,
        "features": "zscore",
        "include_start": True,
        "method": "pca",
        "seed": 3,
    }
    draft = finished.workspace.draft(
        "layout", name="old", config=old, parents={}, fingerprint=fingerprint("layout", old)
    )
    np.save(draft.path / "xy.npy", np.zeros((160, 2), np.float32))
    made = draft.seal(whole("layout")).id
    assert layout.run(finished.workspace, Settings(**old)) == made


def test_losses_from_elsewhere_have_no_map_of_texts(finished, tmp_path):
    np.save(tmp_path / "losses.npy", np.random.default_rng(0).random((160, 3), np.float32))
    wanted = trajectories.Settings(dataset=finished.dataset, source=str(tmp_path / "losses.npy"))
    brought = trajectories.run(finished.workspace, wanted)
    before = finished.workspace.entries("layout")
    with pytest.raises(ValueError, match="has no embeddings of its texts: a proxy trained here"):
        layout.run(finished.workspace, Settings(trajectories=brought, of="embeddings"))
    assert finished.workspace.entries("layout") == before
    finished.workspace.delete(brought)
