"""A workspace made before the code moved into packages opens, verifies, resumes and reproduces.

tests/fixtures/make_old_workspace.py made it with the code of the commit that about.json names, and
wrote there what must be the same with the code of today. All goes through the command line.
"""

import contextlib
import datetime as dt
import hashlib
import io
import json
import pathlib
import shutil
import tarfile

import numpy as np
import pandas as pd
import pytest

# The only names of the product that are used here: when it moves, these lines follow.
from core import jobs
from core.__main__ import main
from core.workspace import shared_views as views
from core.workspace.store import Workspace

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"
ABOUT = json.loads((FIXTURES / "about.json").read_text())
IDS, COMMANDS, LISTED = ABOUT["ids"], ABOUT["commands"], ABOUT["listed"]
SEALED = {id: kind for id, (kind, state, _) in LISTED.items() if state == "sealed"}
SELECTIONS = {name: id for id, (kind, _, name) in LISTED.items() if kind == "selection"}
CLOSE = {"rtol": 0, "atol": 1e-4}
"""Not the hashes of about.json: another processor adds in another order. Two runs that differ in
one step, or in the state of the optimizer, are further apart than this."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Unpack it once; nobody may write here."""
    root = tmp_path_factory.mktemp("old")
    with tarfile.open(FIXTURES / "old_workspace.tar.gz") as tar:
        tar.extractall(root, filter="data")
    return root


@pytest.fixture
def old(unpacked, tmp_path, monkeypatch):
    """Return a copy to write to, beside the files and the model that it was made from."""
    root = tmp_path / "old"
    shutil.copytree(unpacked, root)
    monkeypatch.chdir(root)  # the model is named by a relative path
    monkeypatch.setenv("S2L_WORKSPACE", str(root / "workspace"))
    monkeypatch.delenv("S2L_JOB", raising=False)
    return root


