"""How long, how much memory, how much disk: a short real run before the long one.

Trains on a few batches at a learning rate of 0, which changes nothing, and scores a few rows, then
extrapolates by tokens.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

import numpy as np

from core.arrays import Ints
from core.errors import InputError
from core.jobs.progress import duration, job_dir, say
from core.model import loading
from core.model.tokens import Tokens, batches
from core.training import fit_memory
from core.training.settings import LONG
from core.training.shorter_runs import ShorterRun, propose
from core.workspace.files import read_json, write_json
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from core.training.recipe import Recipe


ESTIMATE = "estimate.json"
"""In a job's folder: what was foreseen, for its page."""


class Foreseen(TypedDict):
    """What a page is told of a run before its first step."""

    text: str
    seconds: list[float]
    """Low, high."""
    ways: list[ShorterRun]
    """Shorter ones, where it was refused."""
    refused: bool


class Rates(NamedTuple):
    """Seconds per token seen in the micro-run: fast and slow."""

    train: tuple[float, float]
    score: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run will take."""

    low: float
    """Seconds, if every batch goes as the faster quarter did."""
    high: float
    """Seconds, if every batch goes as the slower quarter did, plus a tenth."""
    recording: float
    """Seconds of `high` that go to recording: fewer epochs do not shorten them."""
    memory: float
    """Bytes at most: of the device that trains, on a CPU of this process."""
    disk: float
    """Bytes the run will write, checkpoints included."""
    kept: float = 0.0
    """Bytes of `disk` that are the weights kept of every recording."""

    def __str__(self) -> str:
        text = (
            f"{duration(self.low)} to {duration(self.high)}, "
            f"about {self.memory / 2**30:.1f} GiB of memory, {self.disk / 2**20:,.0f} MiB of disk"
        )
        kept = f" ({self.kept / 2**20:,.0f} MiB of it for the checkpoints kept)"
        return text + (kept if self.kept else "")


def measure(
    model: PreTrainedModel, tokens: Tokens, rows: Ints, recipe: Recipe, seconds: float = 15.0
) -> Rates:
    """Time training steps and scoring with the model as it is, at most about `seconds`.

    On batches as the run itself will make them, the largest first: memory that will not do is found
    out now. Stops early once the rates are known well enough for a short run.
    """
    from core.model.scoring import TOKEN_BUDGET, score
    from core.training.fit_budget import settle, trial
    from core.training.micro_batches import BUDGET
    from core.training.order import schedule

    where = loading.device()
    recipe = settle(model, tokens, rows, recipe)
    half = loading.in_bf16(recipe.precision, where)
    rng = np.random.default_rng(0)
    lengths = tokens.lengths()
    steps = schedule(lengths, rows, recipe)
    largest = max(steps, key=lambda rows: len(rows) * int(lengths[rows].max()))
    scorings = list(batches(lengths, rows, TOKEN_BUDGET[where][half]))
    whole = recipe.micro_batch if recipe.micro_batch != "auto" else 0
    budget = recipe.token_budget or int(whole) * int(lengths.max(initial=1)) or BUDGET[where]
    train: list[float] = []
    scored: list[float] = []
    began = time.monotonic()
    fit_memory.forget_peak()
    with trial(model, tokens, recipe, budget, recipe.gradient_checkpointing is True) as step:
        while len(train) < 3 or (time.monotonic() - began < seconds * 0.6 and len(train) < 12):
            batch = steps[rng.integers(len(steps))] if train else largest
            start = time.monotonic()
            step(batch)
            train.append((time.monotonic() - start) / float(lengths[batch].sum()))
            if time.monotonic() - began > seconds:
                break
    while len(scored) < 2 or (time.monotonic() - began < seconds and len(scored) < 6):
        some = rng.permutation(len(scorings))[:4]
        batch = np.concatenate([scorings[i] for i in some])
        start = time.monotonic()
        score(model, tokens, batch, precision=recipe.precision)
        scored.append((time.monotonic() - start) / float(lengths[batch].sum()))
        if time.monotonic() - began > 2 * seconds:
            break
    return Rates(_spread(train[1:] or train), _spread(scored[1:] or scored))


def _spread(values: list[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(low), float(high)


def estimate(
    rates: Rates,
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    *,
    checkpoints: int,
    keep: bool = False,
) -> Estimate:
    """Extrapolate a micro-run to a whole training with recordings of `rows`.

    With `keep`, the weights of every recording stay on the disk.
    """
    lengths = tokens.lengths()[rows]
    trained = recipe.steps * min(recipe.batch_size, len(rows)) * float(lengths.mean())
    recordings = min(checkpoints, recipe.steps + 1)
    recorded = recordings * float(lengths.sum())
    low, high = (trained * rates.train[i] + recorded * rates.score[i] for i in (0, 1))
    recording = 1.1 * recorded * rates.score[1]
    weights = 4.0 * sum(p.numel() for p in model.parameters())
    held = fit_memory.peak()
    used = held.device or held.host
    losses = 4.0 * len(tokens) * checkpoints
    kept = recordings * weights if keep else 0.0
    disk = 2 * 3 * weights + weights + losses + kept
    return Estimate(low, high * 1.1, recording, used + losses, disk, kept)


def check_disk(workspace: Workspace, needed: float) -> None:
    """Refuse a run that would fill the disk.

    Raises:
        InputError: less space is free than the run will write.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(workspace.root).free
    if needed > free:
        raise InputError(
            f"this run writes about {needed / 2**20:,.0f} MiB and {free / 2**20:,.0f} MiB are free "
            f"in {workspace.root}; free some space or choose another --workspace",
            failure="disk-full",
        )


