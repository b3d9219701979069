"""Files that trainers read: the selected rows in a format, a batch at a time.

A new format is one function and one entry in FORMATS. Rows come in the dataset's order. The formats
made of turns also hold each row's id, source and, where the data has one, answer: trainers ignore
them, and an import gives the same examples again.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset.row_formats import Turn
from core.errors import InputError
from core.workspace.artifact import Artifact

BATCH = 2_000
"""Rows in memory at once."""
SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


class Example(NamedTuple):
    """A selected row as it was understood."""

    row: int
    id: str
    source: str
    answer: str
    """Empty where there is none."""
    turns: list[Turn]


def tables(artifact: Artifact, file: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the selected rows of one of the dataset's files, a batch at a time."""
    dataset = artifact.ancestor("dataset")
    wanted = np.zeros(dataset.summary["rows"], bool)
    wanted[pd.read_parquet(artifact.path / "table.parquet", columns=["row"])["row"]] = True
    start = 0
    with pq.ParquetFile(dataset.path / file) as source:
        for batch in source.iter_batches(BATCH, columns=columns):
            keep = wanted[start : start + len(batch)]
            start += len(batch)
            if keep.any():
                yield pa.Table.from_batches([batch]).filter(pa.array(keep))


def examples(artifact: Artifact) -> Iterator[Example]:
    """Yield the selected rows as turns."""
    columns = ["row", "id", "source", "answer", "messages"]
    for table in tables(artifact, "examples.parquet", columns):
        for r in table.to_pylist():
            yield Example(r["row"], r["id"], r["source"], r["answer"] or "", r["messages"])


def jsonl_lines(artifact: Artifact) -> Iterator[str]:
    """Yield the selected rows as lines of JSON; columns kept as JSON text are plain again."""
    as_json = artifact.ancestor("dataset").summary.get("json_columns", [])
    for table in tables(artifact, "original.parquet"):
        for record in table.to_pylist():
            for column in as_json:
                if record[column] is not None:
                    record[column] = json.loads(record[column])
            yield json.dumps(record, ensure_ascii=False, default=str) + "\n"


def alpaca(example: Example) -> dict[str, Any]:
    """Return a question and its answer as instruction and output; a system turn has its own key.

    Raises:
        InputError: the row is not one question and one answer.
    """
    roles = [turn["role"] for turn in example.turns]
    first = roles.index("user") if "user" in roles else 0
    if roles[:first] not in ([], ["system"]) or roles[first:] != ["user", "assistant"]:
        raise InputError(
            f"row {example.row} has the turns {', '.join(roles)}; alpaca holds one question and "
            "one answer: use --format messages or sharegpt"
        )
    system, question, answer = ["", *(turn["content"] for turn in example.turns)][-3:]
    return {"instruction": question, "input": "", "output": answer, "system": system}


def messages(example: Example) -> dict[str, Any]:
    """Return the turns as OpenAI writes them."""
    return {"messages": example.turns}


def sharegpt(example: Example) -> dict[str, Any]:
    """Return the turns as ShareGPT writes them."""
    turns = [{"from": SHAREGPT[t["role"]], "value": t["content"]} for t in example.turns]
    return {"conversations": turns}


def _write_jsonl(path: pathlib.Path, artifact: Artifact) -> None:
    _write_lines(path, jsonl_lines(artifact))


def _write_turns(
    path: pathlib.Path,
    artifact: Artifact,
    shape: Callable[[Example], dict[str, Any]],
) -> None:
    answered = "answer" in artifact.ancestor("dataset").summary.get("columns", {})

    def line(example: Example) -> str:  # every line has the same keys, as table readers want
        facts = {**shape(example), "id": example.id, "source": example.source}
        facts |= {"answer": example.answer} if answered else {}
        return json.dumps(facts, ensure_ascii=False) + "\n"

    _write_lines(path, map(line, examples(artifact)))


def _write_alpaca(path: pathlib.Path, artifact: Artifact) -> None:
    _write_turns(path, artifact, alpaca)


def _write_messages(path: pathlib.Path, artifact: Artifact) -> None:
    _write_turns(path, artifact, messages)


def _write_sharegpt(path: pathlib.Path, artifact: Artifact) -> None:
    _write_turns(path, artifact, sharegpt)


def _write_parquet(path: pathlib.Path, artifact: Artifact) -> None:
    parts = tables(artifact, "original.parquet")
    first = next(parts)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in parts:
            writer.write_table(table)


def _write_datasets(path: pathlib.Path, artifact: Artifact) -> None:
    import datasets

    parts = tables(artifact, "original.parquet")
    first = next(parts)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=path.parent) as place:
        stream = f"{place}/rows.arrow"  # what the library maps, and then copies in pieces
        with pa.OSFile(stream, "wb") as sink, pa.ipc.new_stream(sink, first.schema) as writer:
            writer.write_table(first)
            for table in parts:
                writer.write_table(table)
        datasets.Dataset.from_file(stream).save_to_disk(path)


def _write_ids(path: pathlib.Path, artifact: Artifact) -> None:
    def lines() -> Iterator[str]:
        for table in tables(artifact, "examples.parquet", ["id"]):
            for id in table["id"].to_pylist():
                if len(id.splitlines()) > 1:
                    raise InputError(f"the id {id!r} has a line break; use --format jsonl")
                yield id + "\n"

    _write_lines(path, lines())


def _write_lines(path: pathlib.Path, lines: Iterable[str]) -> None:
    # a lone surrogate, legal in JSON, is written as the escape it came as
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as f:
        f.writelines(lines)


class Format(NamedTuple):
    """A format: how it is written, and what a person is told of it."""

    write: Callable[[pathlib.Path, Artifact], None]
    file: str
    """Its name in a folder; "." where the folder itself is the data."""
    sentence: str


FORMATS = {
    "jsonl": Format(_write_jsonl, "data.jsonl", "JSON lines in the data's own columns."),
    "alpaca": Format(
        _write_alpaca,
        "data.jsonl",
        "JSON lines of instruction, input, output and system; one question and answer a row.",
    ),
    "messages": Format(
        _write_messages, "data.jsonl", "JSON lines of messages with role and content, all turns."
    ),
    "sharegpt": Format(
        _write_sharegpt, "data.jsonl", "JSON lines of conversations with from and value, all turns."
    ),
    "parquet": Format(_write_parquet, "data.parquet", "A parquet table of the data's own columns."),
    "datasets": Format(
        _write_datasets, ".", "A folder for datasets.load_from_disk, in the data's own columns."
    ),
    "ids": Format(_write_ids, "ids.txt", "The ids alone, one a line."),
}
