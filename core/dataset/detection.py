"""Which row format a table has, and which column plays which part: by name, then by content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from core.dataset.cells import are_answers, missing
from core.dataset.chat_cells import SPEAKERS, is_chat
from core.dataset.choices import from_one, names_one
from core.dataset.column_names import ACCEPTED, COMMON, NAMES_CHOICE, OPTIONS
from core.dataset.looks import LOOKS, ONLY, may_be_chat
from core.dataset.mapping import Given, Template, root
from core.dataset.roles import name_of, role_of
from core.dataset.row_formats import ROW_FORMATS, RowFormat
from core.dataset.suggestion import ASKED, suggested
from core.errors import InputError

SAMPLE = 200
"""Rows at the beginning whose cells are looked at."""
BY_NAME = ("source", "answer", "split", "id")
"""Parts that are no text of the conversation."""
Certainty = Literal["sure", "likely", "guess"]
Sample = Mapping[str, Sequence[Any]]


class Reading(NamedTuple):
    """How a table is read."""

    format: str
    """A key of ROW_FORMATS."""
    parts: Given
    """Part -> column or template. Without "chat" and "response": a file to test with."""
    certainty: Certainty
    left_out: tuple[str, ...]
    """Columns that play no part; they are kept beside the rows."""
    test_only: bool = False
    notes: tuple[str, ...] = ()
    """Sentences on what the first rows hold and nothing is made of."""

    @property
    def columns(self) -> dict[str, str]:
        """Part -> column, or the template as it was written."""
        return {p: c.written if isinstance(c, Template) else c for p, c in self.parts.items()}


class UnclearColumns(InputError):
    """No reading is clear; `what` says it without the flags that a page does not have."""

    def __init__(self, what: str, flags: str) -> None:
        super().__init__(f"{what}; {flags}")
        self.what, self.flags = what, flags


def detect(
    columns: Sequence[str], wanted: str, named: Given, sample: Sample | None = None
) -> Reading:
    """Choose the format, and the column of each part.

    Args:
        wanted: A format, or "auto".
        named: The user's choice for some parts.
        sample: Cells of the first rows, by column; without them names alone decide.

    Raises:
        UnclearColumns: no format fits, or none more than another.
    """
    own = named.keys() & {"prompt", "response", "chat"}
    tried = [name for name, form in ROW_FORMATS.items() if not form.by_choice]
    if wanted != "auto":
        tried = [wanted]
    elif "chat" in own:
        tried = ["messages"]
    elif {"prompt", "response"} <= own:
        tried = ["columns"]
    elif own:
        tried = [name for name in tried if ROW_FORMATS[name].columns_by_hand]
    asked = wanted != "auto" or bool(own)
    for look in (sample, None):  # where no cell looks right by its content, by its name
        for name in tried:
            if look is None and ROW_FORMATS[name].likely and sample is not None and not asked:
                continue
            parts = _parts(ROW_FORMATS[name], columns, named, look)
            if all(part in parts for part in ROW_FORMATS[name].needs) and (
                name != "options" or _names_options(parts, look)
            ):
                sure = "sure" if asked else _certainty(name, parts, sample)
                parts = _accepted(name, _counted(parts, sample), sample)
                return _reading(name, parts, columns, sure)
        if wanted == "auto" and not own and sample is not None and look is not None:
            chats = _chat_columns(columns, sample)
            if len(chats) == 1 and not {c.strip().lower() for c in columns} & {*ASKED}:
                parts = _parts(ROW_FORMATS["messages"], columns, {**named, "chat": chats[0]}, look)
                return _reading("messages", parts, columns, "likely")
    if test_file := _test_file(tried, columns, named, sample):
        return test_file
    raise _unclear(columns, wanted, sample)


def _test_file(
    tried: list[str], columns: Sequence[str], named: Given, sample: Sample | None
) -> Reading | None:
    """Return the reading of a prompt with an answer and no response, if it is one.

    Answers that are all numbers are what a test compares; words are replies to train on.
    """
    for name in tried:
        form = ROW_FORMATS[name]
        if "response" not in form.needs:
            continue
        parts = _parts(form, columns, named, sample)
        others = [part for part in form.needs if part != "response"]
        if "answer" not in parts or not all(part in parts for part in others):
            continue
        answer = parts["answer"]
        by_content = sample is not None and isinstance(answer, str) and "answer" not in named
        cells = sample[str(answer)] if by_content and sample else ()
        if "prompt" in parts and not all(map(_is_number, cells)):
            parts["response"] = parts.pop("answer")
            parts = _accepted(name, parts, sample)
            return _reading(name, parts, columns, "likely")
        return _reading(name, parts, columns, "likely")._replace(test_only=True)
    return None


def _parts(
    form: RowFormat, columns: Sequence[str], named: Given, sample: Sample | None
) -> dict[str, str | Template]:
    """Find the columns of a format's parts; none plays two, but where a person says so.

    A template of the prompt says all that belongs to it, so nothing is added to it.
    """
    lower = {c.strip().removeprefix("#").strip().lower(): c for c in reversed(columns)}
    taken = {c for c in named.values() if isinstance(c, str)}
    whole = isinstance(named.get("prompt"), Template)
    parts: dict[str, str | Template] = {}
    for part, names in {**form.parts, **COMMON}.items():
        if part in named or (whole and part in ("input", "context", "choices", "history")):
            continue
        for name in names:
            column = lower.get(name)
            if column is None or column in taken or not _looks(part, column, sample):
                continue
            if part == "response" and name in NAMES_CHOICE and not _has_choices(form, lower):
                continue
            parts[part] = column
            taken.add(column)
            break
    return parts | named


def _has_choices(form: RowFormat, lower: Mapping[str, str]) -> bool:
    return any(n in lower for part in ("choices", "option_1") for n in form.parts.get(part, ()))


def _names_options(parts: Given, sample: Sample | None) -> bool:
    """Return whether the answers name choices that have a column each."""
    return sample is None or all(
        missing(answer) or names_one(options, answer)
        for options, answer in zip(
            _options(parts, sample), sample[str(parts["response"])], strict=True
        )
    )


def _options(parts: Given, sample: Sample) -> list[list[Any]]:
    """Return the choices of each row, from the columns that they have."""
    columns = [sample[str(parts[part])] for part in OPTIONS if part in parts]
    return [[c for c in row if not missing(c)] for row in zip(*columns, strict=True)]


def _looks(part: str, column: str, sample: Sample | None) -> bool:
    """Return whether the cells of a column may play a part."""
    only = ONLY.get(column.strip().lower()) if part == "response" else None
    if sample is None:
        return only is None
    cells = sample[column]
    if part == "chat":
        name = column.strip().lower()
        return any(may_be_chat(name, cell) for cell in cells)
    if only:
        return all(map(only, cells))
    look = LOOKS.get(part)
    return look is None or all(map(look, cells))


def _counted(parts: dict[str, str | Template], sample: Sample | None) -> dict[str, str | Template]:
    """Return the parts, with a mark where the answers count the choices from 1."""
    answer = parts.get("response", parts.get("answer"))
    if sample is None or not isinstance(answer, str):
        return parts
    choices, prompt = parts.get("choices"), parts.get("prompt")
    if isinstance(choices, str) and from_one(sample[choices], sample[answer]):
        return {**parts, "choices_from_1": choices}
    if "option_1" in parts and from_one(_options(parts, sample), sample[answer]):
        return {**parts, "choices_from_1": parts["option_1"]}
    if isinstance(prompt, Template) and any(
        from_one(sample[column], sample[answer]) for column in prompt.columns
    ):
        return {**parts, "prompt": prompt._replace(first_choice=1)}
    return parts


def _accepted(
    name: str, parts: dict[str, str | Template], sample: Sample | None
) -> dict[str, str | Template]:
    """Return the parts, with a mark where the reply to a question is a list of accepted answers."""
    reply = parts.get("response")
    if sample is None or not isinstance(reply, str) or reply.strip().lower() not in ACCEPTED:
        return parts
    cells = [cell for cell in sample[reply] if not missing(cell)]
    lists = name in ("question_answer", "columns") and cells and all(map(are_answers, cells))
    return {**parts, "accepted": reply} if lists else parts


def _certainty(name: str, parts: Given, sample: Sample | None) -> Certainty:
    if sample and "chat" in parts and not any(map(is_chat, sample[str(parts["chat"])])):
        return "likely"  # texts by turns, the person first: by the name of the column only
    if name == "two_columns" and str(parts["prompt"]).strip().lower() == "source":
        return "guess"
    added = parts.keys() & {"choices"}
    return "likely" if ROW_FORMATS[name].likely or added else "sure"


def _reading(
    name: str, parts: dict[str, str | Template], columns: Sequence[str], certainty: Certainty
) -> Reading:
    used: set[str] = set()
    for part in parts.values():
        used.update(part.columns if isinstance(part, Template) else [part])
    used |= {root(name, columns) for name in used}
    return Reading(name, parts, certainty, tuple(c for c in columns if c not in used))


def _chat_columns(columns: Sequence[str], sample: Sample) -> list[str]:
    """List the columns most of whose cells hold conversations."""

    def talks(column: str) -> Iterator[bool]:
        name = column.strip().lower()
        return (may_be_chat(name, cell) for cell in sample[column] if not missing(cell))

    return [c for c in columns if (seen := list(talks(c))) and sum(seen) * 2 > len(seen)]


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool):
        return False
    try:
        return missing(cell) or float(str(cell).strip().replace(",", "")) is not None
    except ValueError:
        return not str(cell).strip()


def _unclear(columns: Sequence[str], part: str, sample: Sample | None) -> UnclearColumns:
    shown = ", ".join(repr(c[:40]) for c in columns[:30])
    what = "no usable column" if part == "auto" else f"--format {part} does not fit"
    lower = {c.strip().lower() for c in columns}
    chats = _chat_columns(columns, sample) if sample is not None else []
    if {"chosen", "rejected"} <= lower:
        return UnclearColumns(
            f"{what}: {shown} are pairs of a preferred and a rejected reply",
            "--format preference trains on the preferred one",
        )
    if len(chats) > 1:
        return UnclearColumns(
            f"{what}: {', '.join(map(repr, chats))} each hold conversations",
            f"name one with --map conversation={chats[0]}",
        )
    inside = sample is not None and any(isinstance(c, dict) for c in sample[columns[0]])
    if len(columns) == 1 and inside:
        return UnclearColumns(
            f"{what}: {shown} holds objects",
            f"name what is in them with {suggested(columns, sample)}",
        )
    if len(columns) == 1 and sample is not None:
        return UnclearColumns(
            f"{what}: {shown} is the only one, and its cells are no conversations (turns with a "
            "role, or text with marks such as '### Human:' and '### Assistant:')",
            f"--response-column {columns[0]} trains on all of it as replies without a prompt",
        )
    said = [c for c in columns if c.strip().lower() in SPEAKERS]
    if said and sample is not None and all(_is_role(cell) for cell in sample[said[0]]):
        return UnclearColumns(
            f"{what}: there are {shown}; a row is one turn ({said[0]!r} says who speaks)",
            "write one row a conversation, its turns as a list under 'messages'",
        )
    return UnclearColumns(
        f"{what}: there are {shown}",
        "name two of them with --prompt-column and --response-column, or a prompt of several with "
        + suggested(columns, sample),
    )


def _is_role(cell: Any) -> bool:
    return isinstance(cell, str) and role_of(name_of(cell)) is not None


def may_be_cells(names: Sequence[str]) -> bool:
    """Return whether names of columns look like the cells of a row."""
    return any(" " in name.strip() or len(name) > 30 or name.strip().isdecimal() for name in names)
