"""What a training writes: checkpoints to resume from, weights kept, the final model."""

from __future__ import annotations

import pathlib
import shutil
from typing import NamedTuple

from core.training.checkpoints import MOMENTS
from core.training.fit_memory import gib


class Disk(NamedTuple):
    """Bytes at most."""

    checkpoints: float
    """The newest checkpoint to resume from, and the one before while it is written."""
    kept: float
    """Weights kept beside the result."""
    model: float
    """The result."""

    @property
    def total(self) -> float:
        return self.checkpoints + self.kept + self.model

    def __str__(self) -> str:
        parts = {"checkpoints": self.checkpoints, "kept": self.kept, "model": self.model}
        sizes = ", ".join(f"{name} {gib(size)}" for name, size in parts.items() if size)
        return f"{gib(self.total)} ({sizes})"


def needed(trainable: int, saved: float, kept: int = 0) -> Disk:
    """Return what a run writes.

    Args:
        trainable: Weights that train.
        saved: Bytes of the weights that are saved as its result.
        kept: How often these are kept besides.
    """
    return Disk(2 * (saved + 4.0 * MOMENTS * trainable), kept * saved, saved)


def free(folder: pathlib.Path) -> float:
    """Return the bytes free where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)
