"""What a fine-tune writes, and whether there is room for it: asked before it begins."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.errors import InputError
from core.finetune.settings import Settings
from core.training.fit_disk import free, needed
from core.training.fit_memory import gib
from core.workspace.store import Workspace

BEST = 2
"""Copies of the best weights so far: the newest, and the one before while it is written."""


class Sizes(NamedTuple):
    """Of a model with its adapter, where it has one."""

    trainable: int
    """Weights."""
    bytes_saved: int
    """Of the weights that are the result."""


def sizes(model: Any, method: str) -> Sizes:
    """Return what of a model trains, and what of it is saved."""
    trained = [p for p in model.parameters() if p.requires_grad]
    written = trained if method != "full" else list(model.parameters())
    return Sizes(
        sum(p.numel() for p in trained), sum(p.numel() * p.element_size() for p in written)
    )


def kept(s: Settings, steps: int) -> int:
    """Return how often weights are kept beside the result."""
    return (steps - 1) // s.keep_every if s.keep_every else 0


def check(workspace: Workspace, model: Any, s: Settings, steps: int) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        model: With its adapter, where it gets one.

    Raises:
        InputError: less is free than is written.
    """
    disk = needed(*sizes(model, s.method), copies(s, steps))
    left = free(workspace.root)
    if disk.total > left:
        fewer = "keep fewer weights with --keep-every 0, " if s.keep_every else ""
        raise InputError(
            f"the run writes {disk} and {gib(left)} are free on the disk of {workspace.root}; "
            f"{fewer}free some space, or take a workspace on another disk with --workspace",
            failure="disk-full",
        )


def copies(s: Settings, steps: int) -> int:
    """Return how many copies of the weights stand beside the result at most."""
    return kept(s, steps) + (BEST if s.keep == "best" else 0)
