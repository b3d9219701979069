"""One training loop, used for proxy and target alike: `transformers.Trainer` and a keeper.

The keeper saves a checkpoint at least once a minute, marks it COMPLETE after it is on the disk, and
deletes older ones by step. Resuming takes the newest COMPLETE one by its path.
"""

from __future__ import annotations

import pathlib
import shutil
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from transformers import TrainerCallback

from core.arrays import Ints
from core.jobs import process_group
from core.jobs.progress import Progress, Stopped, speed, stop_requested
from core.model import loading
from core.model.tokens import Tokens
from core.training.micro_batches import ByRow, MicroBatches
from core.training.order import schedule, shards
from core.training.recipe import Recipe
from core.workspace.files import append_jsonl, fsync, read_json, read_jsonl, write_json, write_jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments

COMPLETE = "COMPLETE"


class Recorder(Protocol):
    """A Trainer callback that records every row's loss on the way."""

    @property
    def by_row(self) -> ByRow | None:
        """Is told every row's loss as training meets it; None where nobody asks."""

    def cost(self, step: int) -> tuple[float, float]:
        """Return the seconds that recordings took up to a step, and those still to come."""


def fit(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    folder: pathlib.Path,
    *,
    stage: str,
    recorder: Recorder | None = None,
    expected: float | None = None,
) -> float:
    """Train in place on the response tokens of `rows`, continuing from `folder` if it was begun.

    Writes `folder/metrics.jsonl` (step, loss, lr) and checkpoints; the caller drops the latter.
    Returns the seconds of training, recordings left out, those before a resume included.

    Args:
        model: Changed in place.
        tokens: The tokenized dataset.
        rows: What to train on (n_rows,); their order is part of the result.
        recipe: Steps, batch, learning rate, seed.
        folder: Where this run keeps its files.
        stage: What progress is reported as.
        recorder: Records losses on the way; its time is told apart from the training's.
        expected: Seconds this is thought to take, shown until the steps say better.

    Raises:
        Stopped: someone asked for it; a checkpoint was saved first.
        InputError: the loss became NaN or infinite, or the model cannot be trained.
    """
    import torch
    from transformers import PrinterCallback, TrainingArguments

    from core.training.fit_budget import settle
    from core.training.trainer import StepTrainer

    resume = newest_complete(folder / "checkpoints")
    step = int(resume.name.split("-")[1]) if resume else 0
    if process_group.main():
        _drop_after(folder / "metrics.jsonl", step)
    on_gpu = torch.cuda.is_available()
    recipe = settle(model, tokens, rows, recipe, folder / "checkpoints")
    args = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        max_steps=recipe.steps,
        per_device_train_batch_size=1,  # an item of the data is a whole batch
        learning_rate=recipe.lr,
        lr_scheduler_type=(
            "constant_with_warmup" if recipe.lr_schedule == "constant" else recipe.lr_schedule
        ),
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        activation_checkpointing=recipe.gradient_checkpointing is True,
        activation_checkpointing_kwargs={"use_reentrant": False},
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=loading.in_bf16(recipe.precision, loading.device()),
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        # said outright, or bf16 is refused and processes without a GPU train apart
        use_cpu=loading.device() == "cpu" or (process_group.world() > 1 and not on_gpu),
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if process_group.world() > 1 and not on_gpu else None,
        logging_steps=max(1, recipe.steps // 200),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    rest = None if expected is None else expected * (1 - step / recipe.steps)
    progress = (
        Progress(stage, recipe.steps, done=step, expected=rest) if process_group.main() else None
    )
    planned = schedule(tokens.lengths(), rows, recipe)
    keeper = _Keeper(folder, progress, recipe.save_seconds, recorder)
    keeper.sizes = [(len(part), int(tokens.lengths()[part].sum())) for part in planned]
    if resume:
        keeper.before = float((read_json(resume / COMPLETE) or {}).get("train_seconds", 0.0))
    trainer = StepTrainer(
        model=model,
        args=args,
        train_dataset=shards(planned, process_group.world()),  # type: ignore[arg-type]
        data_collator=_collate,
        callbacks=[recorder, keeper] if recorder else [keeper],  # type: ignore[list-item]
    )
    trainer.remove_callback(PrinterCallback)
    responses = tokens.response_lengths()
    trainer.plan, trainer.items = planned, [int(responses[part].sum()) for part in planned]
    trainer.parts = MicroBatches(
        model,
        tokens,
        recipe.micro_batch,
        recorder.by_row if recorder else None,
        recipe.token_budget,
    )
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if keeper.stopped:
        raise Stopped(f"stopped at step {trainer.state.global_step:,} of {recipe.steps:,}; saved")
    return keeper.seconds()


def _collate(parts: list[Ints]) -> dict[str, Any]:
    """Name the rows of one part; they are read where they are trained on."""
    import torch

    return {"rows": torch.from_numpy(np.concatenate(parts))}


class _Keeper(TrainerCallback):
    """Report, log, save every minute, stop when asked."""

    def __init__(
        self,
        folder: pathlib.Path,
        progress: Progress | None,
        save_seconds: float,
        recorder: Recorder | None,
    ) -> None:
        self.folder, self.progress, self.save_seconds = folder, progress, save_seconds
        self.recorder = recorder
        self.saved_at = time.monotonic()
        self.stopped = False
        self.last: dict[str, float] = {}
        self.sizes: list[tuple[int, int]] = []
        """Rows and tokens of every step."""
        self.before = 0.0
        """Seconds of training before this process took over."""
        self.began = time.monotonic()
        self.done = (0, 0)
        """Rows and tokens that this process has trained on."""

    def seconds(self) -> float:
        """Return the seconds of training so far, recordings left out."""
        recording = self.recorder.cost(0)[0] if self.recorder else 0.0
        return self.before + time.monotonic() - self.began - recording

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.began = time.monotonic() - (self.recorder.cost(0)[0] if self.recorder else 0.0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        record = {"step": state.global_step, "loss": logs["loss"], "lr": logs["learning_rate"]}
        if "grad_norm" in logs:
            record["grad_norm"] = logs["grad_norm"]
        if process_group.main():
            append_jsonl(self.folder / "metrics.jsonl", record)
        self.last = {"loss": logs["loss"]}

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        rows, tokens = self.sizes[state.global_step - 1]
        self.done = self.done[0] + rows, self.done[1] + tokens
        if self.progress:
            if self.recorder:
                self.progress.aside, self.progress.ahead = self.recorder.cost(state.global_step)
            rates = speed(*self.done, self.seconds() - self.before)
            self.progress.update(state.global_step, **self.last, **rates)
        stop, save = process_group.once(self._wishes)
        if stop and state.global_step < state.max_steps:
            self.stopped = control.should_training_stop = control.should_save = True
        elif save:
            control.should_save = True

    def _wishes(self) -> tuple[bool, bool]:
        """Say whether to stop and whether to save; one process decides for all."""
        return stop_requested(), time.monotonic() - self.saved_at > self.save_seconds

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.saved_at = time.monotonic()
        process_group.barrier()  # every process has written its part
        if not process_group.main():
            return
        here = self.folder / "checkpoints" / f"checkpoint-{state.global_step}"
        for file in here.iterdir():
            fsync(file)
        write_json(here / COMPLETE, {"train_seconds": round(self.seconds(), 2)})
        fsync(here)
        for other in here.parent.glob("checkpoint-*"):
            if other != here:
                shutil.rmtree(other)
        if self.progress:
            self.progress.saved(state.global_step, **self.last)


def newest_complete(checkpoints: pathlib.Path) -> pathlib.Path | None:
    """Return the COMPLETE checkpoint of the highest step."""
    whole = [p.parent for p in checkpoints.glob(f"checkpoint-*/{COMPLETE}")]
    return max(whole, key=lambda p: int(p.name.split("-")[1]), default=None)


def _drop_after(log: pathlib.Path, step: int) -> None:
    if log.exists():
        write_jsonl(log, [r for r in read_jsonl(log) if r["step"] <= step])
