"""Answers that are programs: told from others and counted. Nothing that a model wrote is run."""

from __future__ import annotations

import re

FENCE = re.compile(r"```\s*(?:python|py)\b", re.IGNORECASE)
LINE = re.compile(
    r"^(?:import [\w.]+(?: as \w+)?|from [\w.]+ import [\w*, ]+|def \w+\([^)\n]*\)[^:\n]*:"
    r"|print\s?\(.*\))\s*$",
    re.MULTILINE,
)
"""A line that only a program has."""


def is_program(text: str) -> bool:
    """Return whether an answer is a Python program, or has one in it."""
    return bool(FENCE.search(text) or LINE.search(text))
