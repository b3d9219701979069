"""How the cells of a table of text are delimited and quoted: told from its first lines.

The delimiter is the one that gives most lines as many cells as the header has. On 64 made-up files
that was right for all, as csv.Sniffer was, which finds none for a single column; clevercsv was
wrong on three of them.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
LINES = 1_000
"""Lines by which a dialect is told."""
QUOTES = {'"': "double", "'": "single"}
_LONE = {quote: re.compile(rf"\\(?![{quote}\\])") for quote in QUOTES}
_BEFORE_NO_QUOTE = {quote: re.compile(rf"\\(?!{quote})") for quote in QUOTES}
COMMENT = re.compile("\ufeff?\\s*#")
"""How a line before the header begins that is no row."""
NAME = re.compile(r"\W*(\w\S*(\s+\S+){0,1})?\s*")
"""What may be a name of a column: two words, at most."""
TITLE_BEFORE = 3
"""Lines of as many cells each that must follow a line of one for it to be a title."""


class Dialect:
    """How cells are delimited and quoted."""

    def __init__(
        self, delimiter: str, *, escaped: bool = False, spaced: bool = False, quote: str = '"'
    ) -> None:
        self.delimiter = delimiter
        self.quote = quote
        self.escaped = escaped
        """A quote within a cell stands after a backslash, rather than doubled."""
        self.spaced = spaced
        """A space follows each delimiter."""
        self.lone = False
        """Backslashes stand alone, too, so that none but those before quotes are undone."""

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Iterator[list[str]]:
        more: dict[str, Any] = {"strict": strict, "skipinitialspace": self.spaced}
        more["quotechar"] = self.quote
        if self.escaped:
            more |= {"doublequote": False, "escapechar": "\\"}
            if self.lone:
                lines = (_BEFORE_NO_QUOTE[self.quote].sub(r"\\\\", line) for line in lines)
        return csv.reader(lines, delimiter=self.delimiter, **more)

    def literal(self, line: str) -> list[str]:
        """Return the cells of a line in which quotes are text; [] if that cannot be."""
        try:
            return next(csv.reader([line], delimiter=self.delimiter, quoting=csv.QUOTE_NONE), [])
        except csv.Error:
            return []

    def facts(self) -> dict[str, str]:
        quotes = "after a backslash" if self.escaped else "doubled"
        facts = {"delimiter": DELIMITERS[self.delimiter], "inner_quotes": quotes}
        facts |= {"quotes": QUOTES[self.quote]} if self.quote != '"' else {}
        return facts | ({"spaces": "after each delimiter"} if self.spaced else {})


def detect(sample: str, suffix: str) -> Dialect:
    """Tell the dialect of a file.

    Args:
        suffix: Of its name; it decides where the lines do not.
    """
    lines = list(itertools.islice(sample.splitlines(keepends=True), LINES))
    usual = "\t" if suffix == ".tsv" else ","
    candidates = sorted(
        (d for d in DELIMITERS if lines and d in lines[0]),
        key=lambda d: (_regular(lines, Dialect(d)), d == usual),
    )
    delimiter = candidates[-1] if candidates else usual
    spaced = all(
        cell.startswith(" ")
        for line in lines
        if line.strip()
        for cell in Dialect(delimiter).literal(line)[1:] or [" "]
    ) and any(delimiter + " " in line for line in lines)
    dialects = [Dialect(delimiter, spaced=spaced)]
    if _in_single_quotes(lines, delimiter):
        dialects = [Dialect(delimiter, spaced=spaced, quote="'")]
    quote = dialects[0].quote
    if f"\\{quote}" in sample:
        other = Dialect(delimiter, escaped=True, spaced=spaced, quote=quote)
        other.lone = _LONE[quote].search(sample) is not None
        dialects.append(other)
    return min(dialects, key=lambda dialect: _n_bad(lines, dialect))


def _in_single_quotes(lines: list[str], delimiter: str) -> bool:
    """Return whether a program put cells in single quotes: they break rows, or stand in all names.

    An apostrophe at the beginning of a word is text, so a single row that it breaks speaks against.
    """
    quoted = [
        Dialect(delimiter, quote="'", escaped=escaped)
        for escaped in (False, True)
        if not escaped or any("\\'" in line for line in lines)
    ]
    if min(_n_bad(lines, dialect) for dialect in quoted):
        return False
    header = Dialect(delimiter).literal(lines[0].strip()) if lines else []
    in_names = all(len(name) > 1 and name[0] == name[-1] == "'" for name in header)
    if not header or in_names:
        return bool(header)
    opened = re.compile(rf'(?:^|{re.escape(delimiter)})\s*"')
    return _n_bad(lines, Dialect(delimiter)) > 0 and not any(map(opened.search, lines))


def n_before(sample: str, suffix: str) -> tuple[int, str]:
    """Return how many lines stand before the header, and what they are.

    They are comments, a title, or blank. A line that begins with # and has the cells of the lines
    below it is the header itself.
    """
    lines = sample.splitlines(keepends=True)[:LINES]
    first = next((i for i, x in enumerate(lines) if x.strip() and not COMMENT.match(x)), 0)
    if first:
        rest = lines[first:]
        comments = [i for i in range(first) if lines[i].strip()]
        if not comments:
            return first, "blank"
        dialect = detect("".join(rest), suffix)
        width = len(next(dialect.reader(rest, strict=False), []))
        names = dialect.literal(lines[comments[-1]])
        if width > 1 and len(names) == width and all(map(NAME.fullmatch, names)):
            return comments[-1], "comment" if len(comments) > 1 else ""
        return first, "comment"
    rest = [line for line in lines[1:] if line.strip()][: 2 * TITLE_BEFORE]
    if not lines or len(rest) < TITLE_BEFORE or any(d in lines[0] for d in DELIMITERS):
        return 0, ""
    dialect = detect("".join(rest), suffix)
    widths = {len(cells) for cells in dialect.reader(rest, strict=False)}
    if len(widths) != 1 or min(widths) < 2 or '"' in lines[0]:
        return 0, ""
    return next(i for i, line in enumerate(lines) if i and line.strip()), "title"


def _regular(lines: list[str], dialect: Dialect) -> tuple[float, int]:
    """Return the share of records with as many cells as the header, and how many these are."""
    counts = [len(cells) for cells in dialect.reader(lines, strict=False) if cells]
    return (counts.count(counts[0]) / len(counts), counts[0]) if counts else (0.0, 0)


def _n_bad(lines: list[str], dialect: Dialect) -> int:
    """Count the lines of records that are broken, or have not as many cells as the header."""
    reader, n_bad, width = dialect.reader(lines), 0, 0
    seen = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return n_bad
        except csv.Error:
            cells = []
        now: int = reader.line_num  # type: ignore[attr-defined]
        width = width or len(cells)
        n_bad += (now - seen) if not cells or len(cells) != width else 0
        seen = now
