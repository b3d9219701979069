"""Rows of any format become examples: messages, source, answer, id; or are skipped, with why."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.dataset import row_formats
from core.dataset.cells import text, written_as
from core.dataset.chat_cells import is_chat
from core.dataset.detection import BY_NAME, SAMPLE
from core.dataset.mapping import Given, Template
from core.dataset.readers import Rows, SkippedRow
from core.jobs.progress import Progress, Stopped, stop_requested
from core.model.conversation import Turn, is_trained, shown, split_extras
from core.workspace.files import canonical

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
MAX_REASONS = 20
"""Reasons that quote what the data says; above, they are counted without the quote."""


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


def to_examples(rows: Rows, form: str, parts: Given) -> tuple[Examples, bool]:
    """Turn rows into examples, skipping in `rows` what is not usable.

    Args:
        rows: What was read.
        form: A key of ROW_FORMATS.
        parts: Part -> column or template.

    Returns:
        The examples in input order, and whether they have responses to train on.
    """
    turns = row_formats.ROW_FORMATS[form].turns
    replied = parts.get("response", parts.get("answer"))
    columns = {
        part: rows.values(column).__getitem__
        if isinstance(column, str)
        else _filled(rows, column, replied if isinstance(replied, str) else None)
        for part, column in parts.items()
    }
    message_parts = [p for p in columns if p not in BY_NAME]
    progress = Progress("import", len(rows.places), brief=len(rows.places) <= SAMPLE)
    parsed: list[tuple[int, list[Turn], str]] = []
    aside: list[tuple[int, str]] = []
    for at in range(len(rows.places)):
        if at % 20_000 == 0:
            progress.update(at)
            if stop_requested():
                raise Stopped("stopped; nothing was imported")
        try:
            messages = turns({part: columns[part](at) for part in message_parts})
            answer = text(columns["answer"](at)) if "answer" in columns else ""
            parsed.append((at, messages, answer))
        except SkippedRow as e:
            aside.append((at, str(e)))
    trainable = "response" in parts or any(map(_may_train, (m for _, m, _ in parsed)))
    good = []
    for entry in parsed:
        if reason := _unusable(entry[1], entry[2], trainable=trainable, answered="answer" in parts):
            aside.append((entry[0], reason))
        else:
            good.append(entry)
    names = list(rows.columns)
    seen = {record["reason"] for record in rows.skipped}
    for at, reason in sorted(aside):
        if reason not in seen and len(seen) >= MAX_REASONS:
            reason = reason.partition(" '")[0]
        seen.add(reason)
        row = {name: _cell(rows.columns[name][at]) for name in names}
        rows.skip(rows.places[at], reason, json.dumps(row, default=str, ensure_ascii=False))
    progress.update(len(rows.places))
    at_rows = [at for at, _, _ in good]
    conversations = [m for _, m, _ in good]
    answers = [answer or None for _, _, answer in good]
    labels = columns.get("source")
    sources = ["all" if labels is None else _label(labels(at)) for at in at_rows]
    digests = [hashlib.sha256(canonical(m).encode()).hexdigest() for m in conversations]
    own = own_ids(rows, str(parts["id"]), at_rows) if "id" in parts else None
    ids = own or [digest[:16] for digest in digests]
    # copies are numbered by content first, so that their numbers do not depend on the row order
    copies: collections.Counter[str] = collections.Counter()
    for i in sorted(range(len(ids)), key=lambda i: (ids[i], sources[i], answers[i] or "")):
        copies[ids[i]] += 1
        ids[i] += f"-{k}" if (k := copies[ids[i]]) > 1 else ""
    found = Examples(at_rows, ids, conversations, digests, sources, answers)
    return found, trainable


def _filled(rows: Rows, template: Template, replied: str | None) -> Callable[[int], str]:
    """Return the text of a template in each row, by the row's place."""
    values = {name: rows.values(name) for name in template.columns}
    replies = rows.values(replied) if replied else None
    return lambda at: template.fill(
        {name: cells[at] for name, cells in values.items()}, replies[at] if replies else None
    )


def _unusable(turns: list[Turn], answer: str, *, trainable: bool, answered: bool) -> str:
    """Say why an example can neither train nor test a model; "" if it can."""
    if not trainable:
        reason = "empty answer" if answered else "empty response"
        return "" if answer.strip() else reason
    reply = _reply(turns)
    if reply is None and any(turn["role"] == "assistant" for turn in turns):
        return "no reply to train on: all are marked as context"
    return "" if reply is not None and _is_said(turns[reply]) else "empty response"


def first_cells(rows: Rows, column: str, n: int) -> list[Any]:
    """Return a column's cells of the first n rows."""
    found = rows.columns[column]
    return found[:n] if isinstance(found, list) else found.slice(0, n).to_pylist()


