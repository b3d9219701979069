"""The model of a sealed fine-tune, loaded again: whole, or an adapter over the model it was on."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.finetune.artifact import weights
from core.model import loading, methods
from core.model.pool_texts import pool_texts
from core.workspace.artifact import Artifact

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def adapter_of(made: Artifact) -> pathlib.Path | None:
    """Return the folder of a fine-tune's adapter; None where it trained the whole model."""
    folder = weights(made.path, "lora")
    return folder if folder.is_dir() else None


def base_run(model: str, beside: Artifact) -> Artifact | None:
    """Return the fine-tune that a model's name means; None where it means no artifact.

    Args:
        model: As `--model` has it.
        beside: Any artifact of the workspace.

    Raises:
        InputError: the artifact of this id is no finished fine-tune.
    """
    if not re.fullmatch(r"\d{8}-\d{9}-[0-9a-f]{4}", model) or pathlib.Path(model).exists():
        return None
    return beside.open(model, "finetune")


def load_base(
    made: Artifact, *, frozen: bool = False, precision: str = "auto", four_bits: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load what a fine-tune began with, as it was before any step; what its adapter is for.

    An adapter that went on from another fine-tune's adapter is for the same model as that.

    Args:
        frozen: Whether it is to be used as it is: in bf16 on a GPU. In fp32 otherwise.
        precision: As `core.model.loading.load` takes it.
        four_bits: Likewise.

    Raises:
        InputError: it is not there any more, or its folder changed since.
    """
    config = made.config
    how: dict[str, Any] = {"frozen": frozen, "precision": precision, "four_bits": four_bits}
    if base := base_run(config["model"], made):
        if adapter_of(base) and adapter_of(made):
            return load_base(base, **how)
        return load_merged(base, **how)
    if loading.changed_since(config["model"], made.id, made.manifest["created"]):
        raise InputError(
            f"{config['model']} changed after {made.name} was trained on it, so it is not what it "
            "began with any more; bring its files of then back"
        )
    texts = pool_texts(made.ancestor("dataset"), config["model"], config["template"])
    return loading.load(config["model"], seed=config["seed"], texts=texts, **how)


def load_merged(made: Artifact, **how: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load what a fine-tune saved as one model, an adapter merged into its base.

    Args:
        how: As for `load_base`.

    Raises:
        InputError: as `load_trained`.
    """
    adapter = adapter_of(made)
    if adapter is None:
        return loading.load(str(weights(made.path, "full")), seed=0, **how)
    from peft import PeftModel

    base, tokenizer = load_base(made, **how)
    merged: Any = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    return merged.requires_grad_(True), tokenizer


def load_trained(made: Artifact, *, frozen: bool = False) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load what a fine-tune saved: a whole model, or its base with the adapter on it.

    Args:
        frozen: As for `load_base`.

    Raises:
        InputError: as `load_base`, where there is an adapter; or its files cannot be read.
    """
    adapter = adapter_of(made)
    if adapter is None:
        return loading.load(str(weights(made.path, "full")), seed=0, frozen=frozen)
    from peft import PeftModel

    base, tokenizer = _under_adapter(made, frozen)
    return PeftModel.from_pretrained(base, str(adapter)), tokenizer


def _under_adapter(made: Artifact, frozen: bool) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load the weights that an adapter was trained on: those of 4 bits as they were rounded.

    Raises:
        InputError: as `load_base`, or there is nothing here that rounds them so.
    """
    if made.config["method"] != methods.QLORA:
        return load_base(made, frozen=frozen)
    if why := methods.available(methods.QLORA):
        raise InputError(
            f"{made.name} was trained on weights in 4 bits, and its adapter fits those alone; on "
            f"this machine they cannot be had: {why}"
        )
    base, tokenizer = load_base(made, frozen=True, four_bits=True)
    whole: Any = base
    return whole.dequantize().float().cpu(), tokenizer
