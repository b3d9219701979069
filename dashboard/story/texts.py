"""Example texts on a story: short, plain, and hidden by one switch."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

LONGEST = 280
LINES = 8


def draw(
    example: Any, place: str, *, masked: bool, longest: int = LONGEST, lines: int = LINES
) -> None:
    """Show an example in a box, as plain text: what colours code takes longer to load than all."""
    with st.container(border=True, key=f"story-text-{place}"):
        st.text(text_of(example, masked=masked, longest=longest, lines=lines))


def text_of(example: Any, *, masked: bool, longest: int = LONGEST, lines: int = LINES) -> str:
    """Return an example's prompt and response as plain text; masked, only its shape.

    Both are cut where they are long, the response to what the prompt leaves, at least a third.
    """
    prompt, response = str(example["prompt"]), str(example["response"])
    third, few = longest // 3, lines // 3
    prompt = cut(prompt, max(third, longest - len(response)), max(few, lines - few))
    response = cut(response, max(third, longest - len(prompt)), lines - prompt.count("\n") - 1)
    text = f"{prompt}\n→ {response}"
    return re.sub(r"\w", "▒", text) if masked else text


def cut(text: str, longest: int, lines: int) -> str:
    """Return at most so many characters and lines of a text, with a mark where it goes on."""
    short = "\n".join(text.strip().split("\n")[: max(lines, 1)])[:longest]
    return short if len(short) == len(text.strip()) else f"{short.rstrip()} …"
