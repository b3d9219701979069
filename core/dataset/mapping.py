r"""A person's own word on what the columns mean: `--map prompt='{context}\n\n{question}'`.

A mapping is a line a part: a column, or a template with columns in braces. It is plain text, so it
stands in the manifest and can be given again for next week's file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.dataset.cells import paragraphs, structure, text
from core.dataset.choices import listed
from core.errors import InputError

TEXTS = ("prompt", "response", "system")
"""Parts that may be a template."""
PARTS = (*TEXTS, "conversation", "source", "answer", "split", "id")
PASSAGES = ("contexts", "context", "passages", "documents", "paragraphs")
"""Columns whose lists of texts are paragraphs, not choices."""
FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
ESCAPED = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
BLANK_LINES = re.compile(r"(\n{2,})")


class Template(NamedTuple):
    """A text with columns in it."""

    written: str
    """As it was given: line breaks as backslash and n."""
    paragraphs: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """The blank lines before each paragraph, and its pieces: a text, then a column or ""."""
    first_choice: int = 0
    """Number of the first choice of a list, where answers are such numbers."""

    @property
    def columns(self) -> list[str]:
        """The columns, in order, each once."""
        names = [column for _, pieces in self.paragraphs for _, column in pieces if column]
        return list(dict.fromkeys(names))

    def fill(self, cells: Mapping[str, Any], answer: Any = None) -> str:
        """Return the text of a row; a paragraph whose columns are all empty is left out.

        A list of texts becomes lines, labelled as `core.dataset.choices` labels them; a list of
        passages becomes paragraphs.

        Raises:
            SkippedRow: a cell is no text.
        """

        def plain(cell: Any) -> str:
            value = structure(cell)
            texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return listed(value, answer, self.first_choice) if texts else text(cell)

        def said(column: str) -> str:
            passages = column.rpartition(".")[2].lower() in PASSAGES
            return paragraphs(cells[column]) if passages else plain(cells[column])

        out = ""
        for blank, pieces in self.paragraphs:
            values = [said(column) for _, column in pieces if column]
            if values and not any(value.strip() for value in values):
                continue
            filled = iter(values)
            out += blank if out else ""
            out += "".join(words + (next(filled) if column else "") for words, column in pieces)
        return out


Given = dict[str, str | Template]
"""Part -> column, or template."""


def lines(declared: str) -> dict[str, str]:
    """Split a mapping into its parts, not knowing any data.

    Raises:
        InputError: a line is not PART=TEXT, or names a part twice or one that is none.
    """
    parts: dict[str, str] = {}
    for line in filter(str.strip, declared.split("\n")):
        part, equals, written = line.partition("=")
        part = part.strip().lower()
        if not equals or not written.strip():
            raise InputError(f"--map takes PART=COLUMN or PART=TEMPLATE, not {line!r}")
        if part not in PARTS:
            near = difflib.get_close_matches(part, PARTS, 1)
            meant = f"; is {near[0]} meant?" if near else ""
            raise InputError(f"--map {line!r}: a part is one of {', '.join(PARTS)}{meant}")
        if part in parts:
            raise InputError(f"--map names {part} twice: {parts[part]!r} and {written!r}")
        if "{" in written and part not in TEXTS:
            raise InputError(f"--map {line!r}: {part} is one column, without braces")
        parts[part] = written
    if "conversation" in parts and parts.keys() & {"prompt", "response"}:
        raise InputError("--map names a conversation and a prompt or response; give one of the two")
    return parts


def write(parts: Mapping[str, str]) -> str:
    """Return the mapping that `lines` reads as these parts; their line breaks may be real."""
    return "\n".join(f"{part}={_escape(written)}" for part, written in parts.items() if written)


def _escape(written: str) -> str:
    return written.replace("\r\n", "\n").replace("\n", r"\n").replace("\t", r"\t")


def template(written: str, columns: Sequence[str]) -> Template:
    r"""Read a template: `{column}`, `{{` and `}}` for braces, `\n`, `\t` and `\\`.

    Raises:
        InputError: it names a column that the data lacks, or has an open brace.
    """
    plain = re.sub(r"\\[nt\\]", lambda m: ESCAPED[m[0]], written)
    paragraphs = []
    parts = BLANK_LINES.split(plain)
    for blank, part in zip(["", *parts[1::2]], parts[::2], strict=True):
        if part:
            paragraphs.append((blank, tuple(_pieces(part, written, columns))))
    return Template(written, tuple(paragraphs))


def _pieces(part: str, written: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    pieces, end, before = [], 0, ""
    for match in FIELD.finditer(part):
        before += _literal(part[end : match.start()], written)
        end = match.end()
        if match[1] is None:
            before += match[0][0]
            continue
        pieces.append((before, column(match[1], columns, f"{written!r}")))
        before = ""
    before += _literal(part[end:], written)
    return [*pieces, (before, "")] if before else pieces


def _literal(piece: str, written: str) -> str:
    if "{" in piece or "}" in piece:
        raise InputError(
            f"{written!r} has a brace without its other; write {{{{ or }}}} for a brace"
        )
    return piece


def column(name: str, columns: Sequence[str], where: str) -> str:
    """Return the column of this name: exactly, else whatever its case and the spaces around it.

    Raises:
        InputError: there is none, or several that differ in case only.
    """
    if name in columns:
        return name
    if root(name, columns) != name:
        return name
    same = [c for c in columns if c.strip().lower() == name.strip().lower()]
    shown = ", ".join(repr(c[:40]) for c in columns[:30])
    if len(same) > 1:
        raise InputError(f"{where} {name!r} may be any of {', '.join(map(repr, same))}; write one")
    if not same:
        raise InputError(f"{where} {name!r}: no such column; there are {shown}")
    return same[0]


def root(name: str, columns: Sequence[str]) -> str:
    """Return the column that a name such as `translation.de` looks into; else the name."""
    inside = [c for c in columns if name.startswith(f"{c}.")] if name not in columns else []
    return max(inside, key=len, default=name)


def given(declared: str, flags: Mapping[str, str], columns: Sequence[str]) -> Given:
    """Return what a person said of the columns: by --map and by the flags of single parts.

    Args:
        flags: Part -> column, of --prompt-column and the like.

    Raises:
        InputError: a column does not exist, or a part is named by both.
    """
    parts: Given = {}
    for part, name in flags.items():
        parts[part] = column(name, columns, f"--{part}-column")
    for part, written in lines(declared).items():
        if part in parts:
            raise InputError(f"--map and --{part}-column both name the {part}; give one of them")
        key = "chat" if part == "conversation" else part
        if part in TEXTS and ("{" in written or "}" in written):
            parts[key] = template(written, columns)
        else:
            parts[key] = column(written.strip(), columns, f"--map {part}=")
    return parts
