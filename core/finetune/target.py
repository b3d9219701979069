"""Targets: the model that rows are chosen for, how it is trained, and what it is tested on.

Declared once for every stage that trains one: a fine-tune, a study's arms, a try on a few rows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.model import loading
from core.settings import Auto, check, setting
from core.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RATES = {"full": 2e-5, "lora": 2e-4}
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Which model, and how it is trained."""

    model: str = setting(
        "scratch:small",
        help="Target: a local directory, a hub id, scratch:tiny or scratch:small",
        label="Target model",
        suggestions=loading.TARGETS,
    )
    method: str = setting(
        "full", help="Train all weights, or a LoRA adapter", choices=("full", "lora")
    )
    lr: float | Auto = setting(
        "auto",
        help="Peak learning rate; auto is 2e-5, LoRA 2e-4, from scratch 3e-3",
        label="Learning rate",
        above=0,
        maximum=1,
        advanced=True,
    )
    batch_size: int = setting(32, help="Rows a step", minimum=1, advanced=True)
    max_length: int | Auto = setting(
        "auto",
        help="Longest row in tokens, longer ones are cut; auto is the 99th percentile",
        minimum=8,
        advanced=True,
    )
    precision: str = setting(
        "auto",
        help="Of the matrix products while training: fp32; bf16, faster where the processor has "
        "it; auto is bf16 on a GPU, fp32 on a CPU",
        choices=loading.PRECISIONS,
        advanced=True,
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tested:
    """On which rows the trained target is tested."""

    eval: str = setting(
        "",
        label="Test set",
        help="Test file or dataset id; the dataset's own held-out rows when empty",
    )
    decode: int = setting(
        500,
        help="Test items answered for exact match, at most; 0 is none",
        minimum=0,
        advanced=True,
    )


def default_lr(model: str, method: str) -> float:
    """Return the learning rate that `auto` stands for."""
    return float(FROM_SCRATCH["lr"]) if loading.is_scratch(model) else RATES[method]


def short(model: str) -> str:
    """Return the last part of a model's path."""
    return model.rstrip("/").rsplit("/", 1)[-1]


def with_adapter(model: PreTrainedModel, seed: int) -> Any:
    """Return the model with a fresh LoRA adapter, the only part that will train."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(seed)  # draws the adapter
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA))  # type: ignore[arg-type]
