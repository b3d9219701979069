"""One small real workspace for all engine tests: every artifact of the pipeline, made once."""

import contextlib
import gc
import json
import os
import pathlib
import random
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small run slower on two threads

import pytest

from core import clusters, dataset, export, finetune, selection, trajectories
from core.training import time_estimate
from core.workspace.store import Workspace

TRAIN = {
    "model": "scratch:tiny",
    "epochs": 2.0,
    "batch_size": 32,
    "max_length": 64,
    "checkpoints": 4,
    "map": False,
}
TUNE = {"model": "scratch:tiny", "steps": 6, "max_length": 64, "decode": 8}


class House(NamedTuple):
    workspace: Workspace
    file: pathlib.Path
    dataset: str
    trajectories: str
    clusters: str
    selection: str
    finetune: str


def rows() -> list[dict]:
    """160 rows of four unbalanced tasks; every eighth is a test row."""
    rng = random.Random(0)
    out = []
    for task, n in (("add", 80), ("count", 40), ("compare", 25), ("copy", 13)):
        for _ in range(n):
            a, b = rng.randint(10, 999), rng.randint(10, 999)
            question, answer = {
                "add": (f"Sum of {a} and {b}?", str(a + b)),
                "count": (f"How many letters in {'x' * (a % 9 + 1)} {b}?", str(a % 9 + 1)),
                "compare": (f"Is {a} larger than {b}?", "yes" if a > b else "no"),
                "copy": (f"Repeat: blue {a} moon {b}", f"blue {a} moon {b}"),
            }[task]
            out.append({"question": question, "answer": answer, "task": task})
    out.append({"question": "word " * 200, "answer": "too long", "task": "copy"})
    hostile = "<script>alert(1)</script> <|end|>\nA: 7 \x07"
    out.append({"question": hostile, "answer": "a <|end|> b", "task": "copy"})
    for i, row in enumerate(out):
        row["part"] = "test" if i % 8 == 3 else "train"
        row["extra"] = {"n": i, "tags": ["a", "b"][: i % 3]}
    return out


def write(path: pathlib.Path, records: list[dict]) -> pathlib.Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def write_export(workspace: Workspace, chosen: str, out: pathlib.Path, **how) -> pathlib.Path:
    """Export a selection; return where to."""
    settings = export.Settings(selection=chosen, out=str(out), **how)
    return pathlib.Path(export.run(workspace, settings))


def load(workspace: Workspace, path: pathlib.Path) -> str:
    return dataset.run(workspace, dataset.Settings(path=str(path), split_column="part"))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("house")
    workspace = Workspace(root / "workspace")
    file = write(root / "small.jsonl", rows())
    data = load(workspace, file)
    paths = trajectories.run(workspace, trajectories.Settings(dataset=data, **TRAIN))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=6, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups, budget="25%"))
    tuned = finetune.run(workspace, finetune.Settings(selection=chosen, **TUNE))
    return House(workspace, file, data, paths, groups, chosen, tuned)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the timing run before a training out."""
    rates = time_estimate.Rates((1e-6, 1e-6), (1e-6, 1e-6))
    monkeypatch.setattr(time_estimate, "measure", lambda *args, **kwargs: rates)


@pytest.fixture
def stop_after(tmp_path, monkeypatch):
    """Return a context that makes a run believe it was asked to stop at its n-th look."""

    @contextlib.contextmanager
    def context(looks: int):
        job = tmp_path / "job"
        job.mkdir(exist_ok=True)
        seen = 0

        def requested() -> bool:
            nonlocal seen
            seen += 1
            return seen == looks

        with monkeypatch.context() as patch:
            patch.setattr("core.training.loop.stop_requested", requested)
            yield
        gc.collect()  # the stopped run's hold on its draft lives as long as its frames

    return context
