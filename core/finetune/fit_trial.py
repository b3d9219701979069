"""What is tried of a fine-tune: steps as they will be made, the test, saving; seconds of each."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TrainerCallback

from core.arrays import Ints
from core.finetune.evaluate import load_items, longest_answer
from core.finetune.generate import DECODE_BATCH
from core.finetune.prepare import Read
from core.finetune.settings import Settings
from core.model import loading
from core.model.tokens import Tokens, tokenize
from core.training import fit_budget, fit_memory
from core.training.micro_batches import MicroBatches
from core.training.order import schedule
from core.training.recipe import Recipe
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerBase,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )

STEPS = 3
"""Optimizer steps at the longest batch."""
MIXED = 12
"""Steps of the run's own plan that are timed besides, at most."""
NEW = (2, 10)
"""Tokens of the two answers whose difference is the time of a token."""
AT_ONCE = (2, 12)
"""Items answered at once in either trial."""


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
) -> dict[str, Any]:
    """Make real steps at the longest batch, then as the run begins; return sizes, times, peaks.

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
    tokens, rows = read_rows.tokens, read_rows.rows
    settled = fit_budget.settle(model, tokens, rows, recipe)
    lengths = tokens.lengths()
    planned = schedule(lengths, rows, recipe)
    longest = max(planned, key=lambda r: (len(r) * int(lengths[r].max()), int(lengths[r].max())))
    longest = longest[np.argsort(-lengths[longest], kind="stable")]
    parts = MicroBatches(
        model,
        tokens,
        settled.micro_batch,
        budget=settled.token_budget,
        packing=settled.packing,
    )

    say("training on the longest row")
    first = _steps(model, tokens, longest[:1], settled, 2, patience)[-1]
    most = max(len(p) for p in parts.split(longest))
    enough = max(1, int(patience / 2 / STEPS / max(first, 1e-6)))
    part = longest[: max(min(len(longest), enough), min(most, 2))]

    say(f"training {STEPS} steps on the longest batch")
    fit_memory.forget_peak()
    seconds = _steps(model, tokens, part, settled, STEPS, patience)
    held = fit_memory.peak()
    points = [(_padded(parts, part), n) for n in seconds[1:]]
    if not only_fit:
        say("training as the run begins")
        plan = planned[:MIXED]
        mixed = _steps(model, tokens, rows, settled, len(plan), patience / 2)
        points += [(_padded(parts, r), n) for r, n in zip(plan, mixed, strict=False)][1:]
    return {
        "peak": held._asdict(),
        "budget": parts.budget,
        "checkpointing": settled.gradient_checkpointing is True,
        "points": points or [(_padded(parts, part), seconds[-1])],
        "padded": [_padded(parts, r) for r in planned],
        "steps": recipe.steps,
        "tokens": int(sum(int(lengths[r].sum()) for r in planned)),
        "whole_batch": len(part) == len(longest),
    }


def _padded(parts: MicroBatches, rows: Ints) -> int:
    """Return the tokens, padding included, that go through the model in a step."""
    return sum(parts.size(p) for p in parts.split(rows))


def _steps(
    model: PreTrainedModel, tokens: Tokens, rows: Ints, recipe: Recipe, n: int, seconds: float
) -> list[float]:
    """Train for real; return the seconds of every step, until the time is over."""
    from core.training.loop import fit

    timer = Timer(seconds)
    size = min(recipe.batch_size, len(rows))
    short = dataclasses.replace(recipe, steps=n, batch_size=size, save_seconds=float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        fit(model, tokens, rows, short, pathlib.Path(folder), stage="try", recorder=timer)
    return timer.seconds


def testing(
    workspace: Workspace,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    read_rows: Read,
    tests: Sequence[tuple[Artifact, str, int]],
    s: Settings,
) -> dict[str, Any]:
    """Score and answer a few items of the first test; return its rates, and what every test has.

    Args:
        tests: Datasets, which of their rows, and how often a run goes through them.
        s: How many items are answered.
    """
    from core.model.scoring import score

    read = {t.id: _tokens(workspace, t, tokenizer, read_rows) for t, _, _ in tests}
    sets = [
        {**sizes(workspace, t, split, tokenizer, read_rows, model, s), "times": times}
        for t, split, times in tests
    ]
    first, split, _ = tests[0]
    tokens, rows = read[first.id], load_items(first, split)["row"].to_numpy()
    some = rows[np.argsort(tokens.lengths()[rows], kind="stable")][:: max(1, len(rows) // 32)]
    score(model, tokens, some[:1])
    began = time.monotonic()
    score(model, tokens, some)
    spent = time.monotonic() - began
    rates = {"score": spent / max(1, int(tokens.lengths()[some].sum()))}
    if len(rows):
        prompts = [_prompt(tokens, int(r)) for r in some]
        rates |= _answering(model, tokenizer, prompts, max(one["max_new"] for one in sets))
    return {"batch": DECODE_BATCH, "rates": rates, "sets": sets}


def _tokens(workspace: Workspace, test: Artifact, tokenizer: Any, rows: Read) -> Tokens:
    return tokenize(workspace, test, tokenizer, rows.template).cut(rows.tokens.max_length)


def sizes(
    workspace: Workspace,
    test: Artifact,
    split: str,
    tokenizer: PreTrainedTokenizerBase,
    read_rows: Read,
    model: PreTrainedModel,
    s: Settings,
) -> dict[str, Any]:
    """Count the tokens that a test's items have, are read again for a choice, and are written."""
    tokens, items = _tokens(workspace, test, tokenizer, read_rows), load_items(test, split)
    rows = items["row"].to_numpy()
    lengths, own = tokens.lengths()[rows], tokens.cut(2**31).response_lengths()[rows]
    longest = longest_answer(read_rows.tokens.response_lengths(), own, s.answer_tokens)
    max_new = min(longest, loading.positions(model) // 2)
    chosen = (items["measure"] == "choice").to_numpy()
    share = (1.0 if s.all_items else min(1.0, s.decode / len(items))) if s.answers else 0.0
    choices = sum(
        len(c) * n for c, n in zip(items["continuations"][chosen], lengths[chosen], strict=True)
    )
    return {
        "items": len(items),
        "tokens": int(lengths.sum()) + round(share * choices),
        "answered": round(share * int((~chosen).sum())),
        "max_new": max_new,
        "usual_new": min(max_new, int(np.quantile(own, 0.95))),
        "prompt": float(np.maximum(lengths - own, 1).mean()),
    }


def _prompt(tokens: Tokens, row: int) -> Ints:
    """Return the ids of a row up to its last reply."""
    ids, mask = tokens.row(row)
    replies = np.flatnonzero(np.diff(np.r_[0, mask.astype(np.int8)]) == 1)
    return ids[: max(1, int(replies[-1]) if len(replies) else len(ids))]


def _answering(
    model: PreTrainedModel, tokenizer: Any, prompts: list[Ints], max_new: int
) -> dict[str, Any]:
    """Return what answering takes: seconds a token read, a token written, an item's token beside.

    A step of the answers of n items takes `step + n * item` seconds.
    """
    import torch

    from core.model.output_layer import evaluating

    usual = sorted(prompts, key=len)[len(prompts) // 2]
    decode: Any = model.generate

    def seconds(n: int, new: int) -> float:
        ids = torch.from_numpy(np.stack([usual] * n)).to(model.device)
        began = time.monotonic()
        decode(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new,
            min_new_tokens=new,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id or 0,
        )
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.monotonic() - began

    few, many = AT_ONCE
    low, high = NEW[0], max(NEW[0] + 1, min(NEW[1], max_new))
    with evaluating(model), torch.no_grad():
        seconds(1, low)
        times = {n: [seconds(n, new) for new in (low, high)] for n in AT_ONCE}
    a_token = {n: max(0.0, (t[1] - t[0]) / (high - low)) for n, t in times.items()}
    item = max(0.0, (a_token[many] - a_token[few]) / (many - few))
    reading = max(0.0, times[many][0] - low * a_token[many]) / (many * len(usual))
    return {"read": reading, "step": max(0.0, a_token[few] - few * item), "item": item}
