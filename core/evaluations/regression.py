"""The regression suite: small skills that a fine-tune on another task may undo.

Four kinds of a dozen generated items, the same ones always; a model is asked before and after its
training. A dozen says when a skill is gone, not how good it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import NamedTuple

from core.evaluations.shapes import Item

EACH = 12
SEED = 0
NOUNS = ("apple", "river", "stone", "lamp", "garden", "window", "paper", "bridge", "cloud", "spoon")
KINDS = {
    "Which of these is an animal?": ("horse", ("chair", "cloud", "spoon")),
    "Which of these is a colour?": ("green", ("table", "seven", "bread")),
    "Which of these is a number?": ("eleven", ("yellow", "forest", "kitchen")),
    "Which of these can be eaten?": ("bread", ("hammer", "pencil", "carpet")),
    "Which of these is a month?": ("April", ("Monday", "winter", "London")),
    "Which of these is a part of the body?": ("elbow", ("window", "ticket", "planet")),
}


def items() -> list[Item]:
    """Return the suite, its kinds as sources."""
    rng = random.Random(SEED)
    return [*_arithmetic(rng), *_choice(rng), *_copying(rng), *_format(rng)]


def _arithmetic(rng: random.Random) -> list[Item]:
    out = []
    for i in range(EACH):
        a, b = rng.randint(2, 20), rng.randint(2, 20)
        a, b = max(a, b), min(a, b)
        sign, value = (("+", a + b), ("-", a - b), ("*", a * b))[i % 3]
        out.append(Item(f"What is {a} {sign} {b}?", f"{value}", source="arithmetic"))
    return out


def _choice(rng: random.Random) -> list[Item]:
    out = []
    for i in range(EACH):
        question, (right, wrong) = list(KINDS.items())[i % len(KINDS)]
        choices = rng.sample((right, *wrong), 4)
        asked = f"{question} {', '.join(choices)}."
        out.append(Item(asked, right, right, "choice", tuple(choices), "choice"))
    return out


def _copying(rng: random.Random) -> list[Item]:
    out = []
    for i in range(EACH):
        said = " ".join(rng.sample(NOUNS, 3 + i % 3))
        question = f"Repeat these words and write nothing else: {said}"
        out.append(Item(question, said, source="copying", verifier="text"))
    return out


def _format(rng: random.Random) -> list[Item]:
    out = []
    for i in range(EACH):
        one, two = rng.sample(NOUNS, 2)
        question, pattern = (
            (
                f'Answer with a JSON object whose only key is "{one}" and whose value is 1.',
                rf'^\s*(?:```json\s*)?\{{\s*"{re.escape(one)}"\s*:\s*1\s*\}}\s*(?:```)?\s*$',
            ),
            (
                f"Write the words {one} and {two}, a line each, and nothing else.",
                rf"(?i)^\s*{one}\s*\n\s*{two}\s*$",
            ),
            (f"Write {one} in capital letters and nothing else.", rf"^\s*{one.upper()}\W*$"),
        )[i % 3]
        out.append(Item(question, pattern, source="format", verifier="regex"))
    return out


class Change(NamedTuple):
    """How many items of one kind were right before and after a training."""

    kind: str
    before: int
    after: int
    items: int


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> list[Change]:
    """Return the kinds in order, with what was right of each: kind -> items right."""
    return [
        Change(kind, before.get(kind, 0), after.get(kind, 0), EACH)
        for kind in ("arithmetic", "choice", "copying", "format")
    ]


def sentence(changes: list[Change]) -> str:
    """Say what the training made worse, with counts."""
    worse = [
        f"{c.kind} ({c.after} of {c.items} right, {c.before} before)"
        for c in changes
        if c.after < c.before
    ]
    if worse:
        return f"The training made worse: {', '.join(worse)}"
    if not any(c.before for c in changes):
        return "The regression suite can show nothing: the model had none of it right before"
    return "The training made nothing of the regression suite worse"
