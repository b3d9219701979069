"""A report before it is HTML or markdown: sections of blocks, blocks of spans.

A number is never typed into a sentence: it is a span that says where it was read. People's texts
are spans of their own, so that whoever writes them out knows what may be hostile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from core.workspace.artifact import Artifact


class Number(NamedTuple):
    """A fact of an artifact as it is written, with its value and where that was read."""

    text: str
    value: str
    """As JSON."""
    source: str
    """`id#/summary/rows`: a JSON pointer into the manifest; `id#table.parquet:what`: worked out
    from a file."""


class Sentence(NamedTuple):
    """A sentence, numbers and all, that a function of the engine made."""

    text: str
    source: str
    """The function or the text."""


class Quoted(NamedTuple):
    """What a person or the data wrote."""

    text: str


class Command(NamedTuple):
    """Something to type into a terminal."""

    text: str


class Link(NamedTuple):
    """An address outside; nothing is fetched from it."""

    text: str
    address: str


Span = str | Number | Sentence | Quoted | Command | Link
Spans = Sequence[Span]


class Paragraph(NamedTuple):
    """A few sentences."""

    spans: Spans


class Items(NamedTuple):
    """A list; counted where the order means something."""

    items: Sequence[Spans]
    counted: bool = False


class Table(NamedTuple):
    """Rows of cells; the first cell of a row names it."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Spans]]
    folded: bool = False
    """Opened by the reader: the text behind a picture."""
    clusters: Sequence[int] = ()
    """Of each row, where a row is a cluster."""


class Picture(NamedTuple):
    """A drawing that needs no script, and in words what it shows."""

    key: str
    title: str
    svg: str
    words: Spans
    note: Spans = ()
    """How to read it, and what was left out of it."""


class Code(NamedTuple):
    """Commands, a line each."""

    text: str


Block = Paragraph | Items | Table | Picture | Code


class Section(NamedTuple):
    """A part of the report under its own heading."""

    key: str
    title: str
    blocks: Sequence[Block]


class Report(NamedTuple):
    """All of it."""

    id: str
    title: Spans
    verdict: Spans
    worth: Spans
    """What was saved against what was lost; empty where that is not known."""
    sections: Sequence[Section]
    brief: Sequence[Section]
    """Of the summary to paste."""


Form = Callable[[Any], str]


def whole(value: Any) -> str:
    """Write a count."""
    return f"{value:,.0f}"


def pointer(*keys: str) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def fact(artifact: Artifact, *keys: str, form: Form = whole) -> Number:
    """Read a number, or another plain fact, from an artifact's manifest."""
    value: Any = artifact.manifest
    for key in keys:
        value = value[key]
    return Number(form(value), json.dumps(value), f"{artifact.id}#{pointer(*keys)}")


def worked_out(artifact: Artifact, file: str, what: str, value: Any, form: Form = whole) -> Number:
    """Write a number that was counted in, or computed from, a file of an artifact."""
    plain = value.item() if hasattr(value, "item") else value
    return Number(form(plain), json.dumps(plain), f"{artifact.id}#{file}:{what}")


def missing(what: str, command: str) -> Paragraph:
    """Say that a part of the report does not exist yet, and what makes it."""
    return Paragraph((what, " ", Command(command), " makes it."))
