"""What is tried of a fine-tune's training: steps as they will be made, and their seconds."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TrainerCallback

from core.arrays import Ints
from core.finetune.prepare import Read
from core.model.tokens import Tokens
from core.training import fit_budget, fit_memory
from core.training.micro_batches import MicroBatches
from core.training.order import schedule
from core.training.recipe import Recipe

if TYPE_CHECKING:
    from transformers import (
        PreTrainedModel,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )

STEPS = 3
"""Optimizer steps at the longest batch."""
MIXED = 12
"""Steps of the run's own plan that are timed besides, at most."""


class Timer(TrainerCallback):
    """Notes when every step ended, and ends the training when its time is over."""

    by_row = None

    def __init__(self, seconds: float) -> None:
        """Begin to count; the training may take so many seconds."""
        self.until = seconds
        self.seconds: list[float] = []
        self.last = time.monotonic()

    def cost(self, step: int) -> tuple[float, float]:
        """Return nothing: nothing is recorded."""
        return 0.0, 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin the clock at the first step."""
        if state.global_step == 0:
            self.last = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the time of a step, from the end of the one before."""
        now = time.monotonic()
        self.seconds.append(now - self.last)
        self.last = now
        if sum(self.seconds) > self.until:
            control.should_training_stop = True


def training(
    say: Callable[[str], None],
    model: PreTrainedModel,
    read_rows: Read,
    recipe: Recipe,
    patience: float,
    *,
    only_fit: bool,
) -> tuple[dict[str, Any], float, float]:
    """Make real steps at the longest batch, then as the run begins; return sizes, times, peaks.

    Beside them the seconds in which a training gets ready, and what its first step takes more.

    Args:
        say: Told what is done.
        model: Trained, so not to be used for anything else.
        read_rows: What it is trained on.
        patience: Seconds that the steps should take, about.
        only_fit: Whether the time does not matter.

    Raises:
        OutOfMemoryError: it does not fit.
    """
    say("looking for what fits at once")
    earlier = fit_memory.peak()
    tokens, rows = read_rows.tokens, read_rows.rows
    settled = fit_budget.settle(model, tokens, rows, recipe)
    lengths = tokens.lengths()
    planned = schedule(lengths, rows, recipe)
    longest = max(planned, key=lambda r: (len(r) * int(lengths[r].max()), int(lengths[r].max())))
    longest = longest[np.argsort(-lengths[longest], kind="stable")]
    fit_memory.forget_peak()  # rows that did not fit were tried, too
    parts = MicroBatches(
        model,
        tokens,
        settled.micro_batch,
        budget=settled.token_budget,
        packing=settled.packing,
    )

    say("training on the longest row")
    began = time.monotonic()
    short = _steps(model, tokens, longest[:1], settled, 2, patience, tensorboard=True)
    ready = time.monotonic() - began - sum(short)
    most = max(len(p) for p in parts.split(longest))
    enough = max(1, int(patience / 2 / STEPS / max(short[-1], 1e-6)))
    part = longest[: max(min(len(longest), enough), min(most, 2))]

    say(f"training {STEPS} steps on the longest batch")
    seconds = _steps(model, tokens, part, settled, STEPS, patience)
    held = fit_memory.larger(earlier, fit_memory.peak())
    points = [(_padded(parts, part), n) for n in seconds[1:]]
    if not only_fit:
        say("training as the run begins")
        plan = planned[:MIXED]
        mixed = _steps(model, tokens, rows, settled, len(plan), patience / 2)
        points += [(_padded(parts, r), n) for r, n in zip(plan, mixed, strict=False)][1:]
    out = {
        "peak": held._asdict(),
        "budget": parts.budget,
        "checkpointing": settled.gradient_checkpointing is True,
        "points": points or [(_padded(parts, part), seconds[-1])],
        "padded": [_padded(parts, r) for r in planned],
        "steps": recipe.steps,
        "tokens": int(sum(int(lengths[r].sum()) for r in planned)),
        "whole_batch": len(part) == len(longest),
    }
    return out, ready, max(0.0, short[0] - short[-1])


def _padded(parts: MicroBatches, rows: Ints) -> int:
    """Return the tokens, padding included, that go through the model in a step."""
    return sum(parts.size(p) for p in parts.split(rows))


def _steps(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    n: int,
    seconds: float,
    *,
    tensorboard: bool = False,
) -> list[float]:
    """Train for real; return the seconds of every step, until the time is over."""
    from core.training.loop import fit

    timer = Timer(seconds)
    size = min(recipe.batch_size, len(rows))
    short = dataclasses.replace(recipe, steps=n, batch_size=size, save_seconds=float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        how: dict[str, Any] = {"stage": "try", "recorder": timer, "tensorboard": tensorboard}
        fit(model, tokens, rows, short, at, **how)
    return timer.seconds
