"""What goes on beside the steps: progress, a line a step, a checkpoint a minute, stopping."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from transformers import TrainerCallback

from core.jobs import process_group
from core.jobs.progress import Progress, discard_requested, speed, stop_requested
from core.training.checkpoints import complete
from core.training.micro_batches import ByRow
from core.training.reporting import RunLog, memory
from core.training.watching import Watcher
from core.workspace.artifact import RUN
from core.workspace.draft import check_there

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


class Recorder(Protocol):
    """A Trainer callback that records every row's loss on the way."""

    @property
    def by_row(self) -> ByRow | None:
        """Is told every row's loss as training meets it; None where nobody asks."""

    def cost(self, step: int) -> tuple[float, float]:
        """Return the seconds that recordings took up to a step, and those still to come."""


class Keeper(TrainerCallback):
    """Report, save every minute, stop when asked."""

    def __init__(
        self,
        folder: pathlib.Path,
        progress: Progress | None,
        report: RunLog | None,
        save_seconds: float,
        recorder: Recorder | None,
        watcher: Watcher | None,
        measured: dict[str, Any],
    ) -> None:
        """Keep a run's files in `folder`; add to what the trainer has `measured` in each step."""
        self.folder, self.progress, self.report = folder, progress, report
        self.save_seconds, self.measured = save_seconds, measured
        self.recorder, self.watcher = recorder, watcher
        self.saved_at = time.monotonic()
        self.stopped = self.discarded = False
        self.last: dict[str, float] = {}
        self.sizes: list[tuple[int, int]] = []
        """Rows and tokens of every step."""
        self.before = 0.0
        """Seconds of training before this process took over."""
        self.after: Callable[[float], float] = lambda training: 0.0
        """Gives the seconds of what comes behind the training, told those of all its steps."""
        self.began = time.monotonic()
        self.done = (0, 0)
        """Rows and tokens that this process has trained on."""
        self.reached = 0
        """Tokens trained on since step 0."""
        self.draft = (folder / RUN).exists()
        """Whether the folder is an artifact's, which somebody may delete meanwhile."""

    def seconds(self) -> float:
        """Return the seconds of training so far, recordings and looks left out."""
        return self.before + time.monotonic() - self.began - self._beside(0, 0)[0]

    def _beside(self, step: int, steps: int) -> tuple[float, float]:
        """Return the seconds that recordings and looks took here, and those still to come."""
        costs = [self.recorder.cost(step)] if self.recorder else []
        costs += [self.watcher.cost(step, steps)] if self.watcher else []
        return sum(c[0] for c in costs), sum(c[1] for c in costs)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.began = time.monotonic() - self._beside(0, 0)[0]
        self.reached = sum(tokens for _, tokens in self.sizes[: state.global_step])
        if self.watcher and self.report and state.global_step == 0 and self.watcher.losses:
            self.report.add({"step": 0, "held_out": self.watcher.losses[0]})

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not self.recorder:
            state.log_history.clear()  # it would grow in every checkpoint, and nobody reads it

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        stop, save, discard = process_group.once(self._wishes)
        step = state.global_step
        rows, tokens = self.sizes[step - 1]
        self.done = self.done[0] + rows, self.done[1] + tokens
        rates = speed(*self.done, self.seconds() - self.before)
        self.last = {"loss": self.measured["loss"]}
        self.reached += tokens
        self.measured |= {"tokens/s": rates["tokens/s"], "memory": memory()}
        self.measured |= {"tokens": self.reached, "seconds": round(self.seconds(), 2)}
        if self.watcher and self.watcher.losses:
            self.last["held_out"] = self.watcher.losses[max(self.watcher.losses)]
            if step in self.watcher.losses:
                self.measured["held_out"] = self.watcher.losses[step]
        if self.report:
            self.report.add({"step": step, **self.measured})
        if self.progress:
            self.progress.aside, ahead = self._beside(step, state.max_steps)
            a_token = (self.seconds() - self.before) / max(1, self.done[1])
            self.progress.ahead = ahead + self.after(a_token * sum(n for _, n in self.sizes))
            self.progress.update(step, **self.last, **rates)
        if self.watcher and self.watcher.ended_early:  # as a resumed run will, from before
            return
        if stop and step < state.max_steps:
            self.stopped = control.should_training_stop = True
            self.discarded, control.should_save = discard, not discard
        elif save:
            control.should_save = True

    def _wishes(self) -> tuple[bool, bool, bool]:
        """Say whether to stop, to save, to discard; one process decides for all.

        Raises:
            Ended: the run was deleted.
        """
        if self.draft:
            check_there(self.folder)
        late = time.monotonic() - self.saved_at > self.save_seconds
        return stop_requested(), late, discard_requested()

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.saved_at = time.monotonic()
        process_group.barrier()  # every process has written its part
        process_group.once(lambda: self._complete(state.global_step))

    def _complete(self, step: int) -> None:
        here = self.folder / "checkpoints" / f"checkpoint-{step}"
        complete(here, {"train_seconds": round(self.seconds(), 2)})
        if self.watcher:
            self.watcher.prune()
        if self.progress:
            self.progress.saved(step, **self.last)
