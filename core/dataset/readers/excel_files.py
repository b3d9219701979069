"""Excel workbooks: the first sheet that is a table, by openpyxl in its read-only mode."""

from __future__ import annotations

import datetime
import itertools
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from core.dataset.readers.rows import BATCH_ROWS, Rows
from core.dataset.readers.sources import BROKEN, NO_HEADER, ReadOptions, Source, refuse_swollen
from core.errors import InputError

BEFORE_HEADER = 20
"""Rows among which the names of columns are looked for."""
TITLE_WORDS = 3
"""Words from which a cell alone in its row is a title, not the name of a column."""


def read_excel(source: Source, encoding: str, options: ReadOptions) -> Iterator[Rows]:
    """Yield the rows of a workbook's first table; the other sheets are named.

    Args:
        options: The sheet of the split's name is read where there is one.

    Raises:
        InputError: it is broken, or its sheet has no row.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    with source.on_disk() as path, path.open("rb") as f, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles that are not read
        try:
            with zipfile.ZipFile(path) as parts:
                n_bytes = sum(part.file_size for part in parts.infolist())
            refuse_swollen(source.path, n_bytes, path.stat().st_size)
            book = openpyxl.load_workbook(f, read_only=True, data_only=True)
            named = options.split in book.sheetnames
            sheet = book[options.split] if named else _first_table(book.worksheets)
            others = [name for name in book.sheetnames if name != sheet.title]
            read_as: dict[str, Any] = {"sheet": sheet.title}
            if others:
                read_as["other_sheets"] = others
            yield from _sheet(sheet, source, read_as, header=options.header)
            book.close()
        except (*BROKEN, InvalidFileException, KeyError, IndexError, ValueError, SyntaxError) as e:
            if isinstance(e, InputError):
                raise
            raise InputError(f"{source} is a broken workbook ({e!r:.200}); save it again") from e


def _first_table(sheets: Sequence[Any]) -> Any:
    """Return the first sheet with two columns and a row below them; the first one without any."""
    for sheet in sheets:
        cells = sheet.iter_rows(values_only=True)
        _, header = _header(cells)
        if sum(cell is not None for cell in header) > 1 and any(map(_filled, cells)):
            return sheet
    return sheets[0]


def _header(cells: Iterator[tuple[Any, ...]]) -> tuple[int, tuple[Any, ...]]:
    """Return the number of the row with the names of columns, and its cells.

    It is the first one with two cells, where titles of three words or more stand before it.
    """
    first: tuple[int, tuple[Any, ...]] = (1, ())
    for number, record in enumerate(itertools.islice(cells, BEFORE_HEADER), 1):
        n = sum(map(_filled, [(cell,) for cell in record]))
        if n > 1:
            return number, record
        if n and not first[1]:
            first = (number, record)
            title = next(str(cell) for cell in record if _filled((cell,)))
            if len(title.split()) < TITLE_WORDS:
                break
    return first


def _filled(record: tuple[Any, ...]) -> bool:
    return any(cell is not None and cell != "" for cell in record)


def _sheet(sheet: Any, source: Source, read_as: dict[str, Any], *, header: bool) -> Iterator[Rows]:
    at, first = _header(sheet.iter_rows(values_only=True))
    names = ["" if cell is None else str(cell).strip() for cell in first]
    if not header:
        names, at = [f"column {i}" for i in range(1, len(first) + 1)], at - 1
        read_as["header"] = NO_HEADER
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise InputError(f"{source} names a column twice in {named!r:.300}; rename one of them")
    if not named:
        raise InputError(f"{source} has no names of columns in its sheet {sheet.title!r}")
    if at > 1 and header:
        read_as["rows_before_the_header"] = at - 1
    records: list[tuple[Any, ...]] = []
    places: list[int] = []
    n_rows = 0
    for number, record in enumerate(sheet.iter_rows(min_row=at + 1, values_only=True), at + 1):
        if any(cell is not None for cell in record):
            records.append(record)
            places.append(number)
            n_rows += 1
        if len(records) == BATCH_ROWS:
            yield _batch(records, places, names, read_as)
            records, places = [], []
    if records:
        yield _batch(records, places, names, read_as)
    if not n_rows:
        raise InputError(f"{source} has no row below its header {named!r:.300}")


def _batch(
    records: list[tuple[Any, ...]], places: list[int], names: list[str], read_as: dict[str, Any]
) -> Rows:
    columns: dict[str, Any] = {}
    for i, name in enumerate(names):
        cells = [_value(record[i]) if i < len(record) else None for record in records]
        if name or any(cell is not None for cell in cells):
            columns[name or f"column {i + 1}"] = cells
    return Rows(columns, places, "line", [], read_as)


def _value(cell: Any) -> Any:
    """Return a cell as text, number, truth or None; dates as ISO text."""
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return cell if cell is None or isinstance(cell, str | int | float | bool) else str(cell)
