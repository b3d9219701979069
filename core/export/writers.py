"""Files that trainers read: the selected rows in a format, a batch at a time.

A new format is one function and one entry in EXPORT_FORMATS. Rows come in the dataset's order. The
formats made of turns also hold each row's id, source and, where the data has one, answer: trainers
ignore them, and an import gives the same examples again.
"""

from __future__ import annotations

import functools
import json
import math
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset.artifact import EXAMPLES, DatasetSummary, examples_file
from core.errors import InputError
from core.export.own_columns import BATCH as BATCH
from core.export.own_columns import OwnColumns, records
from core.export.own_columns import tables as tables
from core.export.turn_formats import Example as Example
from core.export.turn_formats import alpaca, carried, for_trainer, messages, sharegpt
from core.model.conversation import conversations, stored_columns
from core.workspace.artifact import Artifact

Shape = Callable[[Example], dict[str, Any]]


def examples(artifact: Artifact) -> Iterator[Example]:
    """Yield the selected rows as turns, with all that they carry."""
    path = examples_file(artifact.ancestor("dataset"))
    stored = stored_columns(pq.read_schema(path).names)
    for table in tables(artifact, EXAMPLES, ["row", "id", "source", "answer", *stored]):
        facts = table.drop_columns(stored).to_pylist()
        for r, turns in zip(facts, conversations(table), strict=True):
            yield Example(r["row"], r["id"], r["source"], r["answer"] or "", turns)


def jsonl_lines(artifact: Artifact) -> Iterator[str]:
    """Yield the selected rows as lines of JSON; columns kept as JSON text are plain again."""
    return map(JsonLines().line, records(artifact))


class JsonLines:
    """Writes values as lines of JSON; what JSON has no number for (NaN, infinity) is null."""

    def __init__(self) -> None:
        self.odd = 0
        """Lines with such a number."""

    def line(self, value: Any) -> str:
        """Return a value as JSON and a line break."""
        try:
            text = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
        except ValueError:
            self.odd += 1
            text = json.dumps(_finite(value), ensure_ascii=False, default=str)
        return text + "\n"

    def notes(self) -> list[str]:
        """Say what was not written as it was."""
        odd = "have a number that JSON has not (NaN, infinity), written as null"
        return [f"{self.odd:,} rows {odd}"] if self.odd else []


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value


def _write_jsonl(path: pathlib.Path, artifact: Artifact) -> list[str]:
    out = JsonLines()
    _write_lines(path, map(out.line, records(artifact)))
    return out.notes()


def _write_turns(
    path: pathlib.Path, artifact: Artifact, shape: Shape, trained: bool = False
) -> list[str]:
    """Write a line a row, each with the same keys, as table readers want; return what was left."""
    dataset = artifact.ancestor("dataset")
    answered = "answer" in dataset.summary_as(DatasetSummary).get("columns", {})
    out = JsonLines()

    def lines() -> Iterator[str]:
        there = carried(examples(artifact))
        columns = [c for c in there.columns if shape is alpaca or c == "tools"]
        for example in examples(artifact):
            facts = {**shape(example), "id": example.id, "source": example.source}
            facts |= {"answer": example.answer} if answered else {}
            facts = for_trainer(facts, there.turn_keys) if trained else facts
            yield out.line(facts | {c: None for c in columns if c not in facts})

    _write_lines(path, lines())
    return out.notes()


def _write_parquet(path: pathlib.Path, artifact: Artifact) -> list[str]:
    table = OwnColumns(artifact)
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for part in table.parts():
            writer.write_table(part)
    return table.notes()


def _write_datasets(path: pathlib.Path, artifact: Artifact) -> list[str]:
    import datasets

    table = OwnColumns(artifact)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=path.parent) as place:
        stream = f"{place}/rows.arrow"  # what the library maps, and then copies in pieces
        with pa.OSFile(stream, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            for part in table.parts():
                writer.write_table(part)
        datasets.Dataset.from_file(stream).save_to_disk(path)
    return table.notes()


def _write_ids(path: pathlib.Path, artifact: Artifact) -> list[str]:
    def lines() -> Iterator[str]:
        for table in tables(artifact, EXAMPLES, ["id"]):
            for id in table["id"].to_pylist():
                if len(id.splitlines()) > 1:
                    raise InputError(f"the id {id!r} has a line break; use --format jsonl")
                yield id + "\n"

    _write_lines(path, lines())
    return []


def _write_lines(path: pathlib.Path, lines: Iterable[str]) -> None:
    # a lone surrogate, legal in JSON, is written as the escape it came as
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as f:
        f.writelines(lines)


class ExportFormat(NamedTuple):
    """A format: how it is written, and what a person is told of it."""

    write: Callable[..., list[str]]
    """(path, selection) -> what was left out, a sentence each; those for trainers also take
    `trained`."""
    file: str
    """Its name in a folder; "." where the folder itself is the data."""
    sentence: str


EXPORT_FORMATS = {
    "jsonl": ExportFormat(_write_jsonl, "data.jsonl", "JSON lines in the data's own columns."),
    "alpaca": ExportFormat(
        functools.partial(_write_turns, shape=alpaca),
        "data.jsonl",
        "JSON lines of instruction, input, output and system; one question and answer a row.",
    ),
    "messages": ExportFormat(
        functools.partial(_write_turns, shape=messages),
        "data.jsonl",
        "JSON lines of messages with role and content, all turns.",
    ),
    "sharegpt": ExportFormat(
        functools.partial(_write_turns, shape=sharegpt),
        "data.jsonl",
        "JSON lines of conversations with from and value, all turns.",
    ),
    "parquet": ExportFormat(
        _write_parquet, "data.parquet", "A parquet table of the data's own columns."
    ),
    "datasets": ExportFormat(
        _write_datasets, ".", "A folder for datasets.load_from_disk, in the data's own columns."
    ),
    "ids": ExportFormat(_write_ids, "ids.txt", "The ids alone, one a line."),
}
