"""Every launcher gives what one process gives; Ray is one that the run starts and ends itself."""

import os
import sys

import numpy as np
import pytest

from core.jobs import launchers
from core.trajectories import run
from core.trajectories.artifact import load_losses, load_steps
from core.trajectories.settings import Settings
from core.workspace.files import read_jsonl
from core.workspace.store import Workspace
from tests.conftest import TRAIN, TUNE
from tests.core.jobs.test_slurm import stand_ins


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


def tune(finished, **changes):
    from core import finetune

    asked = finetune.Settings(selection=finished.selection, **{**TUNE, **changes})
    return finished.workspace.open(finetune.run(finished.workspace, asked))


@pytest.fixture
def started(request, tmp_path, monkeypatch):
    """Return a launcher's name, with what it needs in place."""
    if request.param == "ray":
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        pytest.importorskip("ray", reason="needs pip install -r requirements-cluster.txt")
    if request.param == "slurm":
        folder = stand_ins(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return request.param


SHARING = [name for name in launchers.LAUNCHERS if name != "local"]


@pytest.mark.parametrize("started", SHARING, indirect=True)
def test_two_processes_of_any_launcher_fine_tune_as_one_does(finished, started):
    one = finished.workspace.open(finished.finetune)
    two = tune(finished, launcher=started, processes=2, name=started)
    assert (two.config["launcher"], two.config["processes"]) == (started, 2)
    curves = [[r["loss"] for r in read_jsonl(t.path / "metrics.jsonl")] for t in (one, two)]
    np.testing.assert_allclose(*curves, atol=1e-5)
    assert two.summary["loss"] == pytest.approx(one.summary["loss"], abs=1e-5)
    assert two.summary["decoded"] == one.summary["decoded"] == 8
    assert two.parents == one.parents
    assert two.manifest["fingerprint"] == one.manifest["fingerprint"], "how it is run is no part"
    kinds = [{p.partition("tfevents")[0] for p in t.manifest["files"]} for t in (one, two)]
    assert kinds[0] == kinds[1]
    assert finished.workspace.verify(two.id) == []


def test_one_process_of_a_cluster_gives_the_same_bytes(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{stand_ins(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    one = finished.workspace.open(finished.finetune)
    there = tune(finished, launcher="slurm", name="there")
    weights = "model/model.safetensors"
    assert there.manifest["files"][weights] == one.manifest["files"][weights]


def test_local_is_one_process(finished):
    with pytest.raises(ValueError, match="take --launcher torchrun for --processes 2"):
        tune(finished, launcher="local", processes=2)


def test_a_study_makes_its_fine_tunes_by_its_launcher(finished, monkeypatch):
    from core import study
    from core.study import plan

    asked = study.Settings(clusters=finished.clusters, launcher="slurm", processes=4)
    wanted = plan.tuning(asked, finished.workspace.open(finished.selection), 0, 4)
    assert (wanted.launcher, wanted.processes) == ("slurm", 4)


def test_a_job_elsewhere_takes_no_device_here(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(launchers.devices, "choose", lambda jobs, noun, n: f"{n} here")
    places = [
        launchers.device_for([], "trajectories", Settings(dataset="d", launcher=name, processes=2))
        for name in launchers.LAUNCHERS
    ]
    assert places == ["2 here", "2 here", "2 here", "none"]
    monkeypatch.setenv("RAY_ADDRESS", "first:6379")
    assert launchers.elsewhere(Settings(dataset="d", launcher="ray"))
