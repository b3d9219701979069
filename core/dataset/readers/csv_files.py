"""Tables of text, record by record.

A quote that opens a cell and is never closed as it should be is text: it swallows no other line.
Where lines may be one cell or many rows, they are skipped and named, not guessed.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from typing import Any

from core.dataset.readers.csv_dialect import Dialect, detect, n_before
from core.dataset.readers.encodings import text_of, undecoded
from core.dataset.readers.rows import BATCH_CHARS, BATCH_ROWS, Rows
from core.dataset.readers.sources import NO_HEADER, ReadOptions, Source
from core.errors import InputError

SAMPLE = 1 << 18
"""Characters by which the dialect is told."""
FEW = 3
"""Lines of a cell that may all be rows by themselves, if other cells are surely quoted."""
LOOKED_AT = 50
"""Lines behind a stray quote that must be rows by themselves for its line to be one."""
SEPARATOR_LINE = re.compile("\ufeff?sep=.\r?\n", re.IGNORECASE)
"""A first line by which Excel knows the delimiter."""
LONG_NAME = 80
"""Characters above which a header's cell is hardly a name."""

SHOWN = 5
"""Lines named in a sentence."""


def named(lines: list[int]) -> str:
    """Name the first ones of some lines, and count them all."""
    first = ", ".join(f"{number:,}" for number in lines[:SHOWN])
    more = f" and {len(lines) - SHOWN:,} more" if len(lines) > SHOWN else ""
    return f"line{'s' if len(lines) > 1 else ''} {first}{more}"


