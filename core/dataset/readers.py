"""Files, folders and hub datasets become rows: columns, and where each row stands.

A new file type is one function and one entry in READERS. What cannot be read as a row is skipped
with its place and a reason.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError
from core.workspace.files import regular

BOM = b"\xef\xbb\xbf"
SAVED = ("state.json", "dataset_dict.json")
"""Files by which a folder of the datasets library is known: of one split, of several."""
BESIDE = ("export.json", "dataset_info.json")
"""Files that an export writes beside its data."""
JSON = json.JSONDecoder(strict=False)  # not strict: raw control characters are kept


class SkippedRow(Exception):
    """A row that cannot be used; the message is the reason, in few words."""


@dataclasses.dataclass
class Rows:
    """A dataset as read, before any of it is understood."""

    columns: dict[str, list[Any] | pa.ChunkedArray]
    places: Sequence[int]
    """Where each row stands: 1-based line or 0-based index."""
    place: str
    """Which of the two: "line" or "index"."""
    skipped: list[dict[str, Any]]
    """Rows that cannot be used: place, reason, preview."""

    def values(self, column: str) -> list[Any]:
        cells = self.columns[column]
        return cells if isinstance(cells, list) else cells.to_pylist()

    def skip(self, number: int, reason: str, preview: str) -> None:
        shown = preview[:200].encode("utf-8", "backslashreplace").decode()[:200]
        self.skipped.append({self.place: number, "reason": reason, "preview": shown})


def read_file(path: pathlib.Path) -> Rows:
    """Read a file by its first bytes, else by its suffix.

    Raises:
        InputError: nothing in it can be read as rows.
    """
    with regular(path).open("rb") as f:
        head = f.read(1 << 16)
    for reader in READERS.values():
        if reader.magic and head.startswith(reader.magic):
            return reader.read(path)
    first = head.removeprefix(BOM).lstrip()[:1]
    if not first:
        raise InputError(f"{path} is empty; give a file with at least one row")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8 first")
    named = READERS.get(path.suffix.lower())
    if b"\0" in head or (named and named.magic):
        raise InputError(
            f"{path} is binary or broken; give a file that ends in {FILE_TYPES}, "
            "decompressed, its text in UTF-8"
        )
    if named is None and first not in b"[{":
        raise InputError(f"{path} is not JSON; name it .csv if its cells are comma-separated")
    return named.read(path) if named else _json(path)


def _json(path: pathlib.Path) -> Rows:
    content = path.read_bytes().removeprefix(BOM)
    try:
        value = JSON.decode(content.decode())
    except (ValueError, RecursionError) as e:
        if content.lstrip()[:1] == b"{" or path.suffix.lower() != ".json":
            return _lines(path)
        raise InputError(f"{path} is broken JSON ({e}); repair it or write one row a line") from e
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, list):
        raise InputError(f"{path} holds one JSON value, not a list of objects; put it in [ ]")
    return _records(path, Rows({}, [], "index", []), ((i, v, "") for i, v in enumerate(value)))


def _jsonl(path: pathlib.Path) -> Rows:
    with path.open("rb") as f:
        first = f.read(1 << 16).removeprefix(BOM).lstrip()[:1]
    return _json(path) if first == b"[" else _lines(path)


def _lines(path: pathlib.Path) -> Rows:
    rows = Rows({}, [], "line", [])

    def lines() -> Iterator[tuple[int, Any, str]]:
        with path.open("rb") as f:
            for number, raw in enumerate(f, 1):
                line = (raw.removeprefix(BOM) if number == 1 else raw).strip()
                try:
                    if line:
                        yield number, JSON.decode(line.decode()), ""
                except UnicodeDecodeError:
                    rows.skip(number, "not UTF-8", line[:800].decode(errors="replace"))
                except (ValueError, RecursionError):
                    yield number, None, line[:800].decode(errors="replace")

    return _records(path, rows, lines())


def _records(path: pathlib.Path, rows: Rows, values: Iterable[tuple[int, Any, str]]) -> Rows:
    records: list[dict[str, Any]] = []
    places = []
    names: dict[str, None] = {}
    for number, value, preview in values:
        if isinstance(value, dict):
            records.append(value)
            places.append(number)
            names.update(dict.fromkeys(value))
        else:
            reason = "malformed line" if rows.place == "line" else "not an object"
            rows.skip(number, reason, preview or json.dumps(value))
    if not records:
        seen = f"; the first one reads {rows.skipped[0]['preview'][:80]!r}" if rows.skipped else ""
        raise InputError(
            f"{path} has no row: of {len(rows.skipped):,} entries none is a JSON object{seen}; "
            "write one object a line, or one list of objects"
        )
    rows.columns = {name: [record.get(name) for record in records] for name in names}
    rows.places = places
    return rows


def _csv(path: pathlib.Path) -> Rows:
    csv.field_size_limit(sys.maxsize)
    rows = Rows({}, [], "line", [])
    records, places = [], []
    # surrogateescape: undecodable bytes become lone surrogates, skipped later as "not text"
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as f:
        first = f.readline()
        f.seek(0)
        reader = csv.reader(f, delimiter=max(",;\t", key=first.count))
        header = next(reader)
        if len(set(header)) < len(header):
            raise InputError(f"{path} names a column twice in {header!r:.300}; rename one of them")
        while True:
            number = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                break
            except csv.Error as e:
                rows.skip(number, "malformed line", str(e))
                continue
            if len(record) == len(header):
                records.append(record)
                places.append(number)
            elif record:
                rows.skip(number, "malformed line", ",".join(record))
    if not records:
        raise InputError(
            f"{path} has no row of {len(header)} cells below its header {header!r:.300}"
        )
    rows.columns = {name: [record[i] for record in records] for i, name in enumerate(header)}
    rows.places = places
    return rows


def _parquet(path: pathlib.Path) -> Rows:
    try:
        return _arrow(pq.ParquetFile(path).read(), str(path))
    except (pa.ArrowException, OSError) as e:
        raise InputError(f"{path} is a broken parquet file ({e}); write it again") from e


class Reader(NamedTuple):
    """How files of one type are read."""

    read: Callable[[pathlib.Path], Rows]
    magic: bytes = b""
    """First bytes, by which it is known whatever its name; empty for text."""


READERS = {
    ".jsonl": Reader(_jsonl),
    ".ndjson": Reader(_jsonl),
    ".json": Reader(_json),
    ".csv": Reader(_csv),
    ".tsv": Reader(_csv),
    ".parquet": Reader(_parquet, magic=b"PAR1"),
}
"""Suffix of a file -> how it is read."""
SUFFIXES = tuple(READERS)
FILE_TYPES = ", ".join(SUFFIXES[:-1]) + " or " + SUFFIXES[-1]


def data_in(path: pathlib.Path) -> pathlib.Path:
    """Return what is to be read of a path: the one data file of a folder, else the path itself.

    A folder of the datasets library (`save_to_disk`) is read whole.

    Raises:
        InputError: a folder has no data file, or several.
    """
    if not path.is_dir() or any((path / name).exists() for name in SAVED):
        return path
    found = sorted(
        p.name
        for p in path.iterdir()
        if p.suffix.lower() in SUFFIXES and p.name not in BESIDE and not p.name.startswith(".")
    )
    if not found:
        raise InputError(f"{path} has no data file ({', '.join(SUFFIXES)}); give one file")
    if len(found) > 1:
        named = ", ".join(found[:5])
        raise InputError(f"{path} has {len(found):,} data files: {named}; give one of them")
    return path / found[0]


def read(where: str, split: str) -> Rows:
    """Read a file, a folder of the datasets library or a hub dataset.

    Raises:
        InputError: it is missing or cannot be read as rows.
    """
    path = pathlib.Path(where)
    if path.is_dir():
        return _arrow(_from_disk(path, split), where)
    if not path.exists():
        return _arrow(_from_hub(where, split), where)
    return read_file(path)


def _from_disk(path: pathlib.Path, split: str) -> pa.Table:
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
        if isinstance(found, datasets.Dataset):
            return found.with_format("arrow")[:]
        if split in found:
            return found[split].with_format("arrow")[:]
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as e:
        seen = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(
            f"{path} cannot be read as a folder of the datasets library ({seen}); save it again"
        ) from e
    there = ", ".join(map(str, found))
    raise InputError(f"{path} has no split {split!r}; there are {there}: name one with --split")


def _from_hub(name: str, split: str) -> pa.Table:
    repository, _, configuration = name.partition(":")
    if (
        name.count("/") > 1
        or name.startswith((".", "~"))
        or repository.endswith((*SUFFIXES, ".txt", ".gz"))
    ):
        raise InputError(f"{name}: no such file; check the spelling")
    import datasets

    try:
        return datasets.load_dataset(repository, configuration or None, split=split).with_format(
            "arrow"
        )[:]
    except Exception as e:  # dozens of types, the hub client's own and its transport's
        seen = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(
            f"there is no file {name!r}, and no hub dataset of that name and split {split!r} could "
            f"be loaded ({seen}); check the spelling and the network, or give a file"
        ) from e


def _arrow(table: pa.Table, where: str) -> Rows:
    names = table.column_names
    if table.num_rows == 0:
        raise InputError(f"{where} has no row; give a file with at least one")
    if len(set(names)) < len(names):
        raise InputError(f"{where} names a column twice in {names!r:.300}; rename one of them")
    columns = dict(zip(names, table.columns, strict=True))
    return Rows(columns, range(table.num_rows), "index", [])
