"""Record every example's loss at chosen steps, inside the training run: a `TrainerCallback`.

No checkpoint is written (unless they are to be kept) or reloaded for it, no random number is drawn,
and the weights of the run are those of a run without it. Usable in a stranger's own Trainer.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import shutil
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from transformers import TrainerCallback

from core.arrays import Ints, write_array
from core.errors import InputError
from core.jobs import process_group
from core.jobs.progress import Progress, speed
from core.model.scoring import score
from core.model.tokens import Tokens, from_labels
from core.trajectories.artifact import KEPT, LOSSES, PLAN, POOLED, RECORDINGS, STEPS
from core.workspace.files import append_jsonl, fsync, read_json, read_jsonl, write_json, write_jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments


GATHERED_ROWS = 2**16
"""What rank 0 holds at a time of each other process's rows."""
SMOOTHING = 0.9
"""Weight of the past in the running mean of the training loss."""


def plan(max_steps: int, checkpoints: int, schedule: str = "linear") -> Ints:
    """Return the steps to record at, the first (0) and the last always; strictly increasing.

    Fewer than asked where training has fewer steps. `log` spaces them evenly in log(1 + step).
    `equal_loss` finds those between while training: see `fallen`.
    """
    if schedule == "equal_loss":
        return np.unique([0, max_steps])
    if schedule == "linear":
        return np.unique(np.round(np.linspace(0, max_steps, checkpoints)).astype(np.int64))
    count = min(checkpoints, max_steps + 1)
    steps = np.round(np.expm1(np.linspace(0, np.log1p(max_steps), count))).astype(np.int64)
    distinct = np.maximum.accumulate(steps - np.arange(count)) + np.arange(count)
    return np.minimum(distinct, max_steps - np.arange(count)[::-1])


def fallen(
    history: list[dict[str, float]], recorded: list[int], step: int, last: int, checkpoints: int
) -> bool:
    """Say whether `equal_loss` records at this step.

    It does when the smoothed training loss has fallen by 1 / (checkpoints - 1) of its start since
    the recording before, and at the latest after twice the spacing of `linear`. The last recording
    is kept for the last step.

    Args:
        history: The Trainer's log: step and loss, in order.
        recorded: The steps recorded so far.
        step: The step now.
        last: The last step of the training.
        checkpoints: Recordings at most.
    """
    if len(recorded) >= checkpoints - 1:
        return False
    if step - recorded[-1] >= 2 * last / (checkpoints - 1):
        return True
    then = now = start = None
    for record in history:
        if "loss" not in record or record["step"] > step:
            continue
        loss = float(record["loss"])
        now = loss if now is None else SMOOTHING * now + (1 - SMOOTHING) * loss
        start = now if start is None else start
        if then is None or record["step"] <= recorded[-1]:
            then = now
    if then is None or now is None or start is None:
        return False
    return then - now >= start / (checkpoints - 1)


