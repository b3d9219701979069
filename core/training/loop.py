"""One training loop, used for proxy and target alike: `transformers.Trainer` and what goes beside.

A keeper saves a checkpoint at least once a minute (`core.training.checkpoints`); a watcher looks at
held-out rows (`core.training.watching`). Resuming takes the newest whole checkpoint by its path.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.arrays import Ints
from core.errors import InputError
from core.jobs import process_group
from core.jobs.progress import Progress, Stopped
from core.model import loading
from core.model.tokens import Tokens
from core.training.checkpoints import COMPLETE, newest_whole, step_of
from core.training.keeper import Keeper, Recorder
from core.training.micro_batches import MicroBatches
from core.training.order import schedule, shards
from core.training.recipe import Recipe
from core.training.reporting import METRICS, RunLog, load_metrics
from core.training.sharding import Sharded, load_weights
from core.training.watch import Watch
from core.training.watching import Watcher, drop_after
from core.workspace.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainingArguments

    from core.training.trainer import StepTrainer


class Fitted(NamedTuple):
    """How a training went."""

    seconds: float
    """Recordings and looks left out, those before a resume included."""
    steps: int
    """Fewer than planned where it ended early."""
    loss: float
    """Of the last step, nats per response token."""
    kept: int
    """The step whose weights the model has: the last, or the best looked at."""


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
    watch: Watch | None = None,
    tensorboard: bool = False,
    trackers: Sequence[str] = (),
    after: Callable[[float], float] = lambda training: 0.0,
) -> Fitted:
    """Train in place on the response tokens of `rows`, continuing from `folder` if it was begun.

    Writes `folder/metrics.jsonl` (step, loss, lr, grad_norm, tokens/s, memory in bytes, tokens and
    seconds so far, held_out where it was looked at) and checkpoints; the caller drops the latter.

    Args:
        model: Changed in place.
        rows: What to train on (n_rows,); their order is part of the result.
        recipe: Steps, batch, learning rate, seed.
        folder: Where this run keeps its files.
        stage: What progress is reported as.
        recorder: Records losses on the way; its time is told apart from the training's.
        expected: Seconds this is thought to take, shown until the steps say better.
        watch: Held-out rows and prompts to look at on the way.
        tensorboard: Whether TensorBoard's files are written, too.
        trackers: Others that are told, by the names that transformers has for them.
        after: Gives the seconds that what comes behind will take, told those of all steps by
            the pace so far: the time left counts them.

    Raises:
        Stopped: someone asked for it; a checkpoint was saved first, unless it is to be discarded.
        InputError: a loss or gradient became NaN or infinite, the disk is full, or the model
            cannot be trained.
    """
    resume = process_group.once(lambda: newest_whole(folder / "checkpoints"))
    step = step_of(resume) if resume else 0
    if process_group.main():
        drop_after(folder / METRICS, step if resume else -1)
    recipe, sharded = _in_memory(model, tokens, rows, recipe, folder, resume)
    rest = None if expected is None else expected * (1 - step / recipe.steps)
    progress = report = None
    if process_group.main():
        progress = Progress(stage, recipe.steps, done=step, expected=rest)
        report = RunLog(folder, recipe.steps, tensorboard=tensorboard)
    planned = schedule(tokens.lengths(), rows, recipe)
    measured: dict[str, Any] = {}
    watcher = Watcher(watch, model, folder, step, together=recipe.shard) if watch else None
    keeper = Keeper(folder, progress, report, recipe.save_seconds, recorder, watcher, measured)
    keeper.after = after
    keeper.sizes = [(len(part), int(tokens.lengths()[part].sum())) for part in planned]
    if resume:
        keeper.before = float((read_json(resume / COMPLETE) or {}).get("train_seconds", 0.0))
    every = max(1, recipe.steps // 200) if recorder else int(bool(trackers))
    args = _arguments(recipe, folder, trackers, every, parts=bool(sharded))
    trainer = _trainer(
        model, args, tokens, planned, recipe, [c for c in (recorder, watcher, keeper) if c]
    )
    trainer.parts.by_row = recorder.by_row if recorder else None
    trainer.measured, trainer.sharded = measured, sharded
    try:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    finally:
        if report:
            report.close()
    done = trainer.state.global_step
    if keeper.stopped:
        kept = "discarded" if keeper.discarded else "saved"
        raise Stopped(f"stopped at step {done:,} of {recipe.steps:,}; {kept}")
    seconds = keeper.seconds()
    if "loss" not in measured:  # nothing was left to train
        measured |= load_metrics(folder)[-1]
    kept_step = watcher.put_back() if watcher and watcher.losses else done
    if sharded:
        sharded.restore()
    return Fitted(seconds, done, measured["loss"], kept_step)


def _in_memory(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    folder: pathlib.Path,
    resume: pathlib.Path | None,
) -> tuple[Recipe, Sharded | None]:
    """Split the model, or settle what goes through it at once; return the recipe with that.

    Raises:
        InputError: nothing of the model trains.
    """
    from core.training.fit_budget import settle

    if not any(p.requires_grad for p in model.parameters()):
        raise InputError(
            "the model has no weight that would be trained; choose other --lora-targets, or "
            "--method full"
        )
    if not recipe.shard:
        return settle(model, tokens, rows, recipe, folder / "checkpoints"), None
    if resume:
        load_weights(model, resume)
    again = recipe.gradient_checkpointing is True
    return dataclasses.replace(recipe, gradient_checkpointing=again), Sharded(model)


def _trainer(
    model: PreTrainedModel,
    args: TrainingArguments,
    tokens: Tokens,
    planned: list[Ints],
    recipe: Recipe,
    callbacks: list[Any],
) -> StepTrainer:
    """Return the Trainer of the planned batches, of which each process gets its part."""
    from transformers import PrinterCallback

    from core.training.trainer import StepTrainer

    trainer = StepTrainer(
        model=model,
        args=args,
        train_dataset=shards(planned, process_group.world()),  # type: ignore[arg-type]
        data_collator=_collate,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    responses = tokens.response_lengths()
    trainer.plan, trainer.items = planned, [int(responses[part].sum()) for part in planned]
    trainer.parts = MicroBatches(
        model,
        tokens,
        recipe.micro_batch,
        budget=recipe.token_budget,
        packing=recipe.packing,
        together=recipe.shard,
    )
    return trainer


def _arguments(
    recipe: Recipe, folder: pathlib.Path, trackers: Sequence[str], every: int, *, parts: bool
) -> TrainingArguments:
    """Return what the Trainer is told; it logs `every` so many steps, with 0 never.

    Args:
        parts: Whether the weights are split over processes.
    """
    import torch
    from transformers import TrainingArguments

    on_gpu = torch.cuda.is_available()
    several = process_group.world() > 1
    decay = recipe.lr_schedule
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        max_steps=recipe.steps,
        per_device_train_batch_size=1,  # an item of the data is a whole batch
        learning_rate=recipe.lr,
        lr_scheduler_type="constant_with_warmup" if decay == "constant" else decay,
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
        use_cpu=loading.device() == "cpu" or (several and not on_gpu),
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if several and not on_gpu else None,
        # the fused one takes no parts of weights beside whole ones
        optim="adamw_torch" if parts else TrainingArguments.default_optim,
        neftune_noise_alpha=recipe.neftune or None,
        logging_strategy="steps" if every else "no",
        logging_steps=every or 1,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=list(trackers),
        run_name=folder.name,
        disable_tqdm=True,
    )


def _collate(parts: list[Ints]) -> dict[str, Any]:
    """Name the rows of one part; they are read where they are trained on."""
    import torch

    return {"rows": torch.from_numpy(np.concatenate(parts))}
