"""A conversation as a person reads it: its tokens, each with its part in training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from core.model.conversation import Turn
from core.model.rendering import Render
from core.model.spans import render_spans
from core.model.tokens import token_spans


class Piece(NamedTuple):
    """A token as a person reads it."""

    text: str
    """Its characters; several tokens that share one character are one piece."""
    role: str
    """read, trained, or cut: beyond the maximum length."""


def pieces(
    tokenizer: Any,
    render: Render,
    messages: list[Turn],
    template: str,
    max_length: int = 2**31,
) -> list[Piece]:
    """Split what a model sees of a conversation into its tokens, each with its part in training.

    Raises:
        Refused: the template cannot render it.
    """
    text, char_spans = render_spans(render, messages, template)
    [encoding] = tokenizer([text], add_special_tokens=False, verbose=False).encodings
    trained = np.zeros(len(encoding), bool)
    for first, last in token_spans(encoding, char_spans):
        trained[max(first, 1) : last] = True
    out: list[Piece] = []
    end = 0
    for i, (_, stop) in enumerate(encoding.offsets):
        if stop <= end:  # a later byte of a character that is already shown
            continue
        role = "cut" if i >= max_length else "trained" if trained[i] else "read"
        out.append(Piece(text[end:stop], role))
        end = stop
    return [*out, Piece(text[end:], "read")] if end < len(text) else out