def foresee(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    recipe: Recipe,
    *,
    checkpoints: int,
    epochs: float,
    accept_long: bool,
    probe: bool = False,
    keep: bool = False,
) -> Estimate:
    """Say before a run how long it takes, to a person and to its job's page.

    Another model is no shorter way for a probe of the target, and its rows are counted by --rows.

    Raises:
        InputError: it is too long to begin unasked; the message lists shorter ways.
    """
    rates = measure(model, tokens, rows, recipe)
    now = estimate(rates, model, tokens, rows, recipe, checkpoints=checkpoints, keep=keep)
    say(f"estimate: {now}")
    refused = now.high > LONG and not accept_long
    ways: list[ShorterRun] = []
    if refused:
        proxies = {k: v for k, v in loading.KNOWN_SIZES.items() if loading.is_scratch(k)}
        ways = propose(
            now.high,
            now.recording,
            epochs=epochs,
            rows=len(rows),
            parameters=loading.size(model),
            smaller={} if probe else proxies,
            in_bf16=_in_bf16(model, tokens, rows, recipe, checkpoints),
            sample_flag="rows" if probe else "limit",
        )
    job = job_dir()
    if job is not None:  # the page shows it, and makes buttons of the ways
        foreseen: Foreseen = {
            "text": str(now),
            "seconds": [now.low, now.high],
            "ways": ways,
            "refused": refused,
        }
        write_json(job / ESTIMATE, foreseen)
    if refused:
        words = "; ".join(
            f"{text} ({' '.join(f'--{k} {v}' for k, v in flags.items())}): {duration(seconds)}"
            for text, flags, seconds in ways
        )
        shorter = f"Shorter: {words}. Or begin" if words else "Begin"
        raise InputError(
            f"this would take {duration(now.low)} to {duration(now.high)}. "
            f"{shorter} it as it is with --accept-long"
        )
    return now


def _in_bf16(
    model: PreTrainedModel, tokens: Tokens, rows: Ints, recipe: Recipe, checkpoints: int
) -> float | None:
    """Return the seconds that a run takes in bf16; None where it is so already, or cannot be."""
    if not loading.cpu_has_bf16() or loading.in_bf16(recipe.precision, loading.device()):
        return None
    half = dataclasses.replace(recipe, precision="bf16")
    rates = measure(model, tokens, rows, half, seconds=6.0)
    return estimate(rates, model, tokens, rows, half, checkpoints=checkpoints).high


def load_foreseen(job: pathlib.Path) -> Foreseen | None:
    """Read from a job's folder what was foreseen; None before that."""
    foreseen = cast("Foreseen | None", read_json(job / ESTIMATE))
    if foreseen:
        foreseen["ways"] = [ShorterRun(*way) for way in foreseen["ways"]]
    return foreseen
