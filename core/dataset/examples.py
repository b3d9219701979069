"""Rows of any format become examples: messages, source, answer, id; or are skipped, with why."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from core.arrays import by_id
from core.dataset import row_formats
from core.dataset.cells import is_answers, text, written_as
from core.dataset.chat_cells import is_chat
from core.dataset.detection import BY_NAME, SAMPLE
from core.dataset.mapping import Given, Template
from core.dataset.readers import Rows, SkippedRow
from core.model.conversation import Turn, is_trained, shown
from core.workspace.files import canonical

FIRST_ANSWER = "the first of the answers that are accepted"
MAX_REASONS = 20
"""Reasons that quote what the data says; above, they are counted without the quote."""


@dataclasses.dataclass
class Examples:
    """The usable rows of a table, or of a batch of one; every list has one entry a row."""

    at: list[int]
    """Position in the input."""
    messages: list[list[Turn]]
    sources: list[str]
    answers: list[str | None]


class Parsed(NamedTuple):
    """Rows as conversations."""

    rows: list[tuple[int, list[Turn], str]]
    """Position, turns and answer."""
    skipped: list[tuple[int, str]]
    """Position and reason."""

    def may_train(self) -> bool:
        """Return whether some row has a reply."""
        return any(_may_train(turns) for _, turns, _ in self.rows)


def parse(rows: Rows, form: str, parts: Given) -> Parsed:
    """Turn rows into conversations.

    Args:
        form: A key of ROW_FORMATS.
        parts: Part -> column or template.
    """
    turns = row_formats.ROW_FORMATS[form].turns
    replied = parts.get("response", parts.get("answer"))
    columns = {
        part: rows.values(column).__getitem__
        if isinstance(column, str)
        else _filled(rows, column, replied if isinstance(replied, str) else None)
        for part, column in parts.items()
        if part == "answer" or part not in BY_NAME
    }
    message_parts = [(part, cell) for part, cell in columns.items() if part not in BY_NAME]
    answers = columns.get("answer")
    parsed = Parsed([], [])
    for at in range(len(rows.places)):
        try:
            messages = turns({part: cell(at) for part, cell in message_parts})
            parsed.rows.append((at, messages, text(answers(at)) if answers else ""))
        except SkippedRow as e:
            parsed.skipped.append((at, str(e)))
    return parsed


def usable(parsed: Parsed, *, trainable: bool, answered: bool) -> Parsed:
    """Skip the rows that can neither train nor test a model; in the order of the input."""
    kept = Parsed([], list(parsed.skipped))
    for entry in parsed.rows:
        if reason := _unusable(entry[1], entry[2], trainable=trainable, answered=answered):
            kept.skipped.append((entry[0], reason))
        else:
            kept.rows.append(entry)
    kept.skipped.sort(key=lambda skipped: skipped[0])
    return kept


def to_examples(rows: Rows, form: str, parts: Given) -> tuple[Examples, bool]:
    """Turn rows into examples, skipping in `rows` what is not usable.

    Returns:
        The examples in input order, and whether they have responses to train on.
    """
    parsed = parse(rows, form, parts)
    trainable = "response" in parts or parsed.may_train()
    kept = usable(parsed, trainable=trainable, answered="answer" in parts)
    seen = {record["reason"] for record in rows.skipped}
    for at, reason in kept.skipped:
        rows.skip(rows.places[at], shortened(reason, seen), shown_row(rows, at))
    return examples_of(rows, kept, parts), trainable


def examples_of(rows: Rows, kept: Parsed, parts: Given) -> Examples:
    """Return the usable rows with their sources."""
    at = [at for at, _, _ in kept.rows]
    sources = ["all"] * len(at)
    if "source" in parts:
        labels = rows.values(str(parts["source"]))
        sources = [_label(labels[i]) for i in at]
    answers = [answer or None for _, _, answer in kept.rows]
    return Examples(at, [turns for _, turns, _ in kept.rows], sources, answers)


def shortened(reason: str, seen: set[str]) -> str:
    """Return a reason without its quote, if there are many of them already; note it as seen."""
    if reason not in seen and len(seen) >= MAX_REASONS:
        reason = reason.partition(" '")[0]
    seen.add(reason)
    return reason


def shown_row(rows: Rows, at: int) -> str:
    """Return a row as JSON, to be looked at."""
    row = {name: _cell(cells[at]) for name, cells in rows.columns.items()}
    return json.dumps(row, default=str, ensure_ascii=False)


def digest(turns: list[Turn]) -> bytes:
    """Hash a conversation: the SHA-256 of its canonical JSON."""
    for turn in turns:
        if len(turn) > 2:  # numbers are written as Python does
            return hashlib.sha256(canonical(turns).encode()).digest()
    return hashlib.sha256(orjson.dumps(turns, option=orjson.OPT_SORT_KEYS)).digest()


def _filled(rows: Rows, template: Template, replied: str | None) -> Callable[[int], str]:
    """Return the text of a template in each row, by the row's place."""
    values = {name: rows.values(name) for name in template.columns}
    replies = rows.values(replied) if replied else None
    return lambda at: template.fill(
        {name: cells[at] for name, cells in values.items()}, replies[at] if replies else None
    )


