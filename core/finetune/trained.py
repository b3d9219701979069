"""The model of a sealed fine-tune, loaded again: whole, or an adapter over the model it was on."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.finetune.artifact import weights
from core.model import loading
from core.model.pool_texts import pool_texts
from core.workspace.artifact import Artifact

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def adapter_of(made: Artifact) -> pathlib.Path | None:
    """Return the folder of a fine-tune's adapter; None where it trained the whole model."""
    folder = weights(made.path, "lora")
    return folder if folder.is_dir() else None


def load_base(
    made: Artifact, *, frozen: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load what a fine-tune began with, as it was before any step.

    Args:
        made: The fine-tune.
        frozen: Whether it is to be used as it is: in bf16 on a GPU. In fp32 otherwise.

    Raises:
        InputError: it is not there any more, or its folder changed since.
    """
    config = made.config
    if loading.changed_since(config["model"], made.id, made.manifest["created"]):
        raise InputError(
            f"{config['model']} changed after {made.name} was trained on it, so it is not what it "
            "began with any more; bring its files of then back"
        )
    texts = pool_texts(made.ancestor("dataset"), config["model"], config["template"])
    return loading.load(config["model"], seed=config["seed"], texts=texts, frozen=frozen)


def load_trained(made: Artifact, *, frozen: bool = False) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load what a fine-tune saved: a whole model, or its base with the adapter on it.

    Args:
        made: The fine-tune.
        frozen: As for `load_base`.

    Raises:
        InputError: as `load_base`, where there is an adapter; or its files cannot be read.
    """
    adapter = adapter_of(made)
    if adapter is None:
        return loading.load(str(weights(made.path, "full")), seed=0, frozen=frozen)
    from peft import PeftModel

    base, tokenizer = load_base(made, frozen=frozen)
    return PeftModel.from_pretrained(base, str(adapter)), tokenizer
