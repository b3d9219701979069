"""A selection of conversations, for the tests of exports."""

import pathlib

import pandas as pd
import pytest

from core import dataset, selection
from core.dataset.examples import content_fingerprint
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace
from tests.conftest import write

TURNS = ("messages", "sharegpt")
LINES = ("jsonl", "alpaca", *TURNS)


def talk(i: int) -> list[dict]:
    """A conversation: of one, two or three exchanges, some with a system turn or a tool's."""
    turns = [{"role": "system", "content": f"You are {i}."}] if i % 3 == 0 else []
    for k in range(1 + i % 3):
        turns.append({"role": "user", "content": f"question {i}.{k} \u2028 <|im_end|>"})
        if i % 5 == 0:
            turns.append({"role": "assistant", "content": "looks it up"})
            turns.append({"role": "tool", "content": f"[{i}]"})
        turns.append({"role": "assistant", "content": f"answer\n{i}.{k}"})
    return turns


def records(own: bool) -> list[dict]:
    out = []
    for i in range(60):
        row = {"messages": talk(i), "source": f"s{i % 4}", "answer": f"{i}" if i % 2 else None}
        out.append({"id": f"row {i}", **row} if own else row)
    return out


def load(root: pathlib.Path, rows: list[dict], **more) -> tuple[Workspace, str, str]:
    workspace = Workspace(root / "workspace")
    file = write(root / "talks.jsonl", rows)
    data = dataset.run(workspace, dataset.Settings(path=str(file), holdout="0", **more))
    chosen = selection.run(
        workspace, selection.Settings(parent=data, strategy="random", budget="40%")
    )
    return workspace, data, chosen


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    return load(tmp_path_factory.mktemp("talks"), records(own=True))


def chosen_rows(workspace: Workspace, selected: str) -> pd.DataFrame:
    """The examples selected, in the dataset's order."""
    artifact = workspace.open(selected)
    rows = pd.read_parquet(artifact.path / "table.parquet")["row"].sort_values()
    return dataset.examples(artifact.ancestor("dataset")).iloc[rows]


def subset_fingerprint(workspace: Workspace, selected: str) -> str:
    """The content fingerprint of a dataset that has the selected rows only."""
    import hashlib

    from core.workspace.files import canonical

    frame = chosen_rows(workspace, selected)
    digests = [hashlib.sha256(canonical(m).encode()).hexdigest() for m in frame["messages"]]
    answers = [a if isinstance(a, str) else None for a in frame["answer"]]
    return content_fingerprint(
        frame["id"].tolist(), digests.__getitem__, frame["source"].tolist(), answers
    )


def again(workspace: Workspace, out: pathlib.Path) -> Artifact:
    """Import what was exported."""
    made = dataset.run(workspace, dataset.Settings(path=str(out), holdout="0"))
    return workspace.open(made)
