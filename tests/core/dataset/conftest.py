"""Records written and imported in a line."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from core import dataset
from core.dataset import detection, row_formats
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


def parse(row, wanted="auto", *, content=True, **named):
    """Return the format of a row and its turns; `content`: the cells are looked at, too."""
    sample = {name: [cell] for name, cell in row.items()} if content else None
    reading = detection.detect(list(row), wanted, named, sample)
    parts = {p: row[c] for p, c in reading.parts.items() if p not in detection.BY_NAME}
    return reading.format, row_formats.ROW_FORMATS[reading.format].turns(parts)
