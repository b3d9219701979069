import random

import numpy as np
import pandas as pd
import pytest

from core import clusters, selection
from core.jobs.progress import Stopped
from core.training import time_estimate
from core.training.settings import PAPER
from core.trajectories import proxy_warnings, run
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.trajectories.settings import Settings, resolve
from core.workspace.files import read_json, read_jsonl, write_json
from tests.conftest import TRAIN, rows, write
from tests.core.conftest import load

pytestmark = pytest.mark.usefixtures("quick")


def train(finished, **more):
    settings = Settings(**{"dataset": finished.dataset, **TRAIN, **more})
    return finished.workspace.open(run(finished.workspace, settings))


def by_id(artifact):
    return dict(zip(load_flags(artifact)["id"], load_losses(artifact), strict=True))


def test_the_sealed_artifact(finished):
    made = finished.workspace.open(finished.trajectories)
    losses, steps, flags = load_losses(made), load_steps(made), load_flags(made)
    assert losses.dtype == np.float32
    assert losses.shape == (160, 4)
    assert steps[0] == 0
    assert steps[-1] == made.summary["steps"] == 10
    assert (np.diff(steps) > 0).all()
    examples = pd.read_parquet(finished.workspace.open(finished.dataset).path / "examples.parquet")
    assert ((flags["flag"] == "holdout") == (examples["split"] == "holdout")).all()
    assert (np.isnan(losses).all(1) == (flags["flag"] != "")).all(), "never 0"
    assert np.isfinite(losses[flags["flag"] == ""]).all()
    assert flags["flag"].value_counts().to_dict() == {
        "": 139,
        "holdout": 20,
        "no response token": 1,
    }
    assert flags["truncated"].sum() == made.summary["truncated"] >= 1
    assert made.summary["unmeasurable"] == 1
    assert made.summary["final_loss"] < made.summary["first_loss"]
    assert made.config["template"] == "plain"
    names = set(made.manifest["files"])
    assert {"losses.npy", "steps.npy", "flags.parquet", "proxy/model.safetensors"} <= names
    assert not [n for n in names if n.startswith("checkpoints")]
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert finished.workspace.verify(made.id) == []


def test_permuted_rows_with_the_same_ids_give_the_same_losses(finished, tmp_path):
    mixed = random.Random(1).sample(rows(), len(rows()))
    data = load(finished.workspace, write(tmp_path / "mixed.jsonl", mixed))
    one, two = (
        by_id(finished.workspace.open(finished.trajectories)),
        by_id(train(finished, dataset=data)),
    )
    assert one.keys() == two.keys()
    for k in one:
        np.testing.assert_array_equal(one[k], two[k])


def test_stopped_and_resumed_is_as_if_never_stopped(finished, stop_after):
    with stop_after(7), pytest.raises(Stopped):
        train(finished)
    (left,) = [e for e in finished.workspace.entries("trajectories") if e.state == "unfinished"]
    start = read_json(finished.workspace.find(left.id) / proxy_warnings.START)
    write_json(
        finished.workspace.find(left.id) / proxy_warnings.START, {**start, "tokenize_seconds": 7.5}
    )
    made = train(finished, resume=True)
    assert made.id == left.id
    assert made.summary["tokenize_seconds"] == 7.5, "what the first process spent"
    columns = list(read_jsonl(made.path / "columns.jsonl"))
    assert made.summary["record_seconds"] == round(sum(c["seconds"] for c in columns), 1)
    whole = finished.workspace.open(finished.trajectories)
    np.testing.assert_array_equal(load_losses(made), load_losses(whole))
    for name in ("proxy/model.safetensors", "pooled.npy"):
        assert made.manifest["files"][name] == whole.manifest["files"][name]


def test_what_is_known_before_training_is_written_before_training(
    finished, stop_after, tmp_path, monkeypatch
):
    (tmp_path / "job").mkdir()
    monkeypatch.setenv("S2L_JOB", str(tmp_path / "job"))
    with stop_after(1), pytest.raises(Stopped):
        train(finished, seed=8)
    start = read_json(tmp_path / "job" / proxy_warnings.START)
    id = start.pop("id")
    assert read_json(finished.workspace.find(id) / proxy_warnings.START) == start
    finished.workspace.delete(id)
    whole = finished.workspace.open(finished.trajectories).summary
    assert (start["rows"], start["trained"], start["steps"]) == (160, 139, whole["steps"])
    assert (start["truncated"], start["no_response"]) == (whole["truncated"], 1)
    assert start["tokens"] > start["trained"]
    assert start["tokenize_seconds"] == 0, "they were in the cache"


def test_where_the_time_went_adds_up(finished):
    made = finished.workspace.open(finished.trajectories)
    parts = [made.summary[f"{part}_seconds"] for part in ("tokenize", "train", "record")]
    assert all(part >= 0 for part in parts)
    assert made.summary["train_seconds"] > 0
    # made before the draft are the tokens alone
    assert sum(parts[1:]) <= made.manifest["seconds"] + 0.2