def call(*argv):
    """Run a command that must succeed; return what it says on stdout."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = main([str(a) for a in argv])
    assert code == 0, f"{argv}: {out.getvalue()}{said.getvalue()}"
    return out.getvalue().strip()


def made(*argv):
    """Run a command that makes an artifact; return its id."""
    return call(*argv).splitlines()[-1]


def manifest(id):
    return json.loads(call("show", id, "--json"))


def folder(id):
    return next(pathlib.Path("workspace").glob(f"*/{id}"))


def again(name, **flags):
    """Return the command that made something, for a new one: with other values of some flags."""
    command = [*COMMANDS[name], "--name", f"{name} again"]
    return command + [word for flag, value in flags.items() for word in (f"--{flag}", value)]


def test_everything_is_listed_and_nothing_is_damaged(old):
    found = {e["id"]: e for e in json.loads(call("list", "--json"))}
    assert {i: [e["kind"], e["state"], e["name"]] for i, e in found.items()} == LISTED
    assert {e["problem"] for e in found.values()} == {""}
    assert set(SEALED.values()) == {
        "dataset",
        "trajectories",
        "layout",
        "transfer",
        "clusters",
        "selection",
        "finetune",
        "study",
    }
    for id, kind in SEALED.items():
        assert call("list", kind).count(id) == 1


def test_every_sealed_one_verifies_and_is_shown(old):
    for id, kind in SEALED.items():
        assert call("verify", id).endswith("every file is as its manifest says")
        assert call("show", id).startswith(f"{kind} {id}")
        assert ABOUT["code"].startswith(manifest(id)["versions"]["code"])


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_selection_reproduces(old, name):
    assert call("reproduce", SELECTIONS[name]) == "identical"


def test_the_edits_are_those_of_then_and_go_on(old):
    assert call("edits", IDS["data"]) == ABOUT["edits"]
    undone = call("edits", IDS["data"], "--undo")
    assert "excluded: 4 rows 2,16-18\npinned: 2 rows 5,70\n" in undone
    assert "excluded: 5 rows 2,16-18,50\n" in call("edits", IDS["data"], "--exclude", "50")
    assert call("reproduce", SELECTIONS["grown"]) == "identical"


@pytest.mark.parametrize("form", ABOUT["exports"])
def test_an_export_gives_the_bytes_of_then(old, form):
    was = ABOUT["exports"][form]
    call("export", "--selection", was["selection"], "--format", form, "--out", was["file"])
    assert hashlib.sha256(pathlib.Path(was["file"]).read_bytes()).hexdigest() == was["sha256"]


def test_jobs_and_views_are_found(old):
    workspace = Workspace("workspace")
    found = {job.id: job for job in jobs.jobs(workspace)}
    assert {id: job.state for id, job in found.items()} == ABOUT["jobs"]
    done = next(job for job in found.values() if job.state == "done")
    assert done.result == IDS["by job"]
    assert done.argv[-2:] == ("--workspace", "/tmp/s2l-old/workspace")
    created, ended = (dt.datetime.fromisoformat(t) for t in (done.created, done.ended))
    assert dt.timedelta(0) < ended - created < dt.timedelta(minutes=1)
    assert "4 clusters of" in jobs.log_tail(workspace, done.id)
    assert jobs.progress_of(workspace, min(set(found) - {done.id}))
    for name, view in ABOUT["view"].items():
        assert views.load(workspace, name) == view
        assert views.save(workspace, view) == name


def resume(name, monkeypatch):
    """Resume an unfinished run as a job would, so that its progress is kept; return its folder."""
    was = ABOUT["unfinished"][name]
    left = next(pathlib.Path("workspace").glob(f"*/{IDS[name]}.partial"))
    (checkpoint,) = (left / "checkpoints").glob("checkpoint-*")
    assert checkpoint.name == f"checkpoint-{was['stopped']}"
    job = pathlib.Path("job").absolute()
    job.mkdir()
    monkeypatch.setenv("S2L_JOB", str(job))
    assert made(*COMMANDS[name], "--resume") == IDS[name]
    progress = [json.loads(line) for line in (job / "progress.jsonl").read_text().splitlines()]
    steps = [p["step"] for p in progress if p["stage"].startswith("train")]
    assert steps[0] == was["stopped"] > 0, "it goes on at its checkpoint"
    assert steps[-1] == was["training"][-1][0]
    path = folder(IDS[name])
    assert call("verify", IDS[name])
    assert not (path / "checkpoints").exists()
    trained = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    steps, losses = zip(*was["training"], strict=True)
    assert [t["step"] for t in trained] == list(steps)
    np.testing.assert_allclose([t["loss"] for t in trained], losses, **CLOSE)
    return path


def test_unfinished_trajectories_go_on_to_the_same_losses(old, monkeypatch):
    left = next(pathlib.Path("workspace").glob(f"*/{IDS['unfinished proxy']}.partial"))
    before = (left / "columns.jsonl").read_text().splitlines()
    partly = np.load(left / "losses.npy")[:, : len(before)]
    path = resume("unfinished proxy", monkeypatch)
    after = (path / "columns.jsonl").read_text().splitlines()
    assert 1 < len(before) < len(after)
    assert after[: len(before)] == before, "what was recorded then is not recorded again"
    losses = np.load(path / "losses.npy")
    np.testing.assert_array_equal(losses[:, : len(before)], partly)
    np.testing.assert_allclose(losses, np.load(old / "whole" / "losses.npy"), **CLOSE)


def test_an_unfinished_fine_tune_goes_on_to_the_same_loss(old, monkeypatch):
    path = resume("unfinished tuning", monkeypatch)
    scores = json.loads((path / "scores.json").read_text())
    was = ABOUT["unfinished"]["unfinished tuning"]
    for name in ("loss", "balanced_loss"):
        assert scores[name] == pytest.approx(was[name], abs=CLOSE["atol"])


@pytest.mark.parametrize("name", ["proxy", "kept", "extended", "tuned"])
def test_a_run_that_is_done_is_found_by_its_settings(old, name):
    assert made(*COMMANDS[name], "--resume") == IDS[name]


def test_a_layout_is_found_by_its_settings(old):
    assert made(*COMMANDS["texts"]) == IDS["texts"]
    (umap,) = [id for id, (kind, _, name) in LISTED.items() if name == "proxy · umap"]
    assert made("layout", "--trajectories", IDS["proxy"]) == umap


@pytest.mark.parametrize("name", ["groups", "by job", "carried"])
def test_clusters_of_then_are_found_by_their_settings(old, name):
    assert manifest(IDS[name])["fingerprint"] == ""
    assert made(*COMMANDS[name]) == IDS[name]


def test_a_study_finds_the_arms_of_then(old):
    edits = manifest(IDS["study"])["config"]["edits"]
    new = manifest(made(*again("study", edits=edits)))
    was = manifest(IDS["study"])
    assert new["parents"] == was["parents"]
    assert new["summary"]["means"] == was["summary"]["means"]
    assert new["summary"]["base"]["loss"] == pytest.approx(was["summary"]["base"]["loss"], abs=1e-4)


@pytest.mark.parametrize("name", [n for n in SELECTIONS if n in COMMANDS])
def test_a_selection_has_the_fingerprint_of_then(old, name):
    was = manifest(IDS[name])
    of_then = {"edits": was["config"]["edits"], "near-rule": 1}
    new = manifest(made(*again(name, **of_then)))  # by another rule it is another selection
    assert new["fingerprint"] == was["fingerprint"] != ""
    assert new["summary"]["ids_sha256"] == was["summary"]["ids_sha256"]


def test_a_transfer_has_the_fingerprint_of_then(old):
    new, was = manifest(made(*again("transfer"))), manifest(IDS["transfer"])
    assert new["fingerprint"] == was["fingerprint"] != ""
    losses = [np.load(folder(m["id"]) / "losses.npy") for m in (new, was)]
    np.testing.assert_allclose(*losses, **CLOSE)


def test_a_dataset_is_read_to_the_same_rows(old):
    new, was = manifest(made(*again("data", path="rows.jsonl"))), manifest(IDS["data"])
    assert {key: new["summary"][key] for key in was["summary"]} == was["summary"]
    both = [pd.read_parquet(folder(m["id"]) / "examples.parquet") for m in (new, was)]
    pd.testing.assert_frame_equal(*both)


def test_losses_are_imported_to_the_same(old):
    new = manifest(made(*again("imported", **{"import": "losses/losses.npy"})))
    was = manifest(IDS["imported"])
    assert new["files"]["losses.npy"] == was["files"]["losses.npy"]
    assert new["summary"]["source_sha256"] == was["summary"]["source_sha256"]


@pytest.mark.parametrize("name", ["groups", "by job", "carried"])
def test_clusters_are_those_of_then(old, name):
    labels = [np.load(folder(id) / "labels.npy") for id in (made(*again(name)), IDS[name])]
    np.testing.assert_array_equal(*labels)


def test_kept_checkpoints_score_new_rows(old):
    new, was = manifest(made(*again("extended"))), manifest(IDS["extended"])
    assert new["fingerprint"] == was["fingerprint"] != ""
    assert new["summary"]["new"] == was["summary"]["new"] > 0
    losses = [np.load(folder(m["id"]) / "losses.npy") for m in (new, was)]
    np.testing.assert_allclose(*losses, **CLOSE)


def test_a_model_from_scratch_begins_and_learns_as_then(old):
    new = made(*again("proxy"), "--map=no")
    losses = [np.load(folder(id) / "losses.npy") for id in (new, IDS["proxy"])]
    np.testing.assert_allclose(*losses, **CLOSE)