class TrajectoryRecorder(TrainerCallback):
    """Write `losses.npy` (n_rows, n_checkpoints), `steps.npy` and `pooled.npy` below a folder.

    A column is written, flushed, and only then committed in `columns.jsonl` (step, sha256), so a
    killed run knows what it has. Columns after the step that a run resumes from are dropped.
    """

    by_row = None
    """What training itself saw of each row is not asked for."""

    def __init__(
        self,
        tokens: Tokens | Iterable[Mapping[str, Any]],
        folder: str | os.PathLike[str],
        checkpoints: int,
        rows: Ints | None = None,
        schedule: str = "linear",
        precision: str = "auto",
        keep: bool = False,
    ) -> None:
        """Record at `checkpoints` steps into `folder`.

        Args:
            tokens: What to score; or examples with input_ids and labels, as a Trainer takes them.
            folder: Made if it is not there.
            checkpoints: Recordings, the first (step 0) and the last included.
            rows: Rows to score; all when None.
            schedule: linear, log or equal_loss.
            precision: Of the weights while scoring: fp32, bf16, or auto (bf16 on a GPU).
            keep: Also keep the weights of every recording, to score other rows with later.
        """
        self.tokens = tokens if isinstance(tokens, Tokens) else from_labels(tokens)
        self.folder, self.checkpoints = pathlib.Path(folder), checkpoints
        self.rows = np.arange(len(self.tokens)) if rows is None else rows
        self.schedule, self.precision, self.keep = schedule, precision, keep
        self.steps: Ints = np.zeros(0, np.int64)
        """The planned steps; known once training has begun."""
        self.recorded: list[int] = []
        """The steps recorded so far."""
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
            self.steps = plan(state.max_steps, self.checkpoints, self.schedule)
            columns = self.checkpoints if self.schedule == "equal_loss" else len(self.steps)
            self.recorded = []
            if process_group.main():
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / RECORDINGS).unlink(missing_ok=True)
                shutil.rmtree(self.folder / KEPT, ignore_errors=True)
                write_json(self.folder / PLAN, {"steps": self.steps.tolist()})
                # written, not mapped: a full disk is an error here and a SIGBUS in a map
                shape = (len(self.tokens), columns)
                write_array(self.folder / LOSSES, np.full(shape, np.nan, np.float32))
            self._record(kwargs["model"], 0, last=False)
            return
        planned = read_json(self.folder / PLAN)
        self.steps = np.array(planned["steps"] if planned else [0], np.int64)
        kept = [c for c in read_jsonl(self.folder / RECORDINGS) if c["step"] <= state.global_step]
        self.recorded = [int(c["step"]) for c in kept]
        missing = {int(s) for s in self.steps if s <= state.global_step} - set(self.recorded)
        if missing or [c["column"] for c in kept] != list(range(len(kept))):
            raise InputError(
                f"recorded columns for steps {sorted(missing) or 'between'} are missing; "
                "delete this unfinished run and start again"
            )
        process_group.barrier()  # nobody reads what rank 0 is about to write
        if process_group.main():
            write_jsonl(self.folder / RECORDINGS, kept)
            for folder in (self.folder / KEPT).glob("checkpoint-*"):
                if int(folder.name.split("-")[1]) not in self.recorded:
                    shutil.rmtree(folder)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        step, last = state.global_step, state.max_steps
        due = step in self.steps or (
            self.schedule == "equal_loss"
            and fallen(state.log_history, self.recorded, step, last, self.checkpoints)
        )
        if due:
            self._record(kwargs["model"], step, last=step == last)

    def cost(self, step: int) -> tuple[float, float]:
        """Return the seconds that recording has taken, and those it will take after `step`."""
        mean = sum(self.seconds) / max(1, len(self.seconds))
        ahead = float((self.steps > step).sum())
        if self.schedule == "equal_loss":
            ahead = self.checkpoints - len(self.recorded)
        return sum(self.seconds), mean * ahead

    def _record(self, model: PreTrainedModel, step: int, *, last: bool) -> None:
        column = len(self.recorded)
        total = self.checkpoints if self.schedule == "equal_loss" else len(self.steps)
        mine = self.shares[process_group.rank()]
        title = f"record {column + 1}/{total}"
        progress = Progress(title, len(mine), brief=True) if process_group.main() else None
        began = time.monotonic()
        longest_first = np.sort(self.tokens.lengths()[mine])[::-1]  # as they are scored
        seen = np.cumsum(longest_first) * process_group.world()

        def report(done: int) -> None:
            if progress:
                rates = speed(
                    done * process_group.world(), int(seen[done - 1]), time.monotonic() - began
                )
                progress.update(done, **rates)

        result = score(model, self.tokens, mine, pool=last, precision=self.precision, report=report)
        if self.keep and process_group.main():
            self._keep(model, step)
        self._write(result.losses, column, step, began)
        self.recorded.append(step)
        self.seconds.append(time.monotonic() - began)
        if last:
            self._close(result.pooled)

    @functools.cached_property
    def shares(self) -> list[Ints]:
        """The rows that each process scores: every so many by length, so that all take long.

        In the order of `rows` where one process scores all.
        """
        if process_group.world() == 1:
            return [self.rows]
        order = np.argsort(self.tokens.lengths()[self.rows], kind="stable")
        return [self.rows[order[r :: process_group.world()]] for r in range(process_group.world())]

    def _keep(self, model: PreTrainedModel, step: int) -> None:
        """Write the weights before their column is committed: a committed one has its weights."""
        folder = self.folder / KEPT / f"checkpoint-{step}"
        model.save_pretrained(folder)
        for file in folder.iterdir():
            fsync(file)
        fsync(folder)

    def _collect(self, mine: npt.NDArray[Any], into: npt.NDArray[Any] | None) -> None:
        """Put what every process found for its rows into rank 0's array, some rows at a time."""
        for start in range(0, len(self.shares[0]), GATHERED_ROWS):  # the first is the longest
            some = slice(start, start + GATHERED_ROWS)
            for rows, part in zip(self.shares, process_group.gather(mine[some]), strict=False):
                assert into is not None
                into[rows[some]] = part

    def _write(self, mine: npt.NDArray[np.float32], column: int, step: int, began: float) -> None:
        path = self.folder / LOSSES
        losses = np.lib.format.open_memmap(path, "r+") if process_group.main() else None
        self._collect(mine, None if losses is None else losses[:, column])
        if losses is None:
            return
        losses.flush()
        fsync(path)
        recorded = losses[self.rows, column]
        append_jsonl(
            self.folder / RECORDINGS,
            {
                "column": column,
                "step": step,
                "sha256": hashlib.sha256(recorded.tobytes()).hexdigest(),
                "seconds": round(time.monotonic() - began, 2),
                "quantiles": quantiles(recorded),
            },
        )

    def _close(self, mine: npt.NDArray[np.float16]) -> None:
        """Write what stands beside the losses, and drop columns that were not needed."""
        path, pooled = self.folder / POOLED, None
        if process_group.main():
            write_array(path, np.zeros((len(self.tokens), mine.shape[1]), np.float16))
            pooled = np.lib.format.open_memmap(path, "r+")
        self._collect(mine, pooled)
        if pooled is None:
            return
        pooled.flush()
        write_array(self.folder / STEPS, np.array(self.recorded, np.int64))
        losses = np.load(self.folder / LOSSES, mmap_mode="r")
        if len(self.recorded) < losses.shape[1]:
            write_array(self.folder / "fewer.npy", losses[:, : len(self.recorded)])
            (self.folder / "fewer.npy").replace(self.folder / LOSSES)
            fsync(self.folder / LOSSES)


def quantiles(losses: npt.NDArray[np.float32]) -> list[float]:
    """Return the 10, 25, 50, 75 and 90% quantiles of the finite losses, for a live picture."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return []
    return [float(q) for q in np.quantile(finite, [0.1, 0.25, 0.5, 0.75, 0.9])]
