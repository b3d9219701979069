"""One cell of a table: as text, or as the list or object that its text holds.

A model reads text, so every cell becomes text in one stated way: texts verbatim, numbers as Python
writes them, yes and no as true and false, dates in ISO form, lists and objects as JSON.
"""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import json
import math
import re
import warnings
from collections.abc import Iterable
from typing import Any

from core.dataset.readers import JSON, SkippedRow

LONGEST_LITERAL = 1_000_000
"""Characters of a Python literal that are read; parsing takes some hundred times their memory."""
PRINTED_ARRAY = re.compile(r"\}\s*\n\s*\{")
"""Between two objects of a printed array, where a list has a comma. A line break inside a text is
written as two characters there, so this never lies within one."""
WRITTEN_AS = {
    bool: "true or false",
    list: "JSON",
    dict: "JSON",
    dt.date: "dates as 2026-01-31",
    dt.datetime: "dates as 2026-01-31",
}
"""Kind of cell -> how it is written as text, where that is worth a word."""


def text(value: Any) -> str:
    """Return a cell as text, "" for a missing one.

    Raises:
        SkippedRow: it is no text.
    """
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # a lone surrogate
                raise SkippedRow("not text") from None
        return value
    if missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | decimal.Decimal):
        return str(value)
    if isinstance(value, list | dict):
        return text(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    raise SkippedRow("not text (binary data)" if isinstance(value, bytes) else "not text")


def missing(value: Any) -> bool:
    """Return whether a cell is empty: null or not a number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def written_as(kinds: Iterable[type]) -> str:
    """Say how cells of these kinds are written as text; "" where all are texts or numbers."""
    return ", ".join(sorted({WRITTEN_AS[k] for k in set(kinds) if k in WRITTEN_AS}))


def paragraphs(cell: Any) -> str:
    """Return a cell as text, the passages of a list with a blank line between."""
    value = cell
    if isinstance(value, dict) and isinstance(value.get("contexts"), list):  # PubMedQA
        value = value["contexts"]
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n\n".join(map(text, value))
    return text(cell)


def is_answers(cell: Any) -> bool:
    """Return whether a cell holds accepted answers: as SQuAD has them, or TriviaQA."""
    value = structure(cell) if isinstance(cell, str) and cell.lstrip()[:1] == "{" else cell
    if not isinstance(value, dict):
        return False
    lists = all(isinstance(part, list) for part in value.values())
    of_one = isinstance(value.get("value"), str) and isinstance(value.get("aliases"), list)
    return of_one or (isinstance(value.get("text"), list) and lists)


def are_answers(cell: Any) -> bool:
    """Return whether a cell lists accepted answers: texts, or objects with a text each."""
    value = structure(cell)
    return isinstance(value, list) and all(
        isinstance(item, str) or (isinstance(item, dict) and isinstance(item.get("text"), str))
        for item in value
    )


def first_answer(cell: Any) -> str:
    """Return the first of the accepted answers, "" where a question has none."""
    value = structure(cell)
    if isinstance(value, list):
        return text(value[0]["text"] if isinstance(value[0], dict) else value[0]) if value else ""
    texts = [value["value"]] if "value" in value else value["text"]
    return text(texts[0]) if texts else ""


def structure(value: Any) -> Any:
    """Return the list or object that a text holds, as JSON or as Python prints it; else the value.

    pandas writes lists into CSV files as Python prints them, and arrays without their commas.
    """
    if not isinstance(value, str):
        return value
    bare = value.strip()
    if bare[:1] not in ("[", "{"):
        return value
    try:
        return JSON.decode(bare)
    except (ValueError, RecursionError):
        return _literal(bare) or value


def _literal(bare: str) -> Any:
    if len(bare) > LONGEST_LITERAL:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            return ast.literal_eval(PRINTED_ARRAY.sub("}, {", bare))
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return None
