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
from core.training.reporting import METRICS, Report, load_metrics
from core.training.sharding import Sharded, load_weights
from core.training.watch import Watch
from core.training.watching import Watcher, drop_after
from core.workspace.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
    after: Callable[[], float] = float,
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
        after: Gives the seconds that what comes behind will take: the time left counts them.

    Raises:
        Stopped: someone asked for it; a checkpoint was saved first, unless it is to be discarded.
        InputError: a loss or gradient became NaN or infinite, the disk is full, or the model
            cannot be trained.
    """
    import torch
    from transformers import PrinterCallback, TrainingArguments

    from core.training.fit_budget import settle
    from core.training.trainer import StepTrainer

    if not any(p.requires_grad for p in model.parameters()):
        raise InputError(
            "the model has no weight that would be trained; choose other --lora-targets, or "
            "--method full"
        )
    resume = process_group.once(lambda: newest_whole(folder / "checkpoints"))
    step = step_of(resume) if resume else 0
    if process_group.main():
        drop_after(folder / METRICS, step if resume else -1)
    on_gpu = torch.cuda.is_available()
    sharded = None
    if recipe.shard:
        if resume:
            load_weights(model, resume)
        sharded = Sharded(model)
        again = recipe.gradient_checkpointing is True
        recipe = dataclasses.replace(recipe, gradient_checkpointing=again)
    else:
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
        # the fused one takes no parts of weights beside whole ones
        optim="adamw_torch" if sharded else TrainingArguments.default_optim,
        neftune_noise_alpha=recipe.neftune or None,
        logging_strategy="steps" if trackers or recorder else "no",
        logging_steps=max(1, recipe.steps // 200) if recorder else 1,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=list(trackers),
        run_name=folder.name,
        disable_tqdm=True,
    )
    rest = None if expected is None else expected * (1 - step / recipe.steps)
    progress = (
        Progress(stage, recipe.steps, done=step, expected=rest) if process_group.main() else None
    )
    planned = schedule(tokens.lengths(), rows, recipe)
    measured: dict[str, Any] = {}
    watcher = Watcher(watch, model, folder, step, together=recipe.shard) if watch else None
    report = Report(folder, recipe.steps, tensorboard=tensorboard) if process_group.main() else None
    keeper = Keeper(
        folder,
        progress,
        report,
        recipe.save_seconds,
        recorder,
        watcher,
        measured,
    )
    keeper.after = after
    keeper.sizes = [(len(part), int(tokens.lengths()[part].sum())) for part in planned]
    if resume:
        keeper.before = float((read_json(resume / COMPLETE) or {}).get("train_seconds", 0.0))
    trainer = StepTrainer(
        model=model,
        args=args,
        train_dataset=shards(planned, process_group.world()),  # type: ignore[arg-type]
        data_collator=_collate,
        callbacks=[c for c in (recorder, watcher, keeper) if c],  # type: ignore[misc]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.found = measured
    responses = tokens.response_lengths()
    trainer.plan, trainer.items = planned, [int(responses[part].sum()) for part in planned]
    trainer.parts = MicroBatches(
        model,
        tokens,
        recipe.micro_batch,
        recorder.by_row if recorder else None,
        recipe.token_budget,
        packing=recipe.packing,
        together=recipe.shard,
    )
    trainer.sharded = sharded
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


def _collate(parts: list[Ints]) -> dict[str, Any]:
    """Name the rows of one part; they are read where they are trained on."""
    import torch

    return {"rows": torch.from_numpy(np.concatenate(parts))}
