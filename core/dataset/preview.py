"""A dataset before it is imported: its first rows as they would be understood, and what is unclear.

Nothing here decides anything: reading, detecting and understanding are the import's own functions,
on the rows that detection looks at.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from core.dataset.artifact import Understanding
from core.dataset.detection import SAMPLE, Reading, UnclearColumns
from core.dataset.examples import as_text, carried, first_cells, to_examples
from core.dataset.privacy import HIDDEN, unquoted
from core.dataset.readers import Rows, head
from core.dataset.report import sentences
from core.dataset.settings import Settings, own_words, quiet, read_columns
from core.errors import InputError
from core.model.conversation import Turn


@dataclasses.dataclass(frozen=True)
class Row:
    """A row as it would be imported."""

    place: int
    """Its 1-based line or 0-based index."""
    turns: list[Turn]
    source: str
    answer: str | None


@dataclasses.dataclass(frozen=True)
class Preview:
    """The first rows of a dataset."""

    columns: dict[str, list[Any]]
    """Column -> its first cells."""
    place: str
    """What the places count: "line" or "index"."""
    n_read: int
    reading: Reading | None = None
    """None where no reading is clear, or the columns named are not there."""
    problem: str = ""
    """Why there is none; without the flags that mend it."""
    rows: list[Row] = dataclasses.field(default_factory=list)
    n_usable: int = 0
    skipped: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """Reason -> rows skipped for it: place and preview."""
    trainable: bool = False
    said: list[str] = dataclasses.field(default_factory=list)
    """Sentences on how the columns were understood."""


def preview(path: str | pathlib.Path, settings: Settings, rows: int = 50) -> Preview:
    """Read the first rows of a dataset as an import with these settings would.

    Raises:
        InputError: it is missing or cannot be read as rows.
    """
    with quiet(settings):
        return understand(
            head(path, SAMPLE, settings.split, header=not settings.no_header), settings, rows
        )


def understand(rows_read: Rows, settings: Settings, rows: int = 50) -> Preview:
    """Return what an import with these settings makes of rows that were read; they stay as read.

    Of private rows that are skipped nothing is quoted.
    """
    seen = _understand(rows_read, settings, rows)
    if not settings.hides:
        return seen
    known = own_words(settings)
    skipped: dict[str, list[dict[str, Any]]] = {}
    for reason, records in seen.skipped.items():
        told = unquoted(reason, known)
        hidden = [{**record, "reason": told, "preview": HIDDEN} for record in records]
        skipped[told] = skipped.get(told, []) + hidden
    return dataclasses.replace(seen, problem=unquoted(seen.problem, known), skipped=skipped)


def _understand(rows_read: Rows, settings: Settings, rows: int) -> Preview:
    rows_read = dataclasses.replace(rows_read, skipped=list(rows_read.skipped))
    seen = Preview(
        {name: first_cells(rows_read, name, rows) for name in rows_read.columns},
        rows_read.place,
        len(rows_read.places) + len(rows_read.skipped),
        skipped=_by_reason(rows_read.skipped),
    )
    try:
        reading = read_columns(rows_read, settings)
    except UnclearColumns as e:
        return dataclasses.replace(seen, problem=e.what)
    except InputError as e:
        return dataclasses.replace(seen, problem=str(e))
    examples, trainable = to_examples(rows_read, reading.format, reading.parts)
    parts: list[Any] = [examples.at, examples.messages, examples.sources, examples.answers]
    kept = [
        Row(rows_read.places[at], turns, source, answer)
        for at, turns, source, answer in zip(*(part[:rows] for part in parts), strict=True)
    ]
    summary: Understanding = {
        "certainty": reading.certainty,
        "columns": reading.columns,
        "as_text": as_text(rows_read, reading.parts),
        "read_as": rows_read.read_as,
        "notes": list(reading.notes),
        "carried": dict(carried(examples.messages)),
    }
    return dataclasses.replace(
        seen,
        reading=reading,
        rows=kept,
        n_usable=len(examples.at),
        skipped=_by_reason(rows_read.skipped),
        trainable=trainable,
        said=sentences(summary),
    )


def _by_reason(skipped: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for record in skipped:
        by_reason.setdefault(record["reason"], []).append(record)
    return dict(sorted(by_reason.items(), key=lambda item: -len(item[1])))
