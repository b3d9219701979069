"""What is read, by the end of a file's name or its first bytes: the one table of file types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from core.dataset.readers.arrow_files import read_parquet
from core.dataset.readers.csv_files import read_csv
from core.dataset.readers.encodings import encoding_of, text_of
from core.dataset.readers.excel_files import read_excel
from core.dataset.readers.json_files import JSON, read_json
from core.dataset.readers.rows import Rows
from core.dataset.readers.sources import COMPRESSIONS, ReadOptions, Source
from core.errors import InputError

LOOK = 1 << 16
"""Characters of its beginning by which a file's content is known."""


class Reader(NamedTuple):
    """How files of one type are read."""

    read: Callable[[Source, str, ReadOptions], Iterator[Rows]]
    """From the file, its encoding, and what is wanted of it."""
    magic: bytes = b""
    """First bytes, by which it is known whatever its name; empty for text."""
    damaged: float = 0.5
    """Share of odd lines that is still damage: programs that write JSON write UTF-8."""


READERS = {
    ".jsonl": Reader(read_json),
    ".ndjson": Reader(read_json),
    ".json": Reader(read_json),
    ".csv": Reader(read_csv, damaged=0.0),
    ".tsv": Reader(read_csv, damaged=0.0),
    ".parquet": Reader(read_parquet, magic=b"PAR1"),
    ".xlsx": Reader(read_excel, magic=b"PK\3\4"),
}
"""Suffix of a file -> how it is read."""
FILE_TYPES = ", ".join(list(READERS)[:-1]) + " or " + list(READERS)[-1]
SUFFIXES = (*READERS, *COMPRESSIONS, ".zip")
"""Ends of names of all files that can be read."""

UNREAD = (
    (257, b"ustar", "a tar archive; unpack it and give the data file or folder in it"),
    (0, b"7z\xbc\xaf", "a 7z archive; unpack it and give the data file or folder in it"),
    (0, b"Rar!", "a rar archive; unpack it and give the data file or folder in it"),
    (0, b"ARROW1", "an Arrow or Feather file; write its table as .parquet"),
    (0, b"SQLite format 3", "an SQLite database; write the table that you want as .csv"),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel file; save it as .xlsx"),
    (0, b"%PDF", "a PDF, which has no rows; give a table or JSON"),
)
"""Place and first bytes of what is not read, and what to do with it."""


def read_source(source: Source, options: ReadOptions) -> Iterator[Rows]:
    """Yield the rows of a data file, known by its first bytes, else by its name.

    Raises:
        InputError: nothing in it can be read as rows.
    """
    with source.open() as f:
        first = f.read(512)
    if not first.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{source} is empty; give a file with at least one row")
    for reader in READERS.values():
        if reader.magic and first.startswith(reader.magic):
            yield from reader.read(source, "", options)
            return
    for place, magic, what in UNREAD:
        if first[place : place + len(magic)] == magic:
            raise InputError(f"{source} is {what}")
    named = READERS.get(source.suffix)
    damaged = named.damaged if named else 0.5
    encoding = ""
    if not (named and named.magic):
        encoding = encoding_of(source, whole=not options.some, damaged=damaged)
    if not encoding:
        raise InputError(
            f"{source} is binary or broken; give a file that ends in {FILE_TYPES}, its text in "
            "UTF-8"
        )
    with text_of(source, encoding, "\n") as text:
        begin = text.read(LOOK).lstrip("\ufeff \t\r\n")
    if named is None and begin[:1] not in ("[", "{"):
        raise InputError(f"{source} is not JSON; name it .csv if its cells are comma-separated")
    is_json = named is None or (begin[:1] == "{" and _is_object(begin))
    yield from (READERS[".json"] if is_json or named is None else named).read(
        source, encoding, options
    )


def _is_object(text: str) -> bool:
    """Return whether the first line is an object, whatever the file is called."""
    try:
        return isinstance(JSON.decode(text.split("\n", 1)[0]), dict)
    except (json.JSONDecodeError, RecursionError):
        return False
