"""Columns of trajectories that are not recorded in training: each a step and a way to get it.

They are written one after the other, each committed when it is whole, so a run that was stopped or
killed goes on with the next.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, write_array
from core.errors import InputError
from core.jobs.progress import Progress, Stopped, stop_requested
from core.model import loading
from core.trajectories.artifact import LOSSES, RECORDINGS, STEPS
from core.workspace.draft import Draft
from core.workspace.files import append_jsonl, fsync, read_jsonl

if TYPE_CHECKING:
    from core.model.tokens import Tokens


@dataclasses.dataclass(frozen=True)
class ScoredColumn:
    """One recording."""

    step: int
    losses: Callable[[], Float32s]
    """Nats per response token of every row of the dataset (n_rows,); NaN where unknown."""


def checkpoints(path: pathlib.Path) -> list[pathlib.Path]:
    """List the checkpoint-* directories below a path by their number, not their name."""
    named = re.compile(r"checkpoint-[0-9]{1,18}")
    folders = [p for p in path.glob("checkpoint-*") if p.is_dir() and named.fullmatch(p.name)]
    return sorted(folders, key=step)


def step(folder: pathlib.Path) -> int:
    """Return the number at the end of a checkpoint's name."""
    return int(folder.name.rsplit("-", 1)[1])


def scorer(
    folder: pathlib.Path, tokens: Tokens, rows: npt.NDArray[np.int64], precision: str
) -> Callable[[], Float32s]:
    """Return a function that scores some rows with a checkpoint's model; the others are NaN."""

    def losses() -> Float32s:
        from core.model.scoring import score

        if (folder / "adapter_config.json").exists():
            raise InputError(f"{folder.name} holds an adapter only; merge it into its model first")
        model = loading.load_weights(str(folder)).to(loading.device())  # type: ignore[arg-type]
        loading.check_vocabulary(model, tokens.highest())
        progress = Progress(f"score {folder.name}", len(rows))
        out = np.full(len(tokens), np.nan, np.float32)
        seen = tokens.cut(min(tokens.max_length, loading.positions(model)))
        scores = score(model, seen, rows, precision=precision, report=progress.update)
        out[rows] = scores.losses
        return out

    return losses


def record(
    draft: Draft, columns: list[ScoredColumn], rows: npt.NDArray[np.int64], n: int, *, stage: str
) -> None:
    """Write every column that is not yet written, each committed when it is whole.

    Args:
        draft: Gets losses.npy, steps.npy and columns.jsonl.
        columns: In order of step.
        rows: The rows to take from each; the others are NaN.
        stage: What progress is reported as.

    Raises:
        Stopped: asked to stop between two columns.
    """
    log = draft.path / RECORDINGS
    done = len(list(read_jsonl(log)))
    if not done:
        blank = np.full((n, len(columns)), np.nan, np.float32)
        write_array(draft.path / LOSSES, blank)
        write_array(draft.path / STEPS, np.array([c.step for c in columns], np.int64))
    progress = Progress(stage, len(columns), done=done)
    for i, column in enumerate(columns[done:], done):
        if stop_requested():
            raise Stopped(f"stopped after {i} of {len(columns)} checkpoints; saved")
        began = time.monotonic()
        values = np.lib.format.open_memmap(draft.path / LOSSES, "r+")
        values[rows, i] = column.losses()[rows]
        values.flush()
        fsync(draft.path / LOSSES)
        digest = hashlib.sha256(values[rows, i].tobytes()).hexdigest()
        seconds = round(time.monotonic() - began, 2)
        facts = {"column": i, "step": column.step, "sha256": digest, "seconds": seconds}
        append_jsonl(log, {**facts, "quantiles": []})
        progress.update(i + 1)
