"""Checkpoints of a run: room for one is looked for first, and it is read back before it counts.

The library writes a folder; here its files are checked and flushed, COMPLETE is written last, and
older ones are deleted by step. Resuming takes the newest whole one by its path.
"""

from __future__ import annotations

import pathlib
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.jobs import process_group
from core.jobs.progress import say
from core.workspace.files import fsync, read_json, write_json

if TYPE_CHECKING:
    import torch

COMPLETE = "COMPLETE"
MOMENTS = 2
"""Numbers that AdamW keeps for every trained weight, as large as the weight in fp32."""


def step_of(folder: pathlib.Path) -> int:
    """Return the step of a checkpoint, from its name."""
    return int(folder.name.split("-")[1])


def newest_complete(checkpoints: pathlib.Path) -> pathlib.Path | None:
    """Return the COMPLETE checkpoint of the highest step."""
    return next(iter(_newest_first(checkpoints)), None)


def newest_whole(checkpoints: pathlib.Path) -> pathlib.Path | None:
    """Return the newest COMPLETE checkpoint that can still be read back; say which cannot."""
    for folder in _newest_first(checkpoints):
        if not (fault := damage(folder)):
            return folder
        say(f"the checkpoint of step {step_of(folder):,} is passed over: {fault}")
    return None


def _newest_first(checkpoints: pathlib.Path) -> list[pathlib.Path]:
    whole = [p.parent for p in checkpoints.glob(f"checkpoint-*/{COMPLETE}")]
    return sorted(whole, key=step_of, reverse=True)


def damage(folder: pathlib.Path, world: int = 0) -> str:
    """Return what of a checkpoint cannot be read back; empty where it is whole.

    Weights by their header and size, optimizer, schedule and random states (one a process) as
    archives that end where they should, and the step that they are of.

    Args:
        world: Processes that wrote it; 0 is as many as there are now.
    """
    from safetensors import safe_open

    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        return "no weights"
    for file in weights:
        try:
            with safe_open(str(file), "pt") as opened:
                if not opened.keys():
                    return f"{file.name} holds no weights"
        except Exception as e:  # its own type, which it does not offer
            return f"{file.name}: {e}"
    world = world or process_group.world()
    random = ["rng_state.pth"] if world == 1 else [f"rng_state_{i}.pth" for i in range(world)]
    for name in ("optimizer.pt", "scheduler.pt", *random):
        if not (folder / name).is_file() or not zipfile.is_zipfile(folder / name):
            return f"{name} is missing or cut off"
    step = (read_json(folder / "trainer_state.json") or {}).get("global_step")
    return "" if step == step_of(folder) else f"trainer_state.json is of step {step}"


def check_room(checkpoints: pathlib.Path, model: torch.nn.Module) -> None:
    """Refuse to begin a checkpoint for which the disk has no room.

    Raises:
        InputError: less is free than the last one took, or than the first will take.
    """
    last = newest_complete(checkpoints)
    if last:
        needed = sum(p.stat().st_size for p in last.iterdir())
    else:
        needed = (1 + MOMENTS) * weights_of(model)
    check_free(checkpoints, needed, "the next checkpoint")


def weights_of(model: torch.nn.Module) -> int:
    """Return the bytes of the weights that train."""
    return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)


def check_free(folder: pathlib.Path, needed: int, what: str) -> None:
    """Refuse to write what the disk has no room for.

    Raises:
        InputError: less than `needed` bytes are free where `folder` is, or will be.
    """
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{what} needs about {needed / 2**20:,.0f} MiB and {free / 2**20:,.0f} MiB are free on "
            "the disk; free some space and run the same command with --resume: it goes on from the "
            "last checkpoint",
            failure="disk-full",
        )


def complete(folder: pathlib.Path, facts: dict[str, Any]) -> None:
    """Check and flush a checkpoint that every process has written, mark it, drop older ones.

    Raises:
        InputError: it cannot be read back; those before it stay.
    """
    for file in folder.iterdir():
        fsync(file)
    if fault := damage(folder):
        raise InputError(
            f"the checkpoint of step {step_of(folder):,} cannot be read back ({fault}); the one "
            "before it is kept: look at the disk, and go on with --resume"
        )
    write_json(folder / COMPLETE, facts)
    fsync(folder)
    for other in folder.parent.glob("checkpoint-*"):
        if other != folder:
            shutil.rmtree(other)
