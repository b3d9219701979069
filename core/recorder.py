"""Record every example's loss at chosen steps, inside the training run: a `TrainerCallback`.

No checkpoint is written or reloaded for it, no random number is drawn, and the weights of the run
are those of a run without it. Usable in a stranger's own Trainer.
"""

from __future__ import annotations

import hashlib
import pathlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from transformers import TrainerCallback

from core.files import append_jsonl, fsync, read_json, read_jsonl, write_json, write_jsonl
from core.progress import Progress
from core.scoring import score
from core.tokens import Ints, Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments


def plan(max_steps: int, checkpoints: int) -> Ints:
    """Return the steps to record at: evenly spaced, the first (0) and the last always.

    Fewer than asked where training has fewer steps.
    """
    return np.unique(np.round(np.linspace(0, max_steps, checkpoints)).astype(np.int64))


class TrajectoryRecorder(TrainerCallback):
    """Write `losses.npy` (n_rows, n_checkpoints), `steps.npy` and `pooled.npy` below a folder.

    A column is written, flushed, and only then committed in `columns.jsonl` (step, sha256), so a
    killed run knows what it has. Columns after the step that a run resumes from are dropped.
    """

    def __init__(
        self, tokens: Tokens, folder: pathlib.Path, checkpoints: int, rows: Ints | None = None
    ) -> None:
        """Record `rows` of `tokens` (all when None) at `checkpoints` steps into `folder`."""
        self.tokens, self.folder, self.checkpoints = tokens, folder, checkpoints
        self.rows = np.arange(len(tokens)) if rows is None else rows
        self.steps: Ints = np.zeros(0, np.int64)
        """The planned steps; known once training has begun."""
        self.seconds: list[float] = []
        """What each recording of this process took."""

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if state.global_step == 0:
            self.steps = plan(state.max_steps, self.checkpoints)
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "columns.jsonl").unlink(missing_ok=True)
            write_json(self.folder / "plan.json", {"steps": self.steps.tolist()})
            # written, not mapped: a full disk is an error here and a SIGBUS in a map
            shape = (len(self.tokens), len(self.steps))
            np.save(self.folder / "losses.npy", np.full(shape, np.nan, np.float32))
            self._record(kwargs["model"], 0)
            return
        planned = read_json(self.folder / "plan.json")
        self.steps = np.array(planned["steps"] if planned else [0], np.int64)
        kept = [
            c for c in read_jsonl(self.folder / "columns.jsonl") if c["step"] <= state.global_step
        ]
        missing = {int(s) for s in self.steps if s <= state.global_step} - {c["step"] for c in kept}
        if missing:
            raise ValueError(
                f"recorded columns for steps {sorted(missing)} are missing; "
                "delete this unfinished run and start again"
            )
        write_jsonl(self.folder / "columns.jsonl", kept)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if state.global_step in self.steps:
            self._record(kwargs["model"], state.global_step)

    def cost(self, step: int) -> tuple[float, float]:
        """Return the seconds that recording has taken, and those it will take after `step`."""
        mean = sum(self.seconds) / max(1, len(self.seconds))
        return sum(self.seconds), mean * float((self.steps > step).sum())

    def _record(self, model: PreTrainedModel, step: int) -> None:
        steps = self.steps
        column = int(np.searchsorted(steps, step))
        last = column == len(steps) - 1
        progress = Progress(f"record {column + 1}/{len(steps)}", len(self.rows), brief=True)
        began = time.monotonic()
        result = score(model, self.tokens, self.rows, pool=last, report=progress.update)
        losses = np.lib.format.open_memmap(self.folder / "losses.npy", "r+")
        losses[self.rows, column] = result.losses
        losses.flush()
        if last:
            pooled = np.zeros((len(self.tokens), result.pooled.shape[1]), np.float16)
            pooled[self.rows] = result.pooled
            np.save(self.folder / "pooled.npy", pooled)
            np.save(self.folder / "steps.npy", steps)
        fsync(self.folder / "losses.npy")
        digest = hashlib.sha256(result.losses.tobytes()).hexdigest()
        facts = {"column": column, "step": step, "sha256": digest}
        seconds = round(time.monotonic() - began, 2)
        self.seconds.append(seconds)
        append_jsonl(
            self.folder / "columns.jsonl",
            {**facts, "seconds": seconds, "quantiles": _quantiles(result.losses)},
        )


def _quantiles(losses: npt.NDArray[np.float32]) -> list[float]:
    """Return the 10, 25, 50, 75 and 90% quantiles of the finite losses, for a live picture."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return []
    return [float(q) for q in np.quantile(finite, [0.1, 0.25, 0.5, 0.75, 0.9])]
