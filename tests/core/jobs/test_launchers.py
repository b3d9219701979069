"""The same run under Ray Train, on a Ray that the run starts and ends itself."""

import sys

import numpy as np
import pytest

from core.jobs import launchers
from core.trajectories import run
from core.trajectories.artifact import load_losses, load_steps
from core.trajectories.settings import Settings
from core.workspace.store import Workspace
from tests.conftest import TRAIN


@pytest.fixture
def ray(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return pytest.importorskip("ray", reason="needs pip install -r requirements-cluster.txt")


def settings(finished, **changes):
    base = {**TRAIN, "dataset": finished.dataset, "processes": 2, "launcher": "ray"}
    return Settings(**{**base, **changes})


def test_two_workers_of_ray_give_what_one_process_gives(finished, ray):
    one = finished.workspace.open(finished.trajectories)
    two = finished.workspace.open(run(finished.workspace, settings(finished)))
    assert two.manifest["config"]["launcher"] == "ray"
    assert load_steps(two).tolist() == load_steps(one).tolist()
    a, b = load_losses(one), load_losses(two)
    assert (np.isnan(a) == np.isnan(b)).all()
    np.testing.assert_allclose(a[:, 0], b[:, 0], atol=1e-5)
    np.testing.assert_allclose(a, b, atol=1e-3)
    pooled = [np.load(t.path / "pooled.npy").astype(np.float32) for t in (one, two)]
    np.testing.assert_allclose(*pooled, atol=2e-2)
    assert finished.workspace.verify(two.id) == []
    assert not ray.is_initialized()
    assert list(finished.workspace.cache.glob("ray-*")) == []


def test_bad_input_under_ray_is_one_sentence(finished, ray, capfd):
    with pytest.raises(ValueError, match="no model 'scratch:vast'"):
        run(finished.workspace, settings(finished, model="scratch:vast"))
    assert "Traceback" not in capfd.readouterr().err
    assert not ray.is_initialized()


def test_the_first_that_failed_says_why():
    fine = {"state": "done", "time": 1.0}
    first = {"state": "failed", "time": 2.0}
    later = {"state": "failed", "time": 3.0}
    assert launchers.cause([fine, later, first]) is first
    assert launchers.cause([fine]) is fine


def test_without_ray_a_sentence_says_what_to_install(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-cluster\.txt"):
        run(finished.workspace, settings(finished))


def seen(monkeypatch, **changes):
    """What is launched of settings of some noun, by a launcher that is new."""
    calls = []

    def new(workspace, argv, processes):
        calls.append((argv, processes))
        return [{"state": "done", "result": "made", "time": 0.0}]

    always = changes.pop("always", False)
    monkeypatch.setitem(launchers.LAUNCHERS, "ray", launchers.Launcher(new, "here", always))
    asked = Settings(dataset="d", launcher="ray", **changes)
    return launchers.launched("noun", Workspace("w"), asked), calls


def test_any_noun_is_launched_where_its_settings_ask_for_it(monkeypatch):
    result, ((argv, processes),) = seen(monkeypatch, processes=3)
    assert result == "made"
    assert argv[0] == "noun"
    assert argv[-2:] == ["--workspace", str(Workspace("w").root)]
    assert processes == 3
    assert seen(monkeypatch, processes=1) == ("", [])
    assert len(seen(monkeypatch, processes=1, always=True)[1]) == 1


def test_a_launched_process_launches_no_more(monkeypatch):
    monkeypatch.setattr(launchers.process_group, "launched", lambda: True)
    assert seen(monkeypatch, processes=3, always=True) == ("", [])
