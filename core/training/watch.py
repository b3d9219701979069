"""What is looked at while a model trains, and what follows from it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from core.arrays import Ints
from core.model.tokens import Tokens
from core.workspace.files import read_jsonl

LOOKS = "looks.jsonl"
"""Of each look: step, loss (held out), answers to fixed prompts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watch:
    """What to look at, and what follows from it."""

    tokens: Tokens
    rows: Ints
    """Held-out rows of them (n_rows,), each with a response."""
    every: int
    """Steps between two looks, of which the last step is one, and step 0; 0 never."""
    answers: Callable[[], list[dict[str, Any]]] = list
    """Gives the model's answers to the fixed prompts."""
    patience: int = 0
    """Looks in a row without a lower loss that end the training; 0 never."""
    best: bool = False
    """Whether the weights of the look with the lowest loss are put back at the end."""
    precision: str = "auto"
    keep: tuple[int, Callable[[int], None]] = (0, lambda step: None)
    """Steps between weights that are kept for good (0 none), and what saves them."""


def load_looks(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Return what was seen on the way of a run, in order; nothing where it was not looked at."""
    return [look for look in read_jsonl(folder / LOOKS) if isinstance(look.get("step"), int)]
