"""Whether a cell may play a part: names of columns alone would mislead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from core.dataset.cells import are_answers, is_answers, missing, structure
from core.dataset.chat_cells import is_chat, is_texts

LOOKS: dict[str, Callable[[Any], bool]] = {
    "history": lambda cell: is_chat(cell) or _is_empty(cell),
    "tools": lambda cell: isinstance(structure(cell), list | dict) or _is_empty(cell),
    "calls": lambda cell: isinstance(structure(cell), list | dict),
    "prompt": lambda cell: not _is_numbers(cell),
    "response": lambda cell: not _is_numbers(cell),
    "choices": lambda cell: isinstance(cell, str | list | dict) or _is_empty(cell),
}
"""Part -> whether a cell may play it; a column of that name whose cells may not has another use."""


LABEL = re.compile(r"\s*\(?[A-Za-z0-9]{1,2}[).:]?\s*")
ONLY: dict[str, Callable[[Any], bool]] = {
    "answers": lambda cell: is_answers(cell) or are_answers(cell),
    "short_answers": lambda cell: is_answers(cell) or are_answers(cell),
    "correct": lambda cell: isinstance(cell, str) and LABEL.fullmatch(cell) is not None,
}
"""Column -> whether a cell of it may be a reply, for names that often have another use."""


def _is_empty(cell: Any) -> bool:
    return missing(cell) or structure(cell) == [] or (isinstance(cell, str) and not cell.strip())


def _is_numbers(cell: Any) -> bool:
    """Return whether a cell is a list of numbers, such as tokens: these are no text."""
    whole = isinstance(cell, list) and len(cell) > 0
    return whole and all(isinstance(item, int | float) for item in cell)


def may_be_chat(name: str, cell: Any) -> bool:
    """Return whether a cell may hold a conversation, for a column of this name."""
    return is_chat(cell) or (name in TALKS and is_texts(cell))


TALKS = {"messages", "conversations", "conversation", "dialog", "dialogue", "dialogs", "turns"} | {
    *("data", "chat", "utterances", "contents")
}
"""Names of columns in which a list of texts is a conversation, the person first."""
