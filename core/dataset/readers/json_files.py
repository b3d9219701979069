"""JSON: one object a line, a list of objects, or one object that holds lists or columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, TextIO

from core.dataset.readers.encodings import text_of, undecoded
from core.dataset.readers.json_shapes import rows_within
from core.dataset.readers.rows import Records, Rows
from core.dataset.readers.sources import ReadOptions, Source
from core.errors import InputError

JSON = json.JSONDecoder(strict=False)  # not strict: raw control characters are kept
CHUNK = 1 << 20
LONG_LINE = 16 << 20
"""Characters of a first line above which a file is taken for one value, not for lines."""
SEEN_FROM = 64 << 20
"""Bytes from which the beginning of a file is shown before all of it is decoded."""


def read_json(source: Source, encoding: str, options: ReadOptions) -> Iterator[Rows]:
    """Yield the rows of a JSON file.

    Args:
        options: Its split, where the file holds several.

    Raises:
        InputError: it holds no row.
    """
    read_as: dict[str, Any] = {"encoding": encoding}
    with text_of(source, encoding, "\n") as f:
        first = _first_line(f)
        second = _first_line(f) if len(first) < LONG_LINE else ""
    if not first.strip():
        raise InputError(f"{source} is empty; give a file with at least one row")
    opens, alone = first.lstrip()[0], _decoded(first)
    # a list on each line is a conversation on each line; a list on several lines is the file
    if alone is not None:
        lines = bool(second and second[0] != "]") or (opens == "{" and source.suffix != ".json")
    else:
        lines = opens not in "[{" or (opens == "{" and not _goes_on(first, second))
    if lines:
        records = Records("line", read_as)
        yield from records.gather(_lines(source, encoding, records))
    elif opens == "[":
        records = Records("index", read_as)
        yield from _list(source, encoding, records)
    else:
        records = Records("index", read_as)
        yield from _objects(source, encoding, records, options)
    if not records.n_read:
        seen = f"; the first one reads {records.first_skipped[:80]!r}" if records.n_skipped else ""
        raise InputError(
            f"{source} has no row: of {records.n_skipped:,} entries none is a JSON object{seen}; "
            "write one object a line, or one list of objects"
        )


def _first_line(f: TextIO) -> str:
    """Return the next line with something on it, cut at LONG_LINE; "" at the end."""
    while line := f.readline(LONG_LINE):
        if line.removeprefix("\ufeff").strip():
            return line
    return ""


def _decoded(line: str) -> Any:
    """Return a line's value, None if it is none; a comma at its end is left out."""
    try:
        return JSON.decode(line.strip().rstrip(","))
    except (ValueError, RecursionError):
        return None


def _goes_on(first: str, second: str) -> bool:
    """Return whether a first line begins a value that goes on, or has a second one behind it."""
    line = first.strip()
    try:
        JSON.raw_decode(line)
    except json.JSONDecodeError as e:
        torn = e.msg.startswith("Unterminated") and bool(second)
        return not torn and (e.pos >= len(line) - 1 or len(line) >= LONG_LINE - 16)
    except RecursionError:
        return False
    return True


def _lines(source: Source, encoding: str, records: Records) -> Iterator[tuple[int, Any, int]]:
    with text_of(source, encoding, "\n") as f:
        for number, raw in enumerate(f, 1):
            line = raw.strip()
            if not line:
                continue
            try:
                value = JSON.decode(line)
            except (ValueError, RecursionError):
                value = _decoded(line)
            if not isinstance(value, dict | list):
                wrong = not line.isascii() and any("\udc80" <= c <= "\udcff" for c in line)
                records.skip(number, "not UTF-8" if wrong else "malformed line", line[:800])
            elif not line.isascii() and undecoded(line):
                records.skip(number, "not UTF-8", line[:800])
            else:
                yield number, value, len(line)


