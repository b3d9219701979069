"""How many tokens go through a model at once, and whether layers are computed again: by trying.

A few real steps on the longest rows, their learning rate 0, so that the weights stay what they are
and no copy of them is needed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Ints
from core.jobs import process_group
from core.jobs.progress import say
from core.model import loading
from core.model.output_layer import whole
from core.model.tokens import Tokens
from core.training import fit_memory
from core.training.fit_memory import gib
from core.training.micro_batches import BUDGET, MicroBatches, OutOfMemoryError
from core.training.order import schedule
from core.training.recipe import Recipe
from core.training.response_loss import AT_ONCE
from core.workspace.files import read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SETTLED = "settled.json"
"""The file in which a run keeps what it found."""
BYTES_A_WEIGHT = 16
"""Of a weight that trains: itself, its gradient and the two moments of AdamW, in fp32."""


def settle(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    folder: pathlib.Path | None = None,
) -> Recipe:
    """Return the recipe with numbers for what is `auto`: the parts of a step, and checkpointing.

    A model that is small beside the memory is not tried. What was found is kept in a folder, where
    one is given: a stopped run goes on in the same parts, which rounding depends on.

    Raises:
        OutOfMemoryError: not even the longest row fits.
    """
    if recipe.micro_batch != "auto" and recipe.gradient_checkpointing != "auto":
        return recipe
    budget = (read_json(folder / SETTLED) if folder else None) or _found(
        model, tokens, rows, recipe
    )
    if folder and process_group.main():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / SETTLED, budget)
    return dataclasses.replace(recipe, **budget)


def _found(model: PreTrainedModel, tokens: Tokens, rows: Ints, recipe: Recipe) -> dict[str, Any]:
    lengths = tokens.lengths()
    longest = int(lengths[rows].max())
    largest = max(len(r) * int(lengths[r].max()) for r in schedule(lengths, rows, recipe))
    auto = recipe.micro_batch == "auto"
    most = BUDGET[loading.device()] if auto else int(recipe.micro_batch) * longest
    needed = min(most, max(largest, longest))
    if guess(model, needed, longest) < (allowed() - fit_memory.held()) / 2:
        on = recipe.gradient_checkpointing is True
        return {"token_budget": most, "gradient_checkpointing": on}
    ways = (
        (False, True)
        if recipe.gradient_checkpointing == "auto"
        else (bool(recipe.gradient_checkpointing),)
    )
    for on in ways:
        budget = affordable(model, tokens, rows, recipe, most=most, checkpointing=on)
        if budget >= (longest if auto else min(most, needed)):
            if budget < most or on:
                again = ", layers computed again" if on else ""
                say(f"{budget:,} tokens go through the model at once{again}: what fits")
            return {"token_budget": budget, "gradient_checkpointing": on}
    raise OutOfMemoryError(
        f"a row of {longest:,} tokens does not fit into the {gib(allowed())} there are; lower "
        "--max-length, train an adapter with --method lora, or take a smaller model",
        failure="device-memory" if loading.device() == "cuda" else "host-memory",
    )


def allowed() -> float:
    """Return the bytes that one process of this training may hold where the model is."""
    room = fit_memory.room()
    return room.device or room.host / process_group.world()


HEADROOM = 1.25
"""Allocators and libraries took up to 17% more than the shape asks for (256 rows, host memory)."""


def guess(model: PreTrainedModel, n_tokens: int, longest: int) -> float:
    """Return bytes that a training step of so many tokens takes at most, by the model's shape."""
    config = whole(model).config.get_text_config()
    width, layers = int(config.hidden_size), int(config.num_hidden_layers)
    inner = max(int(getattr(config, "intermediate_size", 0) or 0), 4 * width)
    heads = int(getattr(config, "num_attention_heads", 1) or 1)
    token = 4.0 * layers * (12 * width + 4 * inner + 3 * heads * longest)
    logits = 12.0 * min(AT_ONCE, n_tokens * int(config.vocab_size))
    weights = sum(
        p.numel() * (BYTES_A_WEIGHT if p.requires_grad else 4) for p in model.parameters()
    )
    return HEADROOM * (weights + token * n_tokens + logits)


def affordable(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    *,
    most: int,
    checkpointing: bool,
) -> int:
    """Return how many padded tokens fit at once, at most `most`; 0 where not the longest row does.

    One of the longest rows is trained on, then two: what the second takes, the others will.
    """
    lengths = tokens.lengths()
    order = rows[np.argsort(-lengths[rows], kind="stable")]
    longest = int(lengths[order[0]])
    limit = allowed()
    taken: list[float] = []
    with trial(model, tokens, recipe, most, checkpointing) as step:
        for n in (1, 1, 2):  # the first step makes the optimizer's state
            fit_memory.forget_peak()
            try:
                step(order[:n])
            except OutOfMemoryError:
                break
            held = fit_memory.peak()
            taken.append(held.device or held.host)
            if taken[-1] > limit:
                break
    if len(taken) < 2 or taken[1] > limit:
        return 0
    if len(taken) < 3 or len(order) < 2:
        return min(most, longest)
    second = max(taken[2] - taken[1], 2.0**20)
    return min(most, longest * int(1 + max(0.0, limit - taken[1]) / second))


@contextlib.contextmanager
def trial(
    model: PreTrainedModel, tokens: Tokens, recipe: Recipe, budget: int, checkpointing: bool
) -> Iterator[Any]:
    """Yield a function that makes a real step on some rows, the learning rate 0.

    Leaves weights, mode and random numbers as they were.
    """
    import torch

    where = loading.device()
    was_training, was_there = model.training, model.device
    loading.place(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0)
    half = loading.in_bf16(recipe.precision, where)
    parts = MicroBatches(model, tokens, budget=budget, packing=recipe.packing)
    responses = tokens.response_lengths()

    def step(rows: Ints) -> None:
        cast = torch.autocast(where, torch.bfloat16, enabled=half)
        parts.backward(rows, max(1, int(responses[rows].sum())), lambda: cast)
        if all(bool(p.grad.isfinite().all()) for p in trained if p.grad is not None):
            optimizer.step()  # 0 times infinity would be no number
        optimizer.zero_grad()
        if where == "cuda":
            torch.cuda.synchronize()

    inner: Any = whole(model)
    if checkpointing:
        inner.activation_checkpointing_enable({"use_reentrant": False})
    devices = [torch.cuda.current_device()] if where == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            model.train()
            yield step
    finally:
        optimizer.zero_grad()
        if checkpointing:
            inner.activation_checkpointing_disable()
        model.train(was_training)
        if model.device != was_there:
            model.to(was_there)  # type: ignore[arg-type]