def _unusable(turns: list[Turn], answer: str, *, trainable: bool, answered: bool) -> str:
    """Say why an example can neither train nor test a model; "" if it can."""
    if not turns:
        return "no conversation"
    if not trainable:
        reason = "empty answer" if answered else "empty response"
        return "" if answer.strip() else reason
    reply = _reply(turns)
    if reply is None and any(turn["role"] == "assistant" for turn in turns):
        return "no reply to train on: all are marked as context"
    return "" if reply is not None and _is_said(turns[reply]) else "empty response"


def first_cells(rows: Rows, column: str, n: int) -> list[Any]:
    """Return a column's cells of the first n rows."""
    cells = rows.columns.get(column)
    if cells is None:
        return rows.first(n).values(column)
    return cells[:n] if isinstance(cells, list) else cells.slice(0, n).to_pylist()


def own_id(value: Any) -> str | None:
    """Return a cell as an id; None unless it is a text or a whole number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    try:
        id = text(value)
    except SkippedRow:
        return None
    return id if id.strip() else None


def _reply(turns: list[Turn]) -> int | None:
    """Return the place of the last turn that is trained, None if none is."""
    for i in range(len(turns) - 1, -1, -1):
        if is_trained(turns[i]):
            return i
    return None


def _is_said(turn: Turn) -> bool:
    return bool(turn["content"].strip() or "tool_calls" in turn or "reasoning_content" in turn)


def _may_train(turns: list[Turn]) -> bool:
    return any(turn["role"] == "assistant" and _is_said(turn) for turn in turns)


def prompt_and_response(turns: list[Turn]) -> tuple[str, str]:
    """Return the text before the last trained turn, and that turn's; all and "" without one."""
    reply = _reply(turns)
    if reply is None:
        return "\n\n".join(map(shown, turns)), ""
    return "\n\n".join(map(shown, turns[:reply])), shown(turns[reply])


class AsText:
    """How cells that are no texts are written, over all batches."""

    def __init__(self, parts: Given) -> None:
        apart = (
            *(*BY_NAME, "chat", "calls", "tools", "history", "choices"),
            "choices_from_1",
            "accepted",
            "empty_system",
        )
        self.columns: dict[str, set[type]] = {}
        """Column -> kinds of its cells."""
        for part, column in parts.items():
            if part not in apart:
                names = [column] if isinstance(column, str) else column.columns
                self.columns |= {name: set() for name in names}
        self.chats: set[str] = set()
        accepted = parts.get("accepted")
        self.answers: set[str] = {accepted} if isinstance(accepted, str) else set()

    def add(self, rows: Rows, *, first: bool) -> None:
        """Note the cells of a batch; the first cells say whether it is a conversation."""
        for name, kinds in self.columns.items():
            values = rows.values(name)
            kinds.update(map(type, values))
            if first and any(map(is_chat, values[:SAMPLE])):
                self.chats.add(name)
            if first and any(map(is_answers, values[:SAMPLE])):
                self.answers.add(name)

    def said(self) -> dict[str, str]:
        """Return column -> how its cells are written as text, where they are no texts."""
        return dict.fromkeys(sorted(self.answers), FIRST_ANSWER) | {
            name: written
            for name, kinds in self.columns.items()
            if name not in self.chats | self.answers and (written := written_as(kinds))
        }


def as_text(rows: Rows, parts: Given) -> dict[str, str]:
    """Return column -> how its cells are written as text, where they are no texts."""
    texts = AsText(parts)
    texts.add(rows, first=True)
    return texts.said()


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode() or "(none)"
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "(none)"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _cell(value: Any) -> Any:
    return value.as_py() if isinstance(value, pa.Scalar) else value


def carried(conversations: Sequence[list[Turn]]) -> collections.Counter[str]:
    """Count the turns that carry a key beside role and content."""
    keys = (key for turns in conversations for turn in turns if len(turn) > 2 for key in turn)
    return collections.Counter(key for key in keys if key not in ("role", "content"))


def content_fingerprint(
    ids: Sequence[str],
    digest: Callable[[int], str],
    sources: Sequence[str],
    answers: Sequence[str | None],
) -> str:
    """Hash (id, messages, source, answer) in the order of ids; blind to column and row order."""
    whole = hashlib.sha256()
    for i in by_id(np.array(ids, object)).tolist():
        line = (ids[i], digest(i), sources[i], answers[i])
        whole.update(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return whole.hexdigest()