class Text:
    """The text of a file with a place in it, from which values are decoded one by one."""

    def __init__(self, source: Source, encoding: str, f: TextIO) -> None:
        self.source, self.encoding, self.f = source, encoding, f
        self.text, self.at, self.lines, self.ended = "", 0, 0, False

    def more(self) -> None:
        """Read on; what was decoded is dropped, and at least as much is read as is left."""
        self.lines += self.text.count("\n", 0, self.at)
        left = self.text[self.at :]
        new = self.f.read(max(CHUNK, len(left)))
        self.text, self.at, self.ended = left + new, 0, not new

    def peek(self) -> str:
        """Return the next character that is no space, "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\r\n\ufeff":
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def skip(self, characters: str) -> None:
        """Go past a character.

        Raises:
            InputError: it does not stand here.
        """
        if self.peek() != characters:
            raise self.broken(f"{characters!r} expected", self.at)
        self.at += 1

    def value(self) -> tuple[Any, int]:
        """Return the next value and its length.

        Raises:
            InputError: the text is broken here.
        """
        self.peek()
        while True:
            try:
                value, end = JSON.raw_decode(self.text, self.at)
            except RecursionError as e:
                raise self.broken("nested too deeply", self.at) from e
            except json.JSONDecodeError as e:
                cut = e.msg.startswith("Unterminated") or e.pos >= len(self.text) - 16
                if self.ended or not cut:
                    raise self.broken(e.msg, e.pos) from e
            else:
                if end < len(self.text) or self.ended:
                    length, self.at = end - self.at, end
                    return value, length
            self.more()

    def items(self) -> Iterator[tuple[Any, int]]:
        """Yield the values of a list; a comma after the last is passed over."""
        self.skip("[")
        while self.peek() != "]":
            yield self.value()
            if self.peek() != "]":
                self.skip(",")
        self.skip("]")

    def broken(self, what: str, at: int) -> InputError:
        line = self.lines + self.text.count("\n", 0, at) + 1
        return InputError(
            f"{self.source} is broken JSON ({what}: line {line:,}); repair it or write one row a "
            "line"
        )


def _list(source: Source, encoding: str, records: Records) -> Iterator[Rows]:
    with text_of(source, encoding, "\n") as f:
        text = Text(source, encoding, f)
        yield from _gathered(text.items(), records)
        if text.peek():
            raise text.broken("more after the end of the list", text.at)


def _gathered(items: Iterator[tuple[Any, int]], records: Records) -> Iterator[Rows]:
    numbered = ((i, value, length) for i, (value, length) in enumerate(items))
    yield from records.gather(rows_within(numbered, records))


def _objects(
    source: Source, encoding: str, records: Records, options: ReadOptions
) -> Iterator[Rows]:
    """Yield the rows of objects that follow each other, or of one that holds the rows."""
    from core.dataset.readers import json_shapes

    with text_of(source, encoding, "\n") as f:
        text = Text(source, encoding, f)
        if options.some and source.path.stat().st_size > SEEN_FROM and _to_list(text):
            yield from _gathered(text.items(), records)
            return
    with text_of(source, encoding, "\n") as f:
        text = Text(source, encoding, f)
        first = text.value()
        while text.peek() == ",":
            text.skip(",")
        if text.peek():
            yield from _gathered(itertools.chain([first], _following(text)), records)
            return
    rows = json_shapes.rows_of(first[0], str(source), options.split, records)
    yield from _gathered(((row, 0) for row in rows), records)


def _following(text: Text) -> Iterator[tuple[Any, int]]:
    while text.peek():
        yield text.value()
        while text.peek() == ",":
            text.skip(",")


def _to_list(text: Text) -> bool:
    """Go to the first list of objects in an object; return whether there is one."""
    text.skip("{")
    while text.peek() not in ("}", ""):
        text.value()
        text.skip(":")
        if text.peek() == "[":
            return True
        text.value()
        if text.peek() == ",":
            text.skip(",")
    return False
