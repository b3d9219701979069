"""The data's own columns, as they came: row by row, or as a table.

A column that arrow has no type for is stored as JSON text (`core.dataset.examples.as_original`).
Rows get their values back; a table gets conversations back as lists of structs, which trainers
read, and keeps the rest as text.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset.artifact import KEYS, ORIGINAL, DatasetSummary, original_file
from core.dataset.chat_cells import SPEAKERS
from core.selection.artifact import load_rows
from core.workspace.artifact import Artifact

BATCH = 2_000
"""Rows in memory at once."""


def tables(artifact: Artifact, file: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the selected rows of one of the dataset's files, a batch at a time."""
    dataset = artifact.ancestor("dataset")
    selected = np.zeros(dataset.summary_as(DatasetSummary)["rows"], bool)
    selected[load_rows(artifact)] = True
    start = 0
    with pq.ParquetFile(dataset.path / file) as source:
        for batch in source.iter_batches(BATCH, columns=columns):
            keep = selected[start : start + len(batch)]
            start += len(batch)
            if keep.any():
                yield pa.Table.from_batches([batch]).filter(pa.array(keep))


def records(artifact: Artifact) -> Iterator[dict[str, Any]]:
    """Yield the selected rows in the data's own columns: their values, and their keys in order."""
    dataset = artifact.ancestor("dataset")
    kept = dataset.summary_as(DatasetSummary).get("json_columns", [])
    keys = _keys(artifact) if (dataset.path / KEYS).exists() else itertools.repeat(None)
    for table in tables(artifact, ORIGINAL):
        for record, own in zip(table.to_pylist(), keys, strict=False):
            for column in kept:
                if record[column] is not None:
                    record[column] = json.loads(record[column])
            yield record if own is None else {key: record[key] for key in own}


def _keys(artifact: Artifact) -> Iterator[list[str] | None]:
    """Yield the keys that each selected row had where it came from."""
    for table in tables(artifact, KEYS):
        yield from map(json.loads, table["keys"].to_pylist())


class OwnColumns:
    """The selected rows in the data's own columns, as a table that is read a part at a time."""

    def __init__(self, artifact: Artifact) -> None:
        dataset = artifact.ancestor("dataset")
        self.artifact = artifact
        schema = pq.read_schema(original_file(dataset))
        self.texts = dataset.summary_as(DatasetSummary).get("json_columns", [])
        """Columns that are JSON text."""
        self.types = {name: arrow for name in self.texts if (arrow := self._type_of(name))}
        """Columns that are lists of structs again."""
        for name, kind in self.types.items():
            schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
        self.schema = schema

    def parts(self) -> Iterator[pa.Table]:
        """Yield the rows, a batch at a time."""
        for table in tables(self.artifact, ORIGINAL):
            for name, kind in self.types.items():
                at = table.schema.get_field_index(name)
                cells = pa.array(map(_turns, table[name].to_pylist()), kind)
                table = table.set_column(at, pa.field(name, kind), cells)
            yield table

    def notes(self) -> list[str]:
        """Say which columns are not as they came."""
        left = [name for name in self.texts if name not in self.types]
        filled = "keys that only some turns have are null in the others"
        out = [f"the column {name} holds structs: {filled}" for name in self.types]
        return out + [
            f"the column {name} is JSON text, as its rows differ in kind" for name in left
        ]

    def _type_of(self, name: str) -> pa.DataType | None:
        """Return the type of a column of conversations, None for others and where there is none."""
        schema = pa.schema([pa.field(name, pa.null())])
        try:
            for table in tables(self.artifact, ORIGINAL, [name]):
                cells = [_turns(text) for text in table[name].to_pylist()]
                if not all(cell is None or _is_talk(cell) for cell in cells):
                    return None
                part = pa.schema([pa.field(name, pa.infer_type(cells))])
                schema = pa.unify_schemas([schema, part], promote_options="permissive")
            kind = schema.field(name).type
            for table in tables(self.artifact, ORIGINAL, [name]):  # all must fit
                pa.array(map(_turns, table[name].to_pylist()), kind)
        except (pa.ArrowException, UnicodeError, OverflowError):
            return None
        return None if pa.types.is_null(kind) else kind


def _is_talk(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(t, dict) and {*SPEAKERS} & {*t} for t in cell)


def _turns(text: str | None) -> Any:
    """Return the turns in a JSON text, the arguments of their calls as JSON text.

    As structs, calls of unlike tools would get each other's arguments, as null.
    """
    turns = None if text is None else json.loads(text)
    if not isinstance(turns, list):
        return turns
    for turn in turns:
        calls = turn.get("tool_calls") if isinstance(turn, dict) else None
        for call in calls if isinstance(calls, list) else []:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), dict | list):
                function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)
    return turns
