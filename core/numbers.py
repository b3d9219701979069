"""Numbers as people write them on a command line, in a form or in a file."""

from __future__ import annotations

import re
from typing import Any

LARGEST = {int: 2**31, float: 1e15}
"""What a number may be at most where nothing else is declared: more is a slip of the hand."""
NUMBERS = {
    int: re.compile(r"[+-]?[0-9]+"),
    float: re.compile(
        r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|(?i:inf|nan))"
    ),
}
"""How numbers are written: Python takes digits of any script, and underscores between them."""


def number(text: str, kind: type) -> Any:
    """Return the number in a text.

    Raises:
        ValueError: it holds none, or one that is not written in the digits 0 to 9.
    """
    if not NUMBERS[kind].fullmatch(text.strip(" ")):
        raise ValueError(text)
    return kind(text)
