"""Examples and the input's own columns as arrow tables, a batch at a time.

A batch is kept in a temporary file until ids and sides are known, which need all rows; the columns
of batches that arrow reads as unlike types are put right then.
"""

from __future__ import annotations

import functools
import itertools
import json
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.arrays import Bools
from core.dataset.examples import Examples, prompt_and_response
from core.dataset.readers import Rows
from core.model.conversation import split_extras

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
ROW_GROUP = 2_048
"""Rows stored together; few, so that a page is read without the rest of its file."""
DEEPEST = 30
"""Lists and objects within each other above which a column is stored as JSON text."""


class Spool:
    """Tables kept in a temporary file, to be read again in their order, each of its own schema."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.n = 0

    def append(self, table: pa.Table) -> None:
        with pa.ipc.new_stream(self.file, table.schema) as stream:
            stream.write_table(table)
        self.n += 1

    def __iter__(self) -> Iterator[pa.Table]:
        self.file.seek(0)
        source = pa.PythonFile(self.file, "r")
        for _ in range(self.n):
            with pa.ipc.open_stream(source) as stream:
                yield stream.read_all()

    def close(self) -> None:
        self.file.close()


def as_table(examples: Examples) -> pa.Table:
    """Return what of the columns of examples.parquet a batch says by itself.

    `position` counts the well-formed rows of the input, kept or not: losses that somebody recorded
    elsewhere come in that order.
    """
    talks = examples.messages
    extras: list[str | None] = [None] * len(examples.at)
    if any(len(turn) > 2 for turns in talks for turn in turns):
        kept = [split_extras(turns) for turns in talks]
        talks, extras = [plain for plain, _ in kept], [more for _, more in kept]
    turns = [turn for talk in talks for turn in talk]
    roles = pa.array([turn["role"] for turn in turns], pa.string())
    contents = pa.array([turn["content"] for turn in turns], pa.large_string())
    said = pa.StructArray.from_arrays([roles, contents], fields=list(MESSAGES.value_type))
    offsets = np.cumsum([0, *map(len, talks)]).astype(np.int32)
    prompts, responses = _prompts_and_responses(examples, roles, contents)
    return pa.table(
        {
            "position": pa.array(examples.at, pa.int64()),
            "source": pa.array(examples.sources, pa.string()),
            "messages": pa.ListArray.from_arrays(pa.array(offsets), said),
            "extras": pa.array(extras, pa.large_string()),
            "prompt": prompts,
            "response": responses,
            "answer": pa.array(examples.answers, pa.large_string()),
        }
    )


def _prompts_and_responses(
    examples: Examples, roles: pa.Array, contents: pa.Array
) -> tuple[pa.Array, pa.Array]:
    """Return what `prompt_and_response` says of every row, of plain pairs without new texts."""
    n = len(examples.at)
    if all(len(turns) == 2 and len(turns[0]) == len(turns[1]) == 2 for turns in examples.messages):
        encoded = roles.dictionary_encode()
        replies = encoded.dictionary.index("assistant").as_py()
        if (encoded.indices.to_numpy()[1::2] == replies).all():
            places = np.arange(0, 2 * n, 2)
            return contents.take(pa.array(places)), contents.take(pa.array(places + 1))
    both = [prompt_and_response(turns) for turns in examples.messages]
    return (
        pa.array([prompt for prompt, _ in both], pa.large_string()),
        pa.array([response for _, response in both], pa.large_string()),
    )


def finished(
    table: pa.Table, start: int, ids: Sequence[str], held: Bools, *, extras: bool
) -> pa.Table:
    """Return a batch with all columns of examples.parquet.

    `extras` is there only where some turn has more than role and content (core.model.conversation).

    Args:
        table: As `as_table` has it.
        start: Number of its first row.
        held: Which of them are held out.
        extras: Whether some row of any batch has extras.
    """
    n = len(table)
    sides = np.array(["pool", "holdout"], object)[held.astype(int)]
    columns = {
        "row": pa.array(np.arange(start, start + n), pa.int64()),
        "position": table["position"],
        "id": pa.array(ids, pa.string()),
        "source": table["source"],
        "messages": table["messages"],
        **({"extras": table["extras"]} if extras else {}),
        **{name: table[name] for name in ("prompt", "response", "answer")},
        "split": pa.array(sides.tolist(), pa.string()),
    }
    return pa.table(columns)


def write(tables: Iterable[pa.Table], path: pathlib.Path) -> None:
    """Write tables of one schema as one file, in groups of ROW_GROUP rows."""
    writer: pq.ParquetWriter | None = None
    try:
        rest: pa.Table | None = None
        for table in tables:
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            rest = table if rest is None or not len(rest) else pa.concat_tables([rest, table])
            if whole := len(rest) - len(rest) % ROW_GROUP:
                writer.write_table(rest.slice(0, whole), ROW_GROUP)
                rest = rest.slice(whole)
        if writer and rest is not None and len(rest):
            writer.write_table(rest, ROW_GROUP)
    finally:
        if writer:
            writer.close()


class Original:
    """The input's own columns of the rows that are kept."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.columns: list[dict[str, str]] = []
        """Batch -> column -> whether it is "arrow"'s own, "typed" from values, or "json"."""
        self.types: dict[str, list[pa.DataType]] = {}
        """Column -> the types of its batches, of those that have it."""

    def add(self, rows: Rows, at: list[int]) -> None:
        """Keep some rows of a batch."""
        keep = np.zeros(len(rows.places), bool)
        keep[at] = True
        columns, kinds = {}, {}
        for name, cells in rows.columns.items():
            if isinstance(cells, pa.ChunkedArray):
                columns[name], kinds[name] = cells.filter(pa.array(keep)), "arrow"
            else:
                values = cells if len(at) == len(cells) else [cells[i] for i in at]
                stored = typed(values)
                kinds[name] = "json" if stored is None else "typed"
                columns[name] = as_json(values) if stored is None else stored
            self.types.setdefault(name, []).append(columns[name].type)
        self.columns.append(kinds)
        self.spool.append(pa.table(columns) if columns else pa.table({"": pa.nulls(len(at))}))

    def write(self, names: Sequence[str], path: pathlib.Path) -> list[str]:
        """Write original.parquet; return the columns that became JSON text.

        A column does when arrow has no type that gives back its very values: mixed types, lone
        surrogates, numbers above 64 bits, dictionaries that differ in their keys or in their order.
        """
        types = {name: self._type(name) for name in names}
        gathered = {name: self._gathered(name) for name, kind in types.items() if kind == "values"}
        values_of = {name: cells for name, cells in gathered.items() if cells is not None}
        as_text = [n for n in names if types[n] == "json" or (n in gathered and not gathered[n])]
        schema: dict[str, pa.DataType] = {name: pa.large_string() for name in as_text}
        for name, kind in types.items():
            if isinstance(kind, pa.DataType):
                schema[name] = kind
            elif name not in schema:
                schema[name] = values_of[name].type
        order = pa.schema([(name, schema[name]) for name in names])

        def tables() -> Iterator[pa.Table]:
            start = 0
            for table, kinds in zip(self.spool, self.columns, strict=True):
                columns = {}
                for name in names:
                    column = table[name] if name in kinds else pa.nulls(len(table))
                    if name in as_text:
                        json_already = kinds.get(name) == "json"
                        cells = column if json_already else as_json(column.to_pylist())
                    elif name in values_of:
                        cells = values_of[name].slice(start, len(table))
                    else:
                        cells = _cast(column, schema[name])
                    columns[name] = cells
                start += len(table)
                yield pa.table(columns, schema=order)

        write(tables(), path)
        return as_text

    def _type(self, name: str) -> pa.DataType | str:
        """Return a column's type over all batches; "json" for JSON text.

        "values" says that only all values together can tell.
        """
        kinds = {batch.get(name, "missing") for batch in self.columns}
        types = self.types[name]
        if "json" in kinds:
            return "json"
        if kinds == {"arrow"}:
            return types[0] if all(kind == types[0] for kind in types) else "values"
        return "values" if "arrow" in kinds else functools.reduce(_merged, types)

    def _gathered(self, name: str) -> pa.Array | None:
        values: list[Any] = []
        for table, kinds in zip(self.spool, self.columns, strict=True):
            values += table[name].to_pylist() if name in kinds else [None] * len(table)
        return typed(values)


