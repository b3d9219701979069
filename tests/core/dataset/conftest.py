"""Records written and imported in a line."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from core import dataset
from core.workspace.store import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "ws")


@pytest.fixture
def load(workspace, tmp_path):
    """Write rows (or raw bytes) to a file, import it, open the artifact."""

    def write(content, name="data.jsonl", **settings):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content))
        return workspace.open(
            dataset.run(workspace, dataset.Settings(path=str(path), **settings)), "dataset"
        )

    return write


def rows(n, **more):
    return [{"prompt": f"question {i}?", "completion": f"answer {i}", **more} for i in range(n)]


def aside(artifact):
    return [json.loads(s) for s in (artifact.path / "set_aside.jsonl").read_text().splitlines()]


def original(artifact):
    frame = pq.read_table(artifact.path / "original.parquet").to_pylist()
    for row in frame:
        for name in artifact.summary["json_columns"]:
            row[name] = None if row[name] is None else json.loads(row[name])
    return frame
