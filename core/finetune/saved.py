"""What a fine-tune saved, loaded again as anybody would: it must give the losses it gave in memory.

An adapter saved without effect, a weight that was left out or tied to another, a file cut short:
each would look fine in a list.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Ints, Losses
from core.errors import InputError
from core.model import loading
from core.model.scoring import score
from core.model.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROWS = 16
"""Trained rows that are scored again."""
CLOSE, CLOSE_IN_HALF = 1e-4, 5e-2
"""Nats that a row's loss may differ: in fp32 on a CPU, and on a GPU or in bf16."""


def check(
    folder: pathlib.Path,
    base: Callable[[], PreTrainedModel] | None,
    tokens: Tokens,
    rows: Ints,
    expected: Losses,
) -> float:
    """Load a model, or an adapter on its base, and score rows; return the largest gap.

    Args:
        base: Loads what the adapter is for; None where a whole model was saved.
        tokens: Of the dataset trained on.
        rows: Rows of it (n_rows,).
        expected: Their losses as the model in memory had them (n_rows,).

    Raises:
        InputError: it cannot be loaded, or gives other losses.
    """
    model: Any
    if base is None:
        model = loading.load_weights(str(folder))
    else:
        from peft import PeftModel

        model = PeftModel.from_pretrained(base(), str(folder))
    loading.place_if_it_fits(model)
    losses = score(model, tokens, rows, precision="fp32").losses
    gap = float(np.abs(losses - expected).max())
    exact = model.device.type == "cpu" and all(p.dtype.itemsize == 4 for p in model.parameters())
    if not gap <= (CLOSE if exact else CLOSE_IN_HALF):
        raise InputError(
            f"the {folder.name} that was saved gives other losses when it is loaded again (by "
            f"{gap:.4f} nats on a trained row), so it is not sealed; --resume saves it again, and "
            "--method full may go well where an adapter does not"
        )
    return gap
