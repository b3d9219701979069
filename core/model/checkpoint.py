"""Whether what was loaded is what was saved: a model of another kind or not whole is refused.

The library fills what is missing with random weights and goes on.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.jobs.progress import say
from core.workspace.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAMED = 3
"""Weights named in a sentence; of the others the number is said."""


def check_folder(spec: str, folder: pathlib.Path) -> None:
    """Refuse a folder that holds an adapter alone: the library would look for its base elsewhere.

    Raises:
        InputError: it does.
    """
    about = read_json(folder / "adapter_config.json")
    if about is None or any(folder.glob("model*.safetensors")) or any(folder.glob("*.gguf")):
        return
    raise InputError(
        f"{spec} is an adapter for {about.get('base_model_name_or_path') or 'another model'}, and "
        "no model; take that model, the id of the fine-tune that made the adapter, or merge it",
        failure="missing-model",
    )


def check_kind(spec: str, config: Any) -> None:
    """Refuse an encoder with a decoder, which another library class would take apart.

    Raises:
        InputError: it is one.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"{spec} is a {config.model_type} model, an encoder with a decoder, and cannot be "
            "trained here; use a decoder-only one, as scratch:small"
        )


def check_weights(spec: str, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse a model that did not get all its weights from its files, or got NaN; say what is left.

    Raises:
        InputError: weights are missing, have another shape, or are not finite.
    """
    import torch

    lost = _keys(report, "missing_keys")  # one that is tied to another is none of them
    if lost:
        verb = "weight is" if len(lost) == 1 else "weights are"
        raise InputError(
            f"{len(lost):,} {verb} missing from {spec} ({_some(lost)}): its files are not whole; "
            "save or download the model again",
            failure="missing-model",
        )
    if other := _keys(report, "mismatched_keys"):
        raise InputError(
            f"{len(other):,} weights of {spec} have another shape than its config.json says "
            f"({_some(other)}); put the right config.json beside them"
        )
    bad = [n for n, p in model.named_parameters() if not bool(torch.isfinite(p).all())]
    if bad:
        raise InputError(
            f"the model {spec} itself has nan or infinite weights ({_some(bad)}); "
            "save or download it again",
            failure="missing-model",
        )
    if unused := _keys(report, "unexpected_keys"):
        noun = "weight" if len(unused) == 1 else "weights"
        say(
            f"{len(unused):,} {noun} of {spec} have no place in {type(model).__name__} "
            f"and are left out ({_some(unused)})"
        )


def _keys(report: dict[str, Any], what: str) -> list[str]:
    return sorted(k if isinstance(k, str) else str(k[0]) for k in report.get(what) or ())


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + ("..." if len(listed) > NAMED else "")
