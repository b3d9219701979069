"""Memory of answers that are written at once: the keys and values of all that was read and written.

A small model's are small beside its training; a large one's, 64 answers long, may be larger than
the model. So there are as many at once as a part of the free memory holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.model.output_layer import whole
from core.training import fit_budget, fit_memory

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SHARE = 0.5
"""Of the free memory, for keys and values: they are copied as they grow."""


def bytes_a_token(model: PreTrainedModel) -> float:
    """Return what one token of one answer holds in all layers, at most; 0 if the shape is odd."""
    config = whole(model).config.get_text_config()
    heads = _most(config, "num_attention_heads") or 1
    size = _most(config, "head_dim") or _most(config, "hidden_size") // heads
    kept = _most(config, "num_key_value_heads") or heads
    return 2.0 * _most(config, "num_hidden_layers") * kept * size * model.dtype.itemsize


def _most(config: PretrainedConfig, name: str) -> int:
    """Return a number of a configuration, of several (one a layer) the largest; 0 without one."""
    held = getattr(config, name, None)
    numbers = held if isinstance(held, list | tuple) else [held]
    return max((int(n) for n in numbers if isinstance(n, int)), default=0)


def at_once(model: PreTrainedModel, n: int, tokens: int) -> int:
    """Return how many of n answers can be written at once, each of so many tokens read and written.

    One at least.
    """
    free = max(0.0, fit_budget.allowed() - fit_memory.in_use())
    one = bytes_a_token(model) * tokens
    return max(1, min(n, int(SHARE * free / one))) if one else n
