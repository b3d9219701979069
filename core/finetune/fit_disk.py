"""How long a disk takes to save a model: some of its weights are written and timed."""

from __future__ import annotations

import pathlib
import tempfile
import time
from typing import TYPE_CHECKING

from core.workspace.files import fsync

if TYPE_CHECKING:
    from transformers import (
        PreTrainedModel,
    )

LARGEST_SAVE = 2**30
"""Bytes of a model that is saved for the time it takes; of a larger one a part of them is."""


def saving(folder: pathlib.Path, model: PreTrainedModel, size: int) -> float:
    """Return the seconds that a byte of a saved model takes, on the workspace's disk."""
    import torch

    with tempfile.TemporaryDirectory(dir=folder) as where:
        began = time.monotonic()
        if size <= LARGEST_SAVE:
            model.save_pretrained(where)
        else:
            torch.save(torch.zeros(LARGEST_SAVE // 8), pathlib.Path(where) / "part")
        files = [p for p in pathlib.Path(where).rglob("*") if p.is_file()]
        for file in files:
            fsync(file)
        written = sum(p.stat().st_size for p in files)
        return (time.monotonic() - began) / max(1, written)
