"""Multiple choice by likelihood: which of the given texts a model takes for the likeliest reply.

Nothing is generated. As it is, the sum of the log likelihoods of a choice's tokens counts, so short
choices are favoured; normalised, it is divided by the choice's length in bytes, as the LM
evaluation harness does for `acc_norm`. What the template writes after a reply is the same for all
choices and is part of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.arrays import Float64s
from core.model.conversation import Turn
from core.model.encoding import encode
from core.model.loading import positions
from core.model.rendering import Render
from core.model.scoring import score
from core.model.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Chosen(NamedTuple):
    """Which choice a model takes, by both rules; -1 where one does not fit into the model."""

    likeliest: int
    by_length: int
    """After dividing by the length in bytes."""
    likelihoods: tuple[float, ...]
    """Log likelihood of each choice, nats."""


def choose(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    render: Render,
    template: str,
    talks: Sequence[list[Turn]],
    choices: Sequence[Sequence[str]],
) -> list[Chosen]:
    """Return what a model chooses.

    Args:
        talks: What is said before the reply, one a question.
        choices: The texts to choose from, of each question.
    """
    whole = [
        [*talk, Turn(role="assistant", content=said)]
        for talk, several in zip(talks, choices, strict=True)
        for said in several
    ]
    if not whole:
        return []
    sums = likelihoods(model, tokenizer, render, template, whole)
    out, start = [], 0
    for several in choices:
        own = sums[start : start + len(several)]
        start += len(several)
        size = np.array([max(1, len(said.encode())) for said in several])
        fits = bool(np.isfinite(own).all())
        out.append(
            Chosen(
                int(own.argmax()) if fits else -1,
                int((own / size).argmax()) if fits else -1,
                tuple(map(float, own)),
            )
        )
    return out


def likelihoods(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    render: Render,
    template: str,
    talks: list[list[Turn]],
) -> Float64s:
    """Return the log likelihood of each conversation's replies, nats; NaN where one is cut."""
    encoded = encode(tokenizer, render, talks, template)
    ids = np.concatenate([ids for ids, _ in encoded]).astype(np.uint32)
    spans = np.array([s for _, own in encoded for s in own], np.int64).reshape(-1, 2)
    tokens = Tokens(
        ids,
        np.concatenate([[0], np.cumsum([len(ids) for ids, _ in encoded])]),
        spans,
        np.concatenate([[0], np.cumsum([len(own) for _, own in encoded])]),
        positions(model),
    )
    lengths = tokens.response_lengths()
    cut = tokens.cut(2**31).response_lengths() > lengths
    losses = score(model, tokens, np.arange(len(tokens))).losses.astype(np.float64)
    out: Float64s = np.where(cut | (lengths == 0), np.nan, -losses * lengths)
    return out
