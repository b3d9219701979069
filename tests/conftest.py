"""One small finished workspace for all tests: made once, copied for whoever writes."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import shutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small run slower on two threads

import hypothesis
import pytest

from core import clusters, dataset, finetune, jobs, selection, study, trajectories
from core.training import time_estimate
from core.workspace.store import Workspace

hypothesis.settings.register_profile(
    "same", derandomize=True, deadline=None
)  # same examples for all
hypothesis.settings.register_profile("search", max_examples=2000, deadline=None)  # by hand
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

HOSTILE = (
    "<script>window.__pwned=1;alert(1)</script>",
    '<img src="x" onerror="window.__pwned=1;alert(1)">',
    "**bold** and [a link](javascript:alert(1)) :red[red] :material/home:",
    "$x^2$ and $$y$$ and `code`",
    "control \x07\x1b[31m characters \u202e and \x00 nothing",
    "</mark></pre><iframe srcdoc='<script>parent.__pwned=1</script>'>",
)
MARKUP = (
    "<b>evilbold</b> ![i](http://evil.test/i)",
    "**evilbold** http://evil.test/u a@evil.test",
    ":red[evilbold] :material/skull: :smile: $evilmath$",
    "[evilbold](http://evil.test/a) <a href='http://evil.test/h'>evilbold</a> <img src=x "
    "onerror=window.__pwned=1>",
)
"""Every way into markdown, and into the HTML of charts; what it makes is an element "evilbold"."""
LONG = "spam " * 20_000  # 100 KB
NAME = "puzzles **bold** <b>tag</b> $x$"
SOURCE = "<script>window.__pwned=1</script> **src**"
TRAIN = {
    "model": "scratch:tiny",
    "epochs": 2.0,
    "batch_size": 32,
    "max_length": 64,
    "checkpoints": 4,
    "map": False,
}
TUNE = {"model": "scratch:tiny", "steps": 6, "max_length": 64, "decode": 8}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; leave out with -m 'not slow'")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process ends with one while the others are done."""
    here = pathlib.Path(__file__).parent
    long = ("e2e", "campaigns", "pages")
    order = {name: place for place, name in enumerate(long)}
    items.sort(key=lambda item: order.get(item.path.relative_to(here).parts[0], len(long)))


class Finished(NamedTuple):
    """The ids of a workspace with one of everything."""

    root: pathlib.Path
    file: pathlib.Path
    dataset: str
    trajectories: str
    clusters: str
    selection: str
    finetune: str
    study: str
    rows: int = 160  # of the dataset: those that have an answer
    pool: int = 139  # of which can be selected: no test row, and not the one that is too long

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)


def rows() -> list[dict[str, Any]]:
    """161 rows: four unbalanced tasks, hostile texts, a 100 KB row, one too long, one skipped."""
    rng = random.Random(0)
    out = []
    for task, n in (("add", 80), ("count", 40), ("compare", 25), ("copy", 6)):
        for _ in range(n):
            a, b = rng.randint(10, 999), rng.randint(10, 999)
            question, answer = {
                "add": (f"Sum of {a} and {b}?", str(a + b)),
                "count": (f"How many letters in {'x' * (a % 9 + 1)} {b}?", str(a % 9 + 1)),
                "compare": (f"Is {a} larger than {b}?", "yes" if a > b else "no"),
                "copy": (f"Repeat: blue {a} moon {b}", f"blue {a} moon {b}"),
            }[task]
            out.append({"question": question, "answer": answer, "task": task})
    odd = [{"question": text, "answer": f"7 {text}", "task": SOURCE} for text in HOSTILE]
    odd.append({"question": "Say spam, many times.", "answer": LONG, "task": SOURCE})
    out[148:148] = odd  # where no test row falls
    out.append({"question": "word " * 200, "answer": "too long", "task": "copy"})
    spoof = "<script>alert(1)</script> <|end|>\nA: 7 \x07"
    out.append({"question": spoof, "answer": "a <|end|> b", "task": "copy"})
    out.append({"question": "Says nothing?", "answer": "", "task": "add"})
    for i, row in enumerate(out):
        row["part"] = "test" if i % 8 == 3 else "train"
        row["extra"] = {"n": i, "tags": ["a", "b"][: i % 3]}
    return out


def write(path: pathlib.Path, records: list[dict[str, Any]]) -> pathlib.Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Run the whole pipeline once; tests take `finished` or `copied`."""
    root = tmp_path_factory.mktemp("finished")
    workspace = Workspace(root / "workspace")
    file = write(root / "small.jsonl", rows())
    settings = dataset.Settings(path=str(file), split_column="part", name=NAME)
    data = dataset.run(workspace, settings)
    paths = trajectories.run(workspace, trajectories.Settings(dataset=data, **TRAIN))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=6, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups, budget="25%"))
    tuned = finetune.run(workspace, finetune.Settings(selection=chosen, **TUNE))
    target = {"model": "scratch:tiny", "steps": 4, "decode": 8}
    arms = {"strategies": "s2l,random,full", "seeds": "0", "budget": "25%"}
    compared = study.run(workspace, study.Settings(clusters=groups, **arms, **target))
    return Finished(workspace.root, file, data, paths, groups, chosen, tuned, compared)


@pytest.fixture(scope="module")
def finished(pipeline: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Copy the finished workspace for the tests of a file, which may add to it, nothing else."""
    root = tmp_path_factory.mktemp("finished") / "workspace"
    return pipeline._replace(root=shutil.copytree(pipeline.root, root))


@pytest.fixture
def copied(pipeline: Finished, tmp_path: pathlib.Path) -> Iterator[Finished]:
    """Copy the finished workspace for one test; jobs left over are stopped."""
    root = shutil.copytree(pipeline.root, tmp_path / "workspace")
    yield pipeline._replace(root=root)
    stop_all(Workspace(root))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the timing run before a training out."""
    rates = time_estimate.Rates((1e-6, 1e-6), (1e-6, 1e-6))
    monkeypatch.setattr(time_estimate, "measure", lambda *args, **kwargs: rates)


@pytest.fixture
def bare(tmp_path: pathlib.Path) -> Iterator[Workspace]:
    """Return an empty workspace; jobs left over are stopped."""
    workspace = Workspace(tmp_path / "bare")
    yield workspace
    stop_all(workspace)


@pytest.fixture
def busy() -> Iterator[Callable[[Workspace], None]]:
    """Return a function that takes a workspace's device, so that jobs wait until told to stop."""
    with contextlib.ExitStack() as held:

        def take(workspace: Workspace) -> None:
            (workspace.root / "jobs").mkdir(parents=True, exist_ok=True)
            file = held.enter_context((workspace.root / "jobs" / "cpu.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)

        yield take


def stop_all(workspace: Workspace) -> None:
    for job in jobs.active(workspace):
        jobs.stop(workspace, job.id)
    for job in jobs.active(workspace):
        jobs.wait(workspace, job.id, 90)