def _merged(one: pa.DataType | str, other: pa.DataType | str) -> pa.DataType | str:
    """Return the type of values of two types together, as if they had been read at once."""
    if isinstance(one, str) or isinstance(other, str):
        return "json"
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        inner = _merged(one.value_type, other.value_type)
        return inner if isinstance(inner, str) else pa.list_(inner)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        if [f.name for f in one] != [f.name for f in other]:
            return "json"
        parts = {f.name: _merged(f.type, g.type) for f, g in zip(one, other, strict=True)}
        if any(isinstance(kind, str) for kind in parts.values()):
            return "json"
        return pa.struct(list(parts.items()))
    return "json"


def _cast(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> Any:
    if column.type == kind:
        return column
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), kind)
    return pa.array(column.to_pylist(), kind)


def as_json(values: list[Any]) -> pa.Array:
    """Return values as JSON text."""
    return pa.array([None if v is None else json.dumps(v) for v in values], pa.large_string())


def typed(values: list[Any]) -> pa.Array | None:
    """Return values as an array that gives them back, None where arrow has no such type."""
    kinds = {type(v) for v in values} - {type(None)}
    if len(kinds) > 1:
        return None
    try:
        array = pa.array(values, pa.large_string() if kinds == {str} else None)
    except (pa.ArrowException, UnicodeError, OverflowError):
        return None
    if kinds & {dict, list} and (
        "struct<>" in str(array.type)
        or _depth(array.type) > DEEPEST
        or json.dumps(array.to_pylist()) != json.dumps(values)
    ):
        return None
    return array


def _depth(kind: pa.DataType) -> int:
    """Return how many lists and objects of a type stand within each other."""
    depths = itertools.accumulate({"<": 1, ">": -1}.get(c, 0) for c in str(kind))
    return max(depths, default=0)
