"""Exports: the selected rows in the dataset's own columns, as a file any trainer reads."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import secrets
from collections.abc import Callable, Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.artifact import Artifact
from core.progress import say
from core.settings import check, setting
from core.store import Workspace

BATCH = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to write and where."""

    selection: str = setting(help="Selection id", hidden=True)
    format: str = setting("jsonl", help="File format", choices=("jsonl", "parquet"))
    out: str = setting(help="File to write; it must not exist yet")

    def __post_init__(self) -> None:
        check(self)


def run(workspace: Workspace, settings: Settings) -> str:
    """Write the file; return its path.

    Raises:
        ValueError: the file exists, or its folder does not.
    """
    artifact = workspace.open(settings.selection, "selection")
    out = pathlib.Path(settings.out).expanduser().absolute()
    if out.exists():
        raise ValueError(f"{out} exists; choose another --out")
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}; make it first")
    temp = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        WRITERS[settings.format](temp, workspace, artifact)
        temp.rename(out)
    finally:
        temp.unlink(missing_ok=True)
    rows = artifact.summary["rows"]
    say(f"{rows:,} rows in {out} (ids sha256 {artifact.summary['ids_sha256']})")
    return str(out)


def selected(workspace: Workspace, artifact: Artifact) -> Iterator[pa.Table]:
    """Yield the selected rows in the dataset's order and original columns, a part at a time."""
    dataset = workspace.ancestor(artifact, "dataset")
    rows = pd.read_parquet(artifact.path / "table.parquet", columns=["row"])["row"]
    wanted = set(rows.tolist())
    start = 0
    for batch in pq.ParquetFile(dataset.path / "original.parquet").iter_batches(BATCH):
        keep = [i for i in range(len(batch)) if start + i in wanted]
        start += len(batch)
        if keep:
            yield pa.Table.from_batches([batch]).take(keep)


def jsonl_lines(workspace: Workspace, artifact: Artifact) -> Iterator[str]:
    """Yield the selected rows as lines of JSON; columns kept as JSON text are plain again."""
    as_json = workspace.ancestor(artifact, "dataset").summary.get("json_columns", [])
    for table in selected(workspace, artifact):
        for record in table.to_pylist():
            for column in as_json:
                if record[column] is not None:
                    record[column] = json.loads(record[column])
            yield json.dumps(record, ensure_ascii=False, default=str) + "\n"


def _write_jsonl(path: pathlib.Path, workspace: Workspace, artifact: Artifact) -> None:
    # a lone surrogate, legal in JSON, is written as the escape it came as
    with path.open("w", encoding="utf-8", errors="backslashreplace") as f:
        f.writelines(jsonl_lines(workspace, artifact))


def _write_parquet(path: pathlib.Path, workspace: Workspace, artifact: Artifact) -> None:
    parts = selected(workspace, artifact)
    first = next(parts)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in parts:
            writer.write_table(table)


WRITERS: dict[str, Callable[[pathlib.Path, Workspace, Artifact], None]] = {
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
