"""Answers: what a model said beside what is right.

A new way to judge is one function and one entry in MATCHERS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

EXACT = 0.99
"""A verifier gives less for a partly right answer."""
NUMBER = (
    r"(?:(?<![\w)\]])[-\u2212]\$?)?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:/\d+)?"
)
"""Commas part thousands only; a dash after a word or a number is no sign."""
TestItem = dict[str, Any]
"""One test item: prompt, answer, source, and for the demo task and metadata."""


def extract_number(text: str) -> str:
    r"""Return the final answer of a solution: `\boxed{}`, else `#### n`, else the last number."""
    boxed = text.rfind("\\boxed{")
    if boxed >= 0:
        depth, start = 1, boxed + len("\\boxed{")
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                return _clean_number(text[start:end])
    marked = re.findall(r"####\s*([^\n]+)", text)
    if marked:
        numbers = re.findall(NUMBER, marked[-1])  # "#### 72 apples" is 72
        return _clean_number(numbers[0] if len(numbers) == 1 else marked[-1])
    numbers = re.findall(NUMBER, text)
    return _clean_number(numbers[-1]) if numbers else ""


def _clean_number(text: str) -> str:
    text = re.sub(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))|[$%\s]|\\!|\\ ", "", text).replace("\u2212", "-")
    text = text.rstrip(".")
    decimal = re.fullmatch(r"(-?)0*(\d*)\.(\d*?)0*", text)
    if not decimal:
        return text
    sign, whole, part = decimal.groups()
    return f"{sign}{whole or 0}" + (f".{part}" if part else "")


def _same_number(said: str, entry: TestItem) -> bool:
    wanted, got = extract_number(str(entry["answer"])), extract_number(said)
    try:
        return Fraction(got) == Fraction(wanted)
    except (ValueError, ZeroDivisionError):  # not plain numbers
        return got == wanted if wanted else _same_text(said, entry)


def _same_text(said: str, entry: TestItem) -> bool:
    return " ".join(said.lower().split()) == " ".join(str(entry["answer"]).lower().split())


def _verified(said: str, entry: TestItem) -> bool:
    """Ask the task's own verifier (reasoning-gym)."""
    import reasoning_gym

    check = reasoning_gym.get_score_answer_fn(entry["task"])
    metadata = json.loads(entry["metadata"])
    item = {"question": entry["prompt"], "answer": entry["answer"], "metadata": metadata}
    try:
        return bool(check(said.strip(), item) >= EXACT)
    except Exception:  # some verifiers fall over nonsense instead of scoring it 0
        return False


class Matcher(NamedTuple):
    """A way to judge an answer, and the test sets that are judged so."""

    right: Callable[[str, TestItem], bool]
    """(what the model said, item)."""
    fits: Callable[[pd.DataFrame], bool]
    """Of all items: answer, and verifier where the input has one."""


MATCHERS: dict[str, Matcher] = {
    "reasoning-gym": Matcher(
        _verified, lambda items: bool((items["verifier"] == "reasoning-gym").all())
    ),
    "number": Matcher(
        _same_number,
        lambda items: bool(
            items["answer"].map(lambda a: extract_number(str(a)) != "").mean() >= 0.8
        ),
    ),
    "text": Matcher(_same_text, lambda items: True),
}
"""The first that fits a test set judges it."""


def matcher_of(items: pd.DataFrame) -> str:
    """Return the matcher that a test set asks for."""
    return next(name for name, matcher in MATCHERS.items() if matcher.fits(items))
