"""Memory of answers that are written at once: the keys and values of all that was read and written.

A small model's are small beside its training; a large one's, 64 answers long, may be larger than
the model. So there are as many at once as a part of the free memory holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.model.output_layer import whole
from core.training import fit_budget, fit_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHARE = 0.5
"""Of the free memory, for keys and values: they are copied as they grow."""


def bytes_a_token(model: PreTrainedModel) -> float:
    """Return what one token of one answer holds in all layers, at most."""
    config = whole(model).config.get_text_config()
    heads = int(getattr(config, "num_attention_heads", 0) or 1)
    size = int(getattr(config, "head_dim", 0) or int(config.hidden_size) // heads)
    kept = int(getattr(config, "num_key_value_heads", 0) or heads)
    return 2.0 * int(config.num_hidden_layers) * kept * size * model.dtype.itemsize


def at_once(model: PreTrainedModel, n: int, tokens: int) -> int:
    """Return how many of n answers can be written at once, each of so many tokens read and written.

    One at least.
    """
    free = max(0.0, fit_budget.allowed() - fit_memory.in_use())
    return max(1, min(n, int(SHARE * free / (bytes_a_token(model) * tokens))))
