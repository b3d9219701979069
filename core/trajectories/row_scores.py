"""What a row's trajectory looks like, in a few numbers: level, fall, forgetting, data map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Losses


class Quantity(NamedTuple):
    """A number that is known of every row."""

    title: str
    unit: str

    @property
    def axis(self) -> str:
        return f"{self.title} ({self.unit})"


LOSS = "nats per response token"
QUANTITIES = {
    "first_loss": Quantity("first loss", LOSS),
    "final_loss": Quantity("final loss", LOSS),
    "drop": Quantity("loss drop", LOSS),
    "forgetting": Quantity("forgetting", "upward moves of the loss"),
    "confidence": Quantity("confidence", "mean probability of a token"),
    "variability": Quantity("variability", "deviation of the probability"),
    "difficulty": Quantity("difficulty", "mean loss while training"),
    "n_response": Quantity("response tokens", "tokens"),
    "n_tokens": Quantity("prompt and response", "tokens"),
}
"""Column -> what it is called wherever it is shown, and its unit."""


def labels(*names: str) -> dict[str, str]:
    """Return label -> column, for a choice of quantities; a label stands in shared links."""
    return {QUANTITIES[name].title.capitalize(): name for name in names}


SCORES = ("first_loss", "final_loss", "drop", "forgetting", "confidence", "variability")
TOLERANCE = 0.1
"""Nats per response token that a loss must rise by to count as forgetting: smaller moves are mostly
the noise of one batch."""
CHUNK = 65_536
"""Rows computed at a time, so that nothing as large as the losses is held beside them."""


def scores(losses: Losses, *, start: bool = True, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Describe every row's trajectory; a row with a loss that is not finite is NaN throughout.

    Columns, float32:
        first_loss, final_loss: nats per response token at the first and the last recording.
        drop: first_loss - final_loss.
        forgetting: moves upward by more than `tolerance` from one recording after training began
            to the next (the loss form of Toneva et al. 2019, who count right turning wrong). A
            count, not the height of the moves, as the `forgetting` selector is defined.
        confidence, variability: mean and standard deviation over t > 0 of exp(-loss), the
            (geometric) mean probability of a response token (data map of Swayamdipta et al. 2020,
            who take the probability of a class).

    Args:
        losses: Nats per response token (n_rows, n_checkpoints).
        start: Whether the first column is from before training (t = 0).
        tolerance: Nats per response token.
    """
    after = 1 if start and losses.shape[1] > 1 else 0
    out = np.full((len(SCORES), len(losses)), np.nan, np.float32)
    for at in range(0, len(losses), CHUNK):
        part = np.asarray(losses[at : at + CHUNK], np.float32)
        measured = np.isfinite(part).all(1)
        x = part[measured]
        probability = np.exp(-x[:, after:])
        out[:, at : at + CHUNK][:, measured] = [
            x[:, 0],
            x[:, -1],
            x[:, 0] - x[:, -1],
            (np.diff(x[:, after:], axis=1) > tolerance).sum(1),
            probability.mean(1),
            probability.std(1),
        ]
    return pd.DataFrame(dict(zip(SCORES, out, strict=True)), copy=False)
