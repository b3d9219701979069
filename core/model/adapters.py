"""LoRA adapters: which layers of a model get one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.model import loading
from core.spec import listed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FUSED = ("out_proj", "conv1d", "x_proj", "dt_proj")
"""Layers whose weights a Mamba kernel reads by itself, past any adapter on them."""
UNTAUGHT = 0.2
"""Share of the usual length of an output row below which a token counts as never learned."""
FUSED_IN = ("mamba", "mamba2", "falcon_mamba")
"""Models with such layers."""


def check_targets(spec: str, targets: str) -> None:
    """Refuse adapters that a model's own code would pass by, before anything is loaded.

    Raises:
        InputError: it would.
    """
    base = loading.base_of(spec)
    kind = "" if loading.is_scratch(base) else loading.model_type(base)
    named = [t.strip() for t in targets.split(",")]
    if kind in FUSED_IN and (
        targets in ("all-linear", "attention") or any(t.split(".")[-1] in FUSED for t in named)
    ):
        raise InputError(
            f"{spec} is a {kind} model, whose code passes by a LoRA adapter on any layer but "
            "in_proj; use --lora-targets in_proj, or --method full"
        )


def untaught_end(model: PreTrainedModel, tokenizer: Any) -> str:
    """Say that a base never learned its end token, which an adapter leaves as it is; else nothing.

    Its row of the output layer is then far shorter than others: the model hardly learns to stop.
    """
    import torch

    head, end = model.get_output_embeddings(), tokenizer.eos_token_id
    weight = getattr(head, "weight", None)
    if weight is None or end is None or not weight.is_floating_point() or end >= len(weight):
        return ""
    sizes = torch.linalg.vector_norm(weight.detach(), dim=1, dtype=torch.float32)
    if float(sizes[end]) >= UNTAUGHT * float(sizes.median()):
        return ""
    return (
        f"this base never learned {tokenizer.eos_token!r}, which ends an answer, and an adapter "
        "leaves it as it is: answers may not stop; use --method full or a base that knows it"
    )


def with_adapter(
    model: PreTrainedModel,
    seed: int,
    *,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.0,
    targets: str = "all-linear",
    rslora: bool = False,
    embeddings: bool = False,
) -> Any:
    """Return the model with a fresh LoRA adapter, the only part that will train.

    One that has an adapter already keeps it, to be trained on.

    Args:
        model: Changed in place.
        rank: Of the adapter's matrices.
        alpha: The adapter counts alpha / rank times.
        dropout: Share of the adapter's inputs left out.
        targets: all-linear, attention, or ends of names with commas between.
        rslora: Count alpha / sqrt(rank) times instead.
        embeddings: Train embeddings and output layer in full and save them with the adapter; tied
            ones stay tied.

    Raises:
        InputError: no layer is called so.
    """
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import set_seed

    if isinstance(model, PeftModel):
        return model

    chosen = targets if targets == "all-linear" else _layers(model, targets)
    set_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=int(alpha) if float(alpha).is_integer() else alpha,  # type: ignore[arg-type]
        lora_dropout=dropout,
        target_modules=chosen,
        use_rslora=rslora,
        **(_embeddings(model) if embeddings else {}),
    )
    return get_peft_model(model, config)  # type: ignore[arg-type]


def _embeddings(model: PreTrainedModel) -> dict[str, Any]:
    """Return what of an adapter's config trains embeddings and output layer in full."""
    first, last = model.get_input_embeddings(), model.get_output_embeddings()
    tied = last is not None and getattr(last, "weight", None) is getattr(first, "weight", first)
    layers = [first] if tied or last is None else [first, last]
    names = [n.split(".")[-1] for n, layer in model.named_modules() if layer in layers]
    return {"modules_to_save": names, "ensure_weight_tying": tied}


def _layers(model: PreTrainedModel, targets: str) -> list[str]:
    """Return the ends of the names of the layers meant, enough to tell them from others.

    Raises:
        InputError: there is no such layer.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    linear = {
        ".".join(name.split(".")[-2:])
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear | Conv1D) and layer is not head
    }
    if targets == "attention":
        attention = sorted(n for n in linear if re.search("att", n.split(".")[0]))
        if not attention:
            raise InputError(
                f"{type(model).__name__} has no attention layers; use --lora-targets all-linear"
            )
        return attention
    named = listed(targets)
    for one in named:
        if not any(n == one or n.split(".")[-1] == one for n in linear):
            known = ", ".join(sorted({n.split(".")[-1] for n in linear}))
            raise InputError(
                f"{type(model).__name__} has no linear layer {one!r} for --lora-targets; "
                f"it has {known}"
            )
    if not named:
        raise InputError("--lora-targets is all-linear, attention, or names with commas between")
    return named
