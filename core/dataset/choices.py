"""The choices of a question, as lines of its prompt."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import Any

from core.dataset.cells import missing, structure, text
from core.dataset.readers import SkippedRow

LABEL = re.compile(r"\(?[A-Ea-e][).:]?|")
LABELLED = re.compile(r"\s*\(?[A-Za-z0-9]{1,2}[).:]")


def from_one(choices: Iterable[Any], answers: Iterable[Any]) -> bool:
    """Say whether the answers of a dataset count its choices from 1: one names the last, none 0."""
    last = False
    for choice, answer in zip(choices, answers, strict=False):
        value = structure(choice)
        if not isinstance(value, list) or not _index(answer):
            continue
        said = [text(item) for item in value if isinstance(item, str | int | float)]
        if text(answer) in said:
            continue
        if int(text(answer)) == 0:
            return False
        last |= int(text(answer)) == len(value)
    return last


def names_one(options: Sequence[Any], answer: Any) -> bool:
    """Say whether an answer is a label, a number or the text of a choice."""
    said = text(answer).strip()
    return bool(_index(answer) or LABEL.fullmatch(said) or said in map(text, options))


def listed(choices: Any, answer: Any, first: int = 0) -> str:
    """Return choices as a line each, labelled as the answer names them.

    Labels are the data's own where it has some; else numbers from `first` where the answer is such
    a number, and not one of the choices; else A, B, C.

    Raises:
        SkippedRow: a number that is the answer names no choice.
    """
    value = structure(choices)
    if missing(value):
        return ""
    if isinstance(value, dict):
        texts, labels = value.get("text"), value.get("label")
        if isinstance(texts, list) and isinstance(labels, list) and len(texts) == len(labels):
            value = dict(zip(map(text, labels), texts, strict=True))
        pairs = [(str(label), said) for label, said in value.items() if not missing(said)]
        return "\n".join(f"{label}. {text(said)}" for label, said in pairs)
    if not isinstance(value, list):
        return text(value)
    said = [text(item) for item in value]
    if said and all(map(LABELLED.match, said)):
        return "\n".join(said)
    labels = list(string.ascii_uppercase[: len(said)])
    if _index(answer) and text(answer) not in said:
        labels = [str(i + first) for i in range(len(said))]
        if text(answer).strip() not in labels:
            raise SkippedRow("answer names none of the choices")
    if len(labels) < len(said):
        labels = [str(i + 1) for i in range(len(said))]
    return "\n".join(f"{label}. {line}" for label, line in zip(labels, said, strict=True))


def _index(answer: Any) -> bool:
    plain = isinstance(answer, int) and not isinstance(answer, bool)
    return plain or (isinstance(answer, str) and answer.strip().removeprefix("-").isdecimal())