class Lines:
    """Lines with their numbers; the last ones may be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.again: list[str] = []
        self.taken: list[str] = []
        """Since the last record began."""
        self.number = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else next(self.lines)
        self.taken.append(line)
        self.number += 1
        return line

    def give_back(self, keep: int) -> list[str]:
        """Give back the lines of a record but its first ones; return them."""
        back = self.taken[keep:]
        self.again += reversed(back)
        del self.taken[keep:]
        self.number -= len(back)
        return back


def read_csv(source: Source, encoding: str, options: ReadOptions) -> Iterator[Rows]:
    """Yield the rows of a table of text.

    Args:
        options: Whether its first row names the columns; a table is one split.

    Raises:
        InputError: it has no header, a name twice, or no row.
    """
    csv.field_size_limit(sys.maxsize)
    with text_of(source, encoding, "") as f:
        sample = f.read(SAMPLE)
    if len(sample) == SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    n_skipped, what = n_before(sample, source.suffix)
    if SEPARATOR_LINE.match(sample):
        n_skipped, what = 1, ""
    sample = "".join(sample.splitlines(keepends=True)[n_skipped:])
    dialect = detect(sample, source.suffix)
    read_as: dict[str, Any] = {"encoding": encoding, **dialect.facts()}
    if what:
        read_as[f"{what}_lines_before_the_header"] = n_skipped
    trial = _Table(source, dialect, {}, header=options.header)
    for _ in trial.records(Lines(iter(sample.splitlines(keepends=True)))):
        pass
    with text_of(source, encoding, "") as f:
        table = _Table(source, dialect, read_as, header=options.header)
        table.quoting = trial.quoting
        lines = Lines(iter(f))
        for _ in range(n_skipped):
            next(lines)
        yield from table.batches(lines)


class _Table:
    """Reads one table."""

    def __init__(
        self, source: Source, dialect: Dialect, read_as: dict[str, Any], *, header: bool
    ) -> None:
        self.source, self.dialect, self.read_as = source, dialect, read_as
        self.header = header
        """Whether the first row names the columns."""
        self.stray: list[int] = []
        """Lines whose quotes are text."""
        self.quoting = False
        """Whether some cell was surely quoted by a program."""
        self.suspect_to = 0
        """Line up to which an odd quote may close the stray one of an earlier line."""
        self.rows = Rows({}, [], "line", [], read_as)
        self.names: list[str] = []

    def batches(self, lines: Lines) -> Iterator[Rows]:
        records: list[list[str]] = []
        places: list[int] = []
        chars, n_rows = 0, 0
        for number, cells in self.records(lines):
            records.append(cells)
            places.append(number)
            chars += sum(map(len, cells))
            n_rows += 1
            if len(records) == BATCH_ROWS or chars > BATCH_CHARS:
                yield self._batch(records, places)
                records, places, chars = [], [], 0
        if records or self.rows.skipped:
            yield self._batch(records, places)
        if not n_rows:
            raise InputError(
                f"{self.source} has no row of {len(self.names)} cells below its header "
                f"{self.names!r:.300}"
            )

    def _batch(self, records: list[list[str]], places: list[int]) -> Rows:
        """Return a batch; a column without a name whose cells are all empty is left out."""
        batch = self.rows
        batch.places = places
        n_unnamed = self.names.count("")
        for i, name in enumerate(self.names):
            cells = [record[i] for record in records]
            if name or (n_unnamed == 1 and i == 0) or any(cells):
                batch.columns[name or (f"column {i + 1}" if i else "")] = cells
            else:
                self.read_as["empty_columns"] = n_unnamed
        self.rows = Rows({}, [], "line", [], self.read_as)
        return batch

    def records(self, lines: Lines) -> Iterator[tuple[int, list[str]]]:
        """Yield the records below the header, each with its line."""
        reader = self.dialect.reader(lines)
        try:
            first = next(reader)
        except (csv.Error, StopIteration) as e:
            raise InputError(f"{self.source} has no header: {e or 'it is empty'}") from e
        if self.header:
            self._header([name.strip() for name in first], lines.taken)
        else:
            self.names = [f"column {i}" for i in range(1, len(first) + 1)]
            self.read_as["header"] = NO_HEADER
            lines.give_back(keep=0)
            reader = self.dialect.reader(lines)
        width = len(self.names)
        while True:
            lines.taken.clear()
            number = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                cells = self._without_quotes(number, lines)
            else:
                if len(lines.taken) > 1 and width > 1 and self._unclear(number, lines.taken):
                    continue
                if number <= self.suspect_to and sum(map(self._n_quotes, lines.taken)) % 2:
                    self.rows.skip(number, "stray quote", lines.taken[0])
                    continue
            if any(cells[width:]) or len(cells) < width:
                if cells:
                    self.rows.skip(number, "malformed line", "".join(lines.taken))
                continue
            if not lines.taken[0].isascii() and any(map(undecoded, cells)):
                self.rows.skip(number, "not UTF-8", "".join(lines.taken))
                continue
            yield number, cells[:width]

    def _header(self, names: list[str], lines: list[str]) -> None:
        twice = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
        if twice:
            raise InputError(
                f"{self.source} names a column twice in {names!r:.300}; rename one of {twice!r:.99}"
            )
        self.names = names
        self.quoting |= any(map(self._n_quotes, lines))
        if any(len(name) > LONG_NAME or "\n" in name for name in names):
            self.read_as["header"] = "looks like a row, not like names"

    def _without_quotes(self, number: int, lines: Lines) -> list[str]:
        """Return the cells of a line whose quotes are broken, [] after skipping it.

        Its quotes are text if the lines behind it, which they would swallow, are rows themselves.
        """
        back = lines.give_back(keep=1)
        self.suspect_to = max(self.suspect_to, number + len(back))
        first = lines.taken[0]
        if all(map(self._is_row, [first, *back[:LOOKED_AT]])):
            self.stray.append(number)
            self.read_as["stray_quotes"] = f"kept as text in {named(self.stray)}"
            return self.dialect.literal(first)
        self.rows.skip(number, "stray quote", first)
        return []

    def _is_row(self, line: str) -> bool:
        """Return whether a line is a row: well quoted, or its quotes are text and close no cell."""
        quote = self.dialect.quote
        if self._n_quotes(line) % 2 == 0 and self._n_cells(line) == len(self.names):
            return True
        cells = self.dialect.literal(line)
        return not cells or (
            len(cells) == len(self.names)
            and not any(
                (self._n_quotes(cell) % 2 and not cell.startswith(quote))
                or (len(cell) > 1 and cell[0] == cell[-1] == quote)
                for cell in cells
            )
        )

    def _n_quotes(self, text: str) -> int:
        return text.count(self.dialect.quote)

    def _n_cells(self, line: str) -> int:
        try:
            return len(next(self.dialect.reader([line]), []))
        except csv.Error:
            return 0

    def _unclear(self, number: int, lines: list[str]) -> bool:
        """Skip lines that may be one record or a row each; return whether they were."""
        width = len(self.names)
        if any(len(self.dialect.literal(line)) != width for line in lines):
            self.quoting = True
        elif len(lines) > FEW or not self.quoting:
            for i, line in enumerate(lines):
                self.rows.skip(number + i, "quotes may join lines or not", line)
            return True
        longest = max(len(lines), self.read_as.get("longest_cell_lines", 0))
        self.read_as["longest_cell_lines"] = longest
        return False