def own_ids(rows: Rows, column: str, at: Sequence[int]) -> list[str] | None:
    """Return a column's values as ids, None unless each is a text or whole number, and distinct."""
    cells = rows.values(column)
    values = [cells[i] for i in at]
    if not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
        return None
    try:
        ids = [text(v) for v in values]
    except SkippedRow:
        return None
    return ids if len(set(ids)) == len(ids) and all(map(str.strip, ids)) else None


def _reply(turns: list[Turn]) -> int | None:
    """Return the place of the last turn that is trained, None if none is."""
    return next((i for i in reversed(range(len(turns))) if is_trained(turns[i])), None)


def _is_said(turn: Turn) -> bool:
    return bool(turn["content"].strip() or "tool_calls" in turn or "reasoning_content" in turn)


def _may_train(turns: list[Turn]) -> bool:
    return any(turn["role"] == "assistant" and _is_said(turn) for turn in turns)


def _response(turns: list[Turn]) -> str:
    """Return the text of the last trained turn, "" if there is none."""
    reply = _reply(turns)
    return "" if reply is None else shown(turns[reply])


def _prompt(turns: list[Turn]) -> str:
    """Return the text of the turns before the last trained one; of all if there is none."""
    return "\n\n".join(map(shown, turns[: _reply(turns)]))


def as_text(rows: Rows, parts: Given) -> dict[str, str]:
    """Return column -> how its cells are written as text, where they are no texts."""
    said = {}
    for part, column in parts.items():
        if part in (*BY_NAME, "chat", "calls", "tools", "history", "choices", "empty_system"):
            continue
        for name in [column] if isinstance(column, str) else column.columns:
            values = rows.values(name)
            written = written_as(values)
            if written and not any(map(is_chat, values[:SAMPLE])):
                said[name] = written
    return said


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

    `extras` is there only where some turn has more than role and content (core.model.conversation).
    `position` counts the well-formed rows of the input, kept or not: losses that somebody recorded
    elsewhere come in that order.
    """
    n = len(found.at)
    kept = [split_extras(turns) for turns in found.messages]
    table = pa.table(
        {
            "row": pa.array(range(n), pa.int64()),
            "position": pa.array(found.at, pa.int64()),
            "id": pa.array(found.ids, pa.string()),
            "source": pa.array(found.sources, pa.string()),
            "messages": pa.array((plain for plain, _ in kept), MESSAGES),
            "prompt": pa.array(map(_prompt, found.messages), pa.large_string()),
            "response": pa.array(map(_response, found.messages), pa.large_string()),
            "answer": pa.array(found.answers, pa.large_string()),
            "split": pa.array(["holdout" if i in held else "pool" for i in range(n)]),
        }
    )
    extras = [more for _, more in kept]
    if not any(extras):
        return table
    at = table.column_names.index("messages") + 1
    return table.add_column(at, "extras", pa.array(extras, pa.large_string()))


def as_original(rows: Rows, at: list[int]) -> tuple[pa.Table, list[str]]:
    """Return every input column of the rows at these places, and which became JSON text.

    A column does when arrow has no type that gives back its very values: mixed types, lone
    surrogates, numbers above 64 bits, dictionaries that differ in their keys or in their order.
    """
    keep = np.zeros(len(rows.places), bool)
    keep[at] = True
    columns, as_json = {}, []
    for name, kept in rows.columns.items():
        if isinstance(kept, pa.ChunkedArray):
            columns[name] = kept.filter(pa.array(keep))
            continue
        values = [kept[i] for i in at]
        stored = _typed(values)
        if stored is None:
            as_json.append(name)
            texts = [None if v is None else json.dumps(v) for v in values]
            stored = pa.array(texts, pa.large_string())
        columns[name] = stored
    return pa.table(columns), as_json


def original_keys(rows: Rows, at: list[int]) -> pa.Table | None:
    """Return which columns each of these rows had in the input, in its order, as JSON lists.

    None where all had all of them in one order.
    """
    if rows.keys is None:
        return None
    lists = [json.dumps(rows.keys[i]) for i in at]
    return pa.table({"keys": pa.array(lists, pa.large_string()).dictionary_encode()})


def _typed(values: list[Any]) -> pa.Array | None:
    kinds = {type(v) for v in values} - {type(None)}
    if len(kinds) > 1:
        return None
    try:
        array = pa.array(values, pa.large_string() if kinds == {str} else None)
    except (pa.ArrowException, UnicodeError, OverflowError):
        return None
    if kinds & {dict, list} and (
        "struct<>" in str(array.type) or json.dumps(array.to_pylist()) != json.dumps(values)
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
