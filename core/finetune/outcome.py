"""What training did to the rows it was given: a run that ends worse than it began is named."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.arrays import Ints
from core.errors import InputError
from core.finetune.artifact import Trained
from core.jobs.failures import tenth
from core.model import loading
from core.model.output_layer import whole
from core.model.scoring import score
from core.model.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOOKED_AT = 64
"""Trained rows scored before and after, spread over all of them."""


def some(rows: Ints) -> Ints:
    """Return the rows that are looked at, spread over all."""
    at = np.unique(np.linspace(0, len(rows) - 1, LOOKED_AT).astype(np.int64))
    return rows[at]


class Before(NamedTuple):
    """Some of the rows to be trained, and their loss before."""

    tokens: Tokens
    rows: Ints
    loss: float
    """Mean over the rows, nats per response token."""

    @classmethod
    def of(cls, model: PreTrainedModel, tokens: Tokens, rows: Ints) -> Before:
        """Score some rows with the model as it is before any step, after a resume too."""
        looked_at = some(rows)
        return cls(tokens, looked_at, _loss(model, tokens, looked_at))

    def after(self, model: PreTrainedModel, lr: float) -> Trained:
        """Return what a summary says of the training: losses of these rows, model, and a warning.

        `warning` is empty where the loss did not rise.

        Raises:
            InputError: the model gives no number any more.
        """
        now = _loss(model, self.tokens, self.rows)
        if not math.isfinite(now):
            raise InputError(
                f"the trained model gives a loss of {now} on the rows it was trained on, so it is "
                f"not sealed; use a smaller --lr than {lr:g}",
                failure="nan",
                fix=tenth(lr),
            )
        worse = not now <= self.loss
        return {
            "model_class": type(whole(model)).__name__,
            "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "trained_rows_loss": [round(self.loss, 4), round(now, 4)],
            "warning": (
                f"The training made the model worse on its own rows: {self.loss:.2f} nats before, "
                f"{now:.2f} after. Use a smaller --lr than {lr:g}."
                if worse
                else ""
            ),
        }


def _loss(model: PreTrainedModel, tokens: Tokens, rows: Ints) -> float:
    loading.place_if_it_fits(model)
    return float(score(model, tokens, rows).losses.mean())
