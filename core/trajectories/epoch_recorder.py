"""Losses for free: what the training pass itself saw of each row, one column an epoch.

The values of a column are those of the weights at the moment each row was trained on, with dropout
if the model has any, so rows of a column differ in the weights behind them by up to an epoch.
"""

from __future__ import annotations

import hashlib
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from transformers import TrainerCallback

from core.arrays import Ints, write_array
from core.trajectories.artifact import LOSSES, RECORDINGS, STEPS
from core.trajectories.recorder import quantiles
from core.workspace.files import append_jsonl, fsync, read_jsonl, write_jsonl

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


class EpochRecorder(TrainerCallback):
    """Write `losses.npy` (n_rows, n_epochs) and `steps.npy`, the last step of every whole epoch.

    Told by the training step what each row's loss was.
    """

    def __init__(self, n_rows: int, folder: pathlib.Path, steps_per_epoch: int, epochs: int):
        """Record `epochs` whole epochs of `steps_per_epoch` steps for a dataset of `n_rows`."""
        self.n_rows, self.folder = n_rows, folder
        self.steps_per_epoch, self.epochs = steps_per_epoch, epochs
        self.done = 0
        """Steps trained."""

    def by_row(self, rows: Ints, losses: npt.NDArray[np.float32]) -> None:
        """Keep the losses that a step's rows had."""
        epoch = self.done // self.steps_per_epoch
        if epoch < self.epochs:
            self._map()[rows, epoch] = losses

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.done = state.global_step
        log = self.folder / RECORDINGS
        if state.global_step == 0:
            log.unlink(missing_ok=True)
            blank = np.full((self.n_rows, self.epochs), np.nan, np.float32)
            write_array(self.folder / LOSSES, blank)
            return
        write_jsonl(log, [c for c in read_jsonl(log) if c["step"] <= state.global_step])

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.done = state.global_step
        epoch, rest = divmod(state.global_step, self.steps_per_epoch)
        if rest or epoch > self.epochs:
            return
        fsync(self.folder / LOSSES)
        column = np.array(self._map()[:, epoch - 1])
        facts = {"column": epoch - 1, "step": state.global_step, "seconds": 0.0}
        digest = hashlib.sha256(column[np.isfinite(column)].tobytes()).hexdigest()
        record = {**facts, "sha256": digest, "quantiles": quantiles(column)}
        append_jsonl(self.folder / RECORDINGS, record)
        if epoch == self.epochs:
            steps = np.arange(1, self.epochs + 1) * self.steps_per_epoch
            write_array(self.folder / STEPS, steps.astype(np.int64))

    def cost(self, step: int) -> tuple[float, float]:
        """Return no seconds: recording costs nothing here."""
        return 0.0, 0.0

    def _map(self) -> Any:
        return np.lib.format.open_memmap(self.folder / LOSSES, "r+")
