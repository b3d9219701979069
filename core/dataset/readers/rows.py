"""Rows: a dataset as read, before any of it is understood; a file is read as batches of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

BATCH_ROWS = 8_192
"""Rows read together, at most."""
BATCH_CHARS = 32 << 20
"""Characters after which a batch ends, whatever its rows; few rows are longer than a kilobyte."""

FILES_NAMED = 5
"""Files named in a sentence."""


class SkippedRow(Exception):
    """A row that cannot be used; the message is the reason, in few words."""


@dataclasses.dataclass
class Rows:
    """A dataset, or a batch of one, as read."""

    columns: dict[str, list[Any] | pa.ChunkedArray]
    places: Sequence[int]
    """Where each row stands: 1-based line or 0-based index."""
    place: str
    """Which of the two: "line" or "index"."""
    skipped: list[dict[str, Any]]
    """Rows that cannot be used: place, reason, preview; file where there are several."""
    read_as: dict[str, Any] = dataclasses.field(default_factory=dict)
    """How the bytes were taken: encoding, delimiter and what else was detected or left out."""
    file: str = ""
    """Which of several files the rows come from."""
    keys: Sequence[tuple[str, ...]] | None = None
    """The keys of each object in its own order; None where all have all the columns in order."""

    def values(self, column: str) -> list[Any]:
        """Return a column's cells; of `translation.de`, what stands under that key in each."""
        if column not in self.columns:
            inside = [c for c in self.columns if column.startswith(f"{c}.")]
            name = max(inside, key=len)
            path = column[len(name) + 1 :].split(".")
            return [_within(cell, path) for cell in self.values(name)]
        cells = self.columns[column]
        return cells if isinstance(cells, list) else cells.to_pylist()

    def skip(self, number: int, reason: str, preview: str) -> None:
        shown = preview[:200].encode("utf-8", "backslashreplace").decode()[:200]
        record = {self.place: number, "reason": reason, "preview": shown}
        self.skipped.append({"file": self.file, **record} if self.file else record)

    def first(self, n: int) -> Rows:
        """Return the first n rows."""
        columns = {name: cells[:n] for name, cells in self.columns.items()}
        keys = None if self.keys is None else self.keys[:n]
        return dataclasses.replace(self, columns=columns, places=self.places[:n], keys=keys)


def _within(cell: Any, path: Sequence[str]) -> Any:
    """Return what stands under keys and places in a cell; None where it has them not."""
    for key in path:
        if isinstance(cell, dict):
            cell = cell.get(key)
        elif isinstance(cell, list) and key.isdecimal() and int(key) < len(cell):
            cell = cell[int(key)]
        else:
            return None
    return cell


def joined(batches: Sequence[Rows]) -> Rows:
    """Return batches as one: the columns of any of them, missing cells as None."""
    if len(batches) == 1:
        return batches[0]
    names = list(dict.fromkeys(name for batch in batches for name in batch.columns))
    columns: dict[str, list[Any] | pa.ChunkedArray] = {}
    for name in names:
        parts = [batch.columns.get(name) for batch in batches]
        arrays = [part for part in parts if isinstance(part, pa.ChunkedArray)]
        if len(arrays) == len(parts) and len({array.type for array in arrays}) == 1:
            columns[name] = pa.chunked_array([c for array in arrays for c in array.chunks])
        else:
            columns[name] = [
                cell
                for batch in batches
                for cell in (
                    batch.values(name) if name in batch.columns else [None] * len(batch.places)
                )
            ]
    several = len({batch.file for batch in batches}) > 1
    n = sum(len(batch.places) for batch in batches)
    return Rows(
        columns,
        range(n) if several else [place for batch in batches for place in batch.places],
        "index" if several else batches[0].place,
        [record for batch in batches for record in batch.skipped],
        batches[0].read_as,
        keys=_keys(batches, tuple(names)),
    )


def _keys(batches: Sequence[Rows], names: tuple[str, ...]) -> list[tuple[str, ...]] | None:
    """Return the keys of each object of all batches, None where all have all the columns."""
    if all(batch.keys is None and (*batch.columns,) == names for batch in batches):
        return None
    return [
        keys
        for batch in batches
        for keys in (batch.keys or [(*batch.columns,)] * len(batch.places))
    ]


def merged(read_as: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return how several files were read: what differs among them with the files' names."""
    first = next(iter(read_as.values()))
    out = {}
    for key in dict.fromkeys(key for one in read_as.values() for key in one):
        values = {file: one[key] for file, one in read_as.items() if key in one}
        if len(values) == len(read_as) and all(v == first[key] for v in values.values()):
            out[key] = first[key]
            continue
        named = [f"{value} in {file}" for file, value in list(values.items())[:FILES_NAMED]]
        more = len(values) - len(named)
        out[key] = ", ".join(named) + (f" and others in {more:,} more" if more else "")
    return out


def described(read_as: dict[str, Any]) -> str:
    """Return in words how a file was read: what was detected in it, and what left out."""
    return "; ".join(
        f"{key.replace('_', ' ')} {', '.join(value) if isinstance(value, list) else value}"
        for key, value in read_as.items()
    )


class Records:
    """Objects gathered into batches."""

    def __init__(self, place: str, read_as: dict[str, Any]) -> None:
        self.place, self.read_as = place, read_as
        self.n_read = 0
        self.n_skipped = 0
        self.first_skipped = ""
        """What the first entry that is no object looks like."""
        self._start()

    def _start(self) -> None:
        self.batch = Rows({}, [], self.place, [], self.read_as)
        self.records: list[dict[str, Any]] = []
        self.places: list[int] = []
        self.chars = 0

    def skip(self, number: int, reason: str, preview: str) -> None:
        self.batch.skip(number, reason, preview)
        self.n_skipped += 1
        self.first_skipped = self.first_skipped or self.batch.skipped[-1]["preview"]

    def gather(self, values: Iterable[tuple[int, Any, int]]) -> Iterator[Rows]:
        """Yield batches of values, each with its place and its length in characters.

        A value that is no object is skipped; a list of objects is a conversation.
        """
        for number, value, length in values:
            if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
                value = {"messages": value}
            if not isinstance(value, dict):
                reason = "malformed line" if self.place == "line" else "not an object"
                self.skip(number, reason, json.dumps(value))
                continue
            self.records.append(value)
            self.places.append(number)
            self.chars += length
            if len(self.records) == BATCH_ROWS or self.chars > BATCH_CHARS:
                yield self._end()
        if self.records or self.batch.skipped:
            yield self._end()

    def _end(self) -> Rows:
        batch, records = self.batch, self.records
        shapes: dict[tuple[str, ...], tuple[str, ...]] = {}  # one tuple for equal ones
        keys = [shapes.setdefault(shape, shape) for shape in map(tuple, records)]
        names = dict.fromkeys(name for shape in shapes for name in shape)
        batch.columns = {name: [record.get(name) for record in records] for name in names}
        batch.keys = None if shapes.keys() <= {(*names,)} else keys
        batch.places = self.places
        self.n_read += len(records)
        self._start()
        return batch