def test_doubts_about_a_run_are_said_with_a_remedy(finished, capsys):
    train(finished, lr=1e-9, epochs=1, max_length=24, checkpoints=2)
    said = capsys.readouterr().err
    assert "warning: The proxy hardly learned" in said
    assert "Raise --lr (now 1e-09)" in said
    assert "Raise --max-length to" in said


def test_a_sample_is_trained_on_and_recorded_alone(finished):
    made = train(finished, limit=50, epochs=1, checkpoints=2)
    flags = load_flags(made)
    assert (flags["flag"] == "").sum() == made.summary["measured"] == 50
    assert made.summary["not_sampled"] == 89
    assert np.isnan(load_losses(made)[flags["flag"] == "not sampled"]).all()
    assert made.summary["steps"] == 2


def test_free_losses_go_through_to_a_selection(finished):
    """All their columns are features: none is from before training."""
    made = train(finished, record="epoch", epochs=2, batch_size=32)
    assert made.summary["checkpoints"] == 2
    assert made.summary["record_seconds"] == 0
    assert load_steps(made)[0] > 0
    groups = clusters.run(finished.workspace, clusters.Settings(trajectories=made.id, k=4))
    centroids = np.load(finished.workspace.open(groups).path / "centroids.npy")
    assert centroids.shape == (4, 2)
    chosen = selection.run(finished.workspace, selection.Settings(parent=groups, budget="20"))
    assert finished.workspace.open(chosen).summary["rows"] == 20
    with pytest.raises(ValueError, match="at least one whole epoch"):
        train(finished, record="epoch", epochs=0.5)


@pytest.mark.parametrize("schedule", ["log", "equal_loss"])
def test_recordings_stand_where_the_schedule_says(finished, schedule):
    made = train(finished, schedule=schedule, checkpoints=4)
    steps = load_steps(made)
    assert (steps[0], steps[-1]) == (0, made.summary["steps"])
    assert load_losses(made).shape[1] == len(steps) == made.summary["checkpoints"] <= 4
    assert (np.diff(steps) > 0).all()


def test_a_run_too_long_is_refused_with_proposals(finished, monkeypatch):
    before = finished.workspace.entries()
    slow = time_estimate.Rates((0.01, 0.02), (0.01, 0.02))
    monkeypatch.setattr(time_estimate, "measure", lambda *args, **kwargs: slow)
    monkeypatch.setattr(time_estimate, "LONG", 20.0)
    with pytest.raises(ValueError, match="this would take") as e:
        train(finished, model="scratch:small")
    for way in ("--model scratch:tiny", "--epochs 1", "--limit 100", "--accept-long"):
        assert way in str(e.value)
    assert finished.workspace.entries() == before


def test_a_long_run_once_begun_is_resumed_without_asking(finished, stop_after, monkeypatch):
    with stop_after(3), pytest.raises(Stopped):
        train(finished, seed=5, accept_long=True)
    monkeypatch.setattr(time_estimate, "LONG", 0.0)
    assert train(finished, seed=5, resume=True).summary["steps"] == 10


def test_a_disk_too_small_is_refused_before_training(finished, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 1000}))
    with pytest.raises(ValueError, match=r"are free .*; free some space"):
        train(finished, seed=6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "scratch:vast"}, "no model 'scratch:vast'"),
        ({"model": "/nowhere"}, "no model directory"),
        ({"dataset": "none"}, "no artifact 'none'"),
        ({"max_length": 8}, r"no row of .* within 8 tokens; raise --max-length"),
        ({"keep_checkpoints": True, "record": "epoch"}, "--keep-checkpoints needs --record all"),
        ({"keep_checkpoints": True, "source": "x.npy"}, "--import trains none"),
    ],
)
def test_bad_input_is_a_sentence_and_leaves_nothing_behind(finished, wrong, words):
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=words):
        train(finished, **wrong)
    assert finished.workspace.entries() == before


def test_the_paper_preset_gives_the_papers_values():
    paper = resolve(Settings(dataset="x", preset="paper"))
    assert {k: getattr(paper, k) for k in PAPER} == PAPER
    assert (paper.model, paper.epochs, paper.lr, paper.batch_size, paper.max_length) == (
        "EleutherAI/pythia-70m-deduped",
        3.0,
        2e-5,
        128,
        512,
    )
    assert resolve(Settings(dataset="x", preset="paper", epochs=1)).epochs == 1.0
    scratch = resolve(Settings(dataset="x"))
    assert (scratch.epochs, scratch.lr, scratch.batch_size) == (6.0, 3e-3, 32)
    assert resolve(Settings(dataset="x", model="some/model")).lr == 2e-5
