"""A small finished workspace for page and browser tests: made once, copied by whoever writes."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small run slower on two threads

import pytest

from core import clusters, dataset, jobs, selection, study, trajectories
from core.workspace.store import Workspace

HOSTILE = (
    "<script>window.__pwned=1;alert(1)</script>",
    '<img src="x" onerror="window.__pwned=1;alert(1)">',
    "**bold** and [a link](javascript:alert(1)) :red[red] :material/home:",
    "$x^2$ and $$y$$ and `code`",
    "control \x07\x1b[31m characters \u202e and \x00 nothing",
    "</code></pre></mark><iframe srcdoc='<script>parent.__pwned=1</script>'></iframe>",
)
LONG = "spam " * 20_000  # 100 KB
NAME = "puzzles **bold** <b>tag</b> $x$"
SOURCE = "<script>window.__pwned=1</script> **src**"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; leave out with -m 'not slow'")


class Shop(NamedTuple):
    """The ids of a workspace with one of everything."""

    root: pathlib.Path
    dataset: str
    trajectories: str
    clusters: str
    selection: str
    study: str

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)


def hostile_rows() -> list[dict[str, str]]:
    """132 rows: three unbalanced tasks, hostile texts, a 100 KB row, a row that is set aside."""
    rng = random.Random(0)
    out = []
    for task, n in (("adding", 70), ("counting", 35), ("comparing", 18)):
        for _ in range(n):
            a, b = rng.randint(10, 999), rng.randint(10, 999)
            question, answer = {
                "adding": (f"Sum of {a} and {b}?", str(a + b)),
                "counting": (f"How many letters in {'x' * (a % 9 + 1)} {b}?", str(a % 9 + 1)),
                "comparing": (f"Is {a} larger than {b}?", "yes" if a > b else "no"),
            }[task]
            out.append({"question": question, "answer": answer, "task": task})
    out += [{"question": text, "answer": f"7 {text}", "task": SOURCE} for text in HOSTILE]
    out.append({"question": "Say spam, many times.", "answer": LONG, "task": SOURCE})
    out.append({"question": "Says nothing?", "answer": "", "task": "adding"})
    for i, row in enumerate(out):
        row["part"] = "test" if i % 8 == 3 and row["task"] != SOURCE else "train"
    return out


def write_jsonl(path: pathlib.Path, records: list[dict[str, str]]) -> pathlib.Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.fixture(scope="session")
def finished_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Run the whole pipeline once; nobody may write here."""
    root = tmp_path_factory.mktemp("shop")
    workspace = Workspace(root / "workspace")
    file = write_jsonl(root / "hostile.jsonl", hostile_rows())
    settings = dataset.Settings(path=str(file), split_column="part", name=NAME)
    data = dataset.run(workspace, settings)
    proxy = {"model": "scratch:tiny", "epochs": 2.0, "batch_size": 32, "checkpoints": 4}
    paths = trajectories.run(
        workspace, trajectories.Settings(dataset=data, max_length=64, map=False, **proxy)
    )
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=6, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups, budget="25%"))
    target = {"model": "scratch:tiny", "steps": 4, "decode": 8}
    arms = {"strategies": "s2l,random,full", "seeds": "0", "budget": "25%"}
    compared = study.run(workspace, study.Settings(clusters=groups, **arms, **target))
    return Shop(workspace.root, data, paths, groups, chosen, compared)


@pytest.fixture
def shop(finished_shop: Shop, tmp_path: pathlib.Path) -> Iterator[Shop]:
    """Copy the finished workspace, to be written to; jobs left over are stopped."""
    root = shutil.copytree(finished_shop.root, tmp_path / "workspace")
    yield finished_shop._replace(root=root)
    stop_all(Workspace(root))


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
