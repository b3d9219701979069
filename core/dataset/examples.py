"""Rows of any format become examples: messages, source, answer, id; or are skipped, with why."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.dataset import row_formats
from core.dataset.readers import Rows, SkippedRow
from core.dataset.row_formats import Turn
from core.jobs.progress import Progress, Stopped, stop_requested
from core.workspace.files import canonical

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))


@dataclasses.dataclass
class Examples:
    """The usable rows; every list has one entry a row."""

    at: list[int]
    """Position in the input."""
    ids: list[str]
    messages: list[list[Turn]]
    digests: list[str]
    """Hash of the messages."""
    sources: list[str]
    answers: list[str | None]

    def take(self, rows: Sequence[int]) -> Examples:
        """Return some of the rows."""
        parts = (getattr(self, f.name) for f in dataclasses.fields(self))
        return Examples(*([part[row] for row in rows] for part in parts))


def to_examples(rows: Rows, form: str, parts: dict[str, str]) -> tuple[Examples, bool]:
    """Turn rows into examples, skipping in `rows` what is not usable.

    Args:
        rows: What was read.
        form: A key of FORMATS.
        parts: Part -> column.

    Returns:
        The examples in input order, and whether they have responses to train on.
    """
    turns = row_formats.FORMATS[form].turns
    columns = {part: rows.values(column) for part, column in parts.items()}
    message_parts = [p for p in columns if p not in ("source", "answer", "split", "id")]
    progress = Progress("import", len(rows.places))
    parsed: list[tuple[int, list[Turn], str]] = []
    aside: list[tuple[int, str]] = []
    for at in range(len(rows.places)):
        if at % 20_000 == 0:
            progress.update(at)
            if stop_requested():
                raise Stopped("stopped; nothing was imported")
        try:
            messages = turns({part: columns[part][at] for part in message_parts})
            answer = row_formats.text(columns["answer"][at]) if "answer" in columns else ""
            parsed.append((at, messages, answer))
        except SkippedRow as e:
            aside.append((at, str(e)))
    trainable = "response" in parts or any(_response(m) for _, m, _ in parsed)
    good = []
    for entry in parsed:
        if trainable and not _response(entry[1]).strip():
            aside.append((entry[0], "empty response"))
        elif not trainable and not entry[2].strip():
            aside.append((entry[0], "empty answer" if "answer" in parts else "empty response"))
        else:
            good.append(entry)
    names = list(rows.columns)
    for at, reason in aside:
        row = {name: _cell(rows.columns[name][at]) for name in names}
        rows.skip(rows.places[at], reason, json.dumps(row, default=str, ensure_ascii=False))
    progress.update(len(rows.places))
    at_rows = [at for at, _, _ in good]
    conversations = [m for _, m, _ in good]
    answers = [answer or None for _, _, answer in good]
    labels = columns.get("source")
    sources = ["all" if labels is None else _label(labels[at]) for at in at_rows]
    digests = [hashlib.sha256(canonical(m).encode()).hexdigest() for m in conversations]
    own = own_ids(rows, parts["id"], at_rows) if "id" in parts else None
    ids = own or [digest[:16] for digest in digests]
    # copies are numbered by content first, so that their numbers do not depend on the row order
    copies: collections.Counter[str] = collections.Counter()
    for i in sorted(range(len(ids)), key=lambda i: (ids[i], sources[i], answers[i] or "")):
        copies[ids[i]] += 1
        ids[i] += f"-{k}" if (k := copies[ids[i]]) > 1 else ""
    found = Examples(at_rows, ids, conversations, digests, sources, answers)
    return found, trainable


def own_ids(rows: Rows, column: str, at: Sequence[int]) -> list[str] | None:
    """Return a column's values as ids, None unless each is a text or whole number, and distinct."""
    cells = rows.values(column)
    values = [cells[i] for i in at]
    if not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
        return None
    try:
        ids = [row_formats.text(v) for v in values]
    except SkippedRow:
        return None
    return ids if len(set(ids)) == len(ids) and all(map(str.strip, ids)) else None


def _response(messages: list[Turn]) -> str:
    """Return the last assistant turn, "" if there is none."""
    return next((t["content"] for t in reversed(messages) if t["role"] == "assistant"), "")


def _prompt(messages: list[Turn]) -> str:
    """Return the text of the turns before the last assistant turn; of all if there is none."""
    last = max((i for i, t in enumerate(messages) if t["role"] == "assistant"), default=None)
    return "\n\n".join(t["content"] for t in messages[:last])


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode() or "(none)"
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "(none)"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _cell(value: Any) -> Any:
    return value.as_py() if isinstance(value, pa.Scalar) else value


def as_table(found: Examples, held: set[int]) -> pa.Table:
    """Return the columns of examples.parquet; the rows `held` are held out.

    `position` counts the well-formed rows of the input, kept or not: losses that somebody recorded
    elsewhere come in that order.
    """
    n = len(found.at)
    return pa.table(
        {
            "row": pa.array(range(n), pa.int64()),
            "position": pa.array(found.at, pa.int64()),
            "id": pa.array(found.ids, pa.string()),
            "source": pa.array(found.sources, pa.string()),
            "messages": pa.array(found.messages, MESSAGES),
            "prompt": pa.array(map(_prompt, found.messages), pa.large_string()),
            "response": pa.array(map(_response, found.messages), pa.large_string()),
            "answer": pa.array(found.answers, pa.large_string()),
            "split": pa.array(["holdout" if i in held else "pool" for i in range(n)]),
        }
    )


def as_original(rows: Rows, at: list[int]) -> tuple[pa.Table, list[str]]:
    """Return every input column of the rows at these places, and which became JSON text.

    A column does when arrow has no type that gives back its very values: mixed types, lone
    surrogates, numbers above 64 bits, dictionaries that differ in their keys.
    """
    keep = np.zeros(len(rows.places), bool)
    keep[at] = True
    columns, as_json = {}, []
    for name, cells in rows.columns.items():
        if isinstance(cells, pa.ChunkedArray):
            columns[name] = cells.filter(pa.array(keep))
            continue
        values = [cells[i] for i in at]
        stored = _typed(values)
        if stored is None:
            as_json.append(name)
            texts = [None if v is None else json.dumps(v) for v in values]
            stored = pa.array(texts, pa.large_string())
        columns[name] = stored
    return pa.table(columns), as_json


def _typed(values: list[Any]) -> pa.Array | None:
    kinds = {type(v) for v in values} - {type(None)}
    if len(kinds) > 1:
        return None
    try:
        array = pa.array(values, pa.large_string() if kinds == {str} else None)
    except (pa.ArrowException, UnicodeError, OverflowError):
        return None
    if kinds & {dict, list} and (
        "struct<>" in str(array.type) or canonical(array.to_pylist()) != canonical(values)
    ):
        return None
    return array


def content_fingerprint(found: Examples) -> str:
    """Hash (id, messages, source, answer) in the order of ids; blind to column and row order."""
    lines = zip(found.ids, found.digests, found.sources, found.answers, strict=True)
    whole = hashlib.sha256()
    for line in sorted(lines, key=lambda line: line[0]):
        whole.update(canonical(line).encode() + b"\n")
    return whole.hexdigest()
