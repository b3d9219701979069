"""Presets of a fine-tune: values that go together, fitted to a model and a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from core.model import loading
from core.training.settings import PAPER

PAPER_TARGET = {**PAPER, "model": "microsoft/phi-2"}
"""Target settings of arXiv 2403.07384: the proxy's, on a 40 times larger model."""
PAPER_VALUES = {
    **PAPER_TARGET,
    "method": "full",
    "lr_schedule": "cosine",
    "warmup": 0.03,
    "weight_decay": 0.0,
}
"""What the paper says of a setting, its defaults included."""


class Preset(NamedTuple):
    """One preset, as a page offers it."""

    title: str
    sentence: str
    values: Callable[[str, str], dict[str, Any]]
    """(model, method) -> setting -> value; every other setting has its default."""


def _quick(model: str, method: str) -> dict[str, Any]:
    if loading.is_scratch(model):
        return {"steps": 60, "batch_size": 16, "decode": 20}
    return {"steps": 20, "batch_size": 8, "max_length": 512, "decode": 20}


def _paper(model: str, method: str) -> dict[str, Any]:
    values = {k: v for k, v in PAPER_TARGET.items() if k != "model"}
    if method != "full" or loading.is_scratch(model):  # its rate is for all of a trained model
        del values["lr"]
    return values


PRESETS = {
    "quick": Preset("Quick try", "Minutes, to see that all of it works; proves nothing.", _quick),
    "balanced": Preset("Balanced", "What usually works for this model and method.", lambda *_: {}),
    "paper": Preset(
        "Paper",
        "The values of arXiv 2403.07384; the learning rate only where it fits: all weights of a "
        "model that was trained before.",
        _paper,
    ),
}
"""Name -> preset."""
