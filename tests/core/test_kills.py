"""A run killed at any moment continues as if it had never been interrupted.

Every place is a real process that ends by a real SIGKILL; the same command with --resume follows.
"""

import json
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from core.training.checkpoints import COMPLETE
from core.trajectories.artifact import load_steps
from core.workspace.artifact import PARTIAL
from core.workspace.files import read_jsonl
from tests.conftest import TRAIN

ROOT = pathlib.Path(__file__).parents[2]


def complete(left):
    return len(list(left.glob(f"checkpoints/*/{COMPLETE}")))


def columns(left):
    return len(list(read_jsonl(left / "columns.jsonl")))


def half_written(left):
    saved = [p for p in left.glob("checkpoints/checkpoint-*") if not (p / COMPLETE).exists()]
    return complete(left) == 1 and len(saved) == 1 and (saved[0] / "model.safetensors").exists()


def in_map(left, column):
    return bool(np.isfinite(np.load(left / "losses.npy")[:, column]).any())


def has(left, *names):
    return [n for n in names if not (left / n).exists()] == []


def hidden(left):
    """Say of each draft that nobody sees yet whether it has its run.json."""
    return [(p / "run.json").exists() for p in left.parent.glob(".new-*")]


PLACES = {
    "nothing recorded": (
        {"call": "core.trajectories.recorder:TrajectoryRecorder._write", "number": 1},
        lambda left: has(left, "losses.npy") and columns(left) == 0 and not in_map(left, 0),
    ),
    "column not committed": (
        {"call": "core.trajectories.recorder:append_jsonl", "number": 2},
        lambda left: columns(left) == 1 and in_map(left, 1),
    ),
    "no checkpoint yet": (
        {"call": "core.training.keeper:Keeper.on_step_end", "number": 5, "save_seconds": 60.0},
        lambda left: columns(left) == 2 and complete(left) == 0,
    ),
    "checkpoint half written": (
        {"call": "transformers:Trainer._save_optimizer_and_scheduler", "number": 3},
        half_written,
    ),
    "old checkpoint not deleted": (
        {"call": "core.training.checkpoints:shutil.rmtree", "number": 3},
        lambda left: complete(left) == 2,
    ),
    "last embeddings half written": (
        {"call": "core.trajectories.recorder:write_array", "number": 2, "when": "half"},
        lambda left: columns(left) == 4 and has(left, "pooled.npy") and not has(left, "steps.npy"),
    ),
    "last step saved": (
        {"call": "core.trajectories.train:finish", "number": 1},
        lambda left: has(left, "proxy", f"checkpoints/checkpoint-10/{COMPLETE}"),
    ),
    "flags half written": (
        {"call": "pandas:DataFrame.to_parquet", "number": 1},
        lambda left: has(left, "steps.npy", "proxy") and not has(left, "flags.parquet"),
    ),
    "no manifest yet": (
        {"call": "core.workspace.draft:write_json", "number": 2},
        lambda left: has(left, "flags.parquet") and not has(left, "manifest.json"),
    ),
    "manifest written": (
        {"call": "core.workspace.draft:write_json", "number": 2, "when": "after"},
        lambda left: has(left, "manifest.json", "checkpoints"),
    ),
    "checkpoints dropped": (
        {"call": "pathlib:Path.rename", "number": 2},
        lambda left: has(left, "manifest.json") and not has(left, "checkpoints"),
    ),
    "renamed": (
        {"call": "pathlib:Path.rename", "number": 2, "when": "after"},
        lambda left: not left.name.endswith(PARTIAL) and has(left, "run.json"),
    ),
    "sealed and not told": (
        {"call": "core.__main__:_finish_job", "number": 1},
        lambda left: not left.name.endswith(PARTIAL) and not has(left, "run.json"),
    ),
    "not begun": (
        {"call": "core.workspace.draft:write_json", "number": 1},
        lambda left: hidden(left) == [False],
    ),
    "begun, and not to be seen yet": (
        {"call": "pathlib:Path.rename", "number": 1},
        lambda left: sorted(hidden(left))[-1:] == [True],
    ),
}
UNSEEN = list(PLACES)[-2:]
"""Places at which nothing is left to go on with."""


@pytest.fixture(scope="module")
def call():
    """Return a function that runs a command line in a process, to be killed at a place."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.core.kill_at"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def run(place, argv):
            process.stdin.write(json.dumps([place, argv]) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def argv(finished, name, **more):
    flags = {"dataset": finished.dataset, **TRAIN, "map": "no", "name": name, **more}
    flags["workspace"] = finished.workspace.root
    return ["trajectories", *(f"--{k.replace('_', '-')}={v}" for k, v in flags.items())]


def newest(workspace):
    """Return the directory of the newest trajectories, whatever their state."""
    folders = [p for p in (workspace.root / "trajectories").iterdir() if p.name[0] != "."]
    return max(folders, key=lambda p: p.name)


def check_as_if_never_killed(finished, made, whole):
    steps = [c["step"] for c in read_jsonl(made.path / "columns.jsonl")]
    assert load_steps(made).tolist() == steps
    for file, facts in whole.manifest["files"].items():
        if file not in ("columns.jsonl", "metrics.jsonl", "start.json"):  # they hold seconds
            assert made.manifest["files"][file] == facts, file
    assert finished.workspace.verify(made.id) == []
    files = [*made.manifest["files"], "manifest.json"]
    assert {p.name for p in made.path.iterdir()} == {pathlib.PurePath(f).parts[0] for f in files}
    assert {e.state for e in finished.workspace.entries()} == {"sealed"}


@pytest.mark.parametrize("name", PLACES)
def test_killed_anywhere_it_continues_to_the_same_values(finished, call, name):
    place, is_there = PLACES[name]
    command = argv(finished, name)
    assert call(place, command) == -signal.SIGKILL
    left = newest(finished.workspace)
    assert is_there(left), "it was killed at the place that this test is about"
    assert call({}, [*command, "--resume"]) == 0
    made = finished.workspace.open(newest(finished.workspace).name)
    assert made.name == name
    if name not in UNSEEN:
        assert made.id == left.name.removesuffix(PARTIAL)
    check_as_if_never_killed(finished, made, finished.workspace.open(finished.trajectories))


@pytest.mark.parametrize(
    ("name", "flags", "place", "is_there"),
    [
        (
            "columns half dropped",
            {"schedule": "equal_loss", "checkpoints": 8},
            {"call": "core.trajectories.recorder:write_array", "number": 4, "when": "half"},
            lambda left: has(left, "fewer.npy"),
        ),
        (
            "columns dropped",
            {"schedule": "equal_loss", "checkpoints": 8},
            {"call": "core.trajectories.train:finish", "number": 1},
            lambda left: np.load(left / "losses.npy").shape[1] == columns(left) < 8,
        ),
        (
            "in an epoch",
            {"record": "epoch"},
            {"call": "core.trajectories.epoch_recorder:EpochRecorder.on_step_end", "number": 8},
            lambda left: columns(left) == 1 and in_map(left, 1),
        ),
    ],
)
def test_killed_with_other_recordings(finished, call, name, flags, place, is_there):
    assert call({}, argv(finished, "whole", **flags)) == 0
    whole = finished.workspace.open(newest(finished.workspace).name)
    command = argv(finished, name, **flags)
    assert call(place, command) == -signal.SIGKILL
    left = newest(finished.workspace)
    assert is_there(left), "it was killed at the place that this test is about"
    assert call({}, [*command, "--resume"]) == 0
    made = finished.workspace.open(left.name.removesuffix(PARTIAL))
    check_as_if_never_killed(finished, made, whole)
