"""Models that start from random weights: their shapes, and how one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError
from core.model.tokenizers import (
    POSITIONS,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SCRATCH: dict[str, dict[str, int]] = {
    "tiny": {"vocabulary": 1024, "hidden": 96, "layers": 2, "heads": 4, "inner": 256},
    "small": {"vocabulary": 4096, "hidden": 192, "layers": 3, "heads": 6, "inner": 512},
}


def shape_of(spec: str) -> dict[str, int]:
    """Return the shape of a scratch model.

    Raises:
        InputError: there is none of this name.
    """
    name = spec.removeprefix("scratch:")
    if name not in SCRATCH:
        raise InputError(f"no model {spec!r}; from scratch there are {', '.join(SCRATCH)}")
    return SCRATCH[name]


def from_scratch(shape: dict[str, int], tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Make a model of a shape; its weights are drawn from torch's generator."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape["hidden"],
            intermediate_size=shape["inner"],
            num_hidden_layers=shape["layers"],
            num_attention_heads=shape["heads"],
            num_key_value_heads=shape["heads"],
            max_position_embeddings=POSITIONS,
            initializer_range=0.05,  # 0.02 suits widths of 1,000; these are below 200
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
