"""How long a fine-tune takes, from what was tried: every part of it, as a range.

Pure arithmetic on what `fit_child` measured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.finetune import answer_stages
from core.jobs.progress import duration
from core.training.recipe import SAVE_SECONDS

HASHED = 1.5
"""Times that sealing reads what was saved, in times of writing it."""
LOOKS = "looking at held-out rows"
UNSURE = 0.05
"""Share by which a time is uncertain at least: a machine is not the same every minute."""
PACE = 4.0
"""Times that a machine is thought to be faster or slower than during the try, at most."""
BUSY = 0.1
"""Share that others took of a try, from which on it is said."""


class Part(NamedTuple):
    """One part of a run, in seconds."""

    name: str
    low: float
    middle: float
    """On a machine as busy as during the try."""
    high: float


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The parts of a run, in order."""

    parts: tuple[Part, ...]
    tokens: int
    """Trained on, padding left out."""
    slowed: float = 0.0
    """Share of the speed that other programs took from the try, 0 to 1."""

    @property
    def low(self) -> float:
        return sum(p.low for p in self.parts)

    @property
    def high(self) -> float:
        return sum(p.high for p in self.parts)

    @property
    def middle(self) -> float:
        return sum(p.middle for p in self.parts)

    def part(self, name: str) -> Part:
        """Return a part by its name."""
        return next(p for p in self.parts if p.name == name)

    def after_training(self, training: float = 0.0) -> float:
        """Return the seconds of what comes behind the last step.

        Args:
            training: Seconds that all steps take by the pace of those that are done, 0 if unknown:
                the machine may be busier than during the try, or less.
        """
        names = [p.name for p in self.parts]
        last = max(names.index(name) for name in ("training", LOOKS) if name in names)
        pace = training / max(self.part("training").middle, 1e-9) if training else 1.0
        return sum(p.middle for p in self.parts[last + 1 :]) * min(max(pace, 1 / PACE), PACE)

    def after_start(self) -> float:
        """Return the seconds from the first step, or look, to the end."""
        return self.middle - self.part("start").middle

    def busy(self) -> str:
        """Say how much others slowed the try; empty where it is hardly anything."""
        if self.slowed < BUSY:
            return ""
        return (
            f"Other programs took {self.slowed:.0%} of the speed during the try: the range goes "
            "from a machine without them to one with twice as many"
        )

    def tokens_a_second(self) -> float:
        """Return the speed of the training."""
        return self.tokens / max(self.part("training").middle, 1e-9)

    def price(self, an_hour: float) -> tuple[float, float]:
        """Return what it costs, from and to."""
        return self.low / 3600 * an_hour, self.high / 3600 * an_hour

    def __str__(self) -> str:
        parts = ", ".join(f"{p.name} {duration(p.middle)}" for p in self.parts)
        return f"{between(self.low, self.high)} ({parts})"


def between(low: float, high: float) -> str:
    """Write a range of seconds; once where both read the same."""
    a, b = duration(low), duration(high)
    return a if a == b else f"{a} to {b}"


def forecast(measured: dict[str, Any]) -> Forecast:
    """Return the parts of a run: its start, training, test, saving.

    A range goes from a machine without the other programs of the try to one with twice as many:
    of k others, a run gets 1 / (1 + k) of the speed.
    """
    clock, test = measured["clock"], measured["test"]
    rates = test["rates"]
    low, high = training(measured["points"], measured["padded"])
    written = measured["save"] * (measured["bytes_saved"] + 8.0 * measured["trainable"])
    saves = [math.floor(t / SAVE_SECONDS) * written for t in (low, high)]
    start = clock["start"] + clock["tests"] + clock["before"] + clock["trainer"]
    first = clock["first_step"]  # memory and libraries are asked for the first time
    look, kept = measured["looks"], measured["looks"]["kept"]
    final = (1 + kept) * measured["bytes_saved"] * measured["save"]
    scoring = clock["before"] + rates["score"] * sum(t["tokens"] * t["times"] for t in test["sets"])
    judged = judging(test)
    parts = [
        _sure("start", start),
        _between("training", first + low + saves[0], first + high + saves[1]),
        _between(LOOKS, *looking(test, look)),
        _sure("scoring the test", scoring),
        _answering(judged + answering(test), judged + answering(test, longest=True)),
        _sure("saving", final * (1 + HASHED) + clock["check"]),
    ]
    slowed = float(measured["slowed"])
    wider = [Part(p.name, p.low * (1 - slowed), p.middle, p.high * (1 + slowed)) for p in parts]
    return Forecast(tuple(p for p in wider if p.high > 0), int(measured["tokens"]), slowed)


def _sure(name: str, seconds: float) -> Part:
    return Part(name, seconds * (1 - UNSURE), seconds, seconds * (1 + UNSURE))


def _between(name: str, low: float, high: float) -> Part:
    return Part(name, low, (low + high) / 2, high)


def _answering(usual: float, longest: float) -> Part:
    """Return the part of the answers: most models write a few that do not end, none only those."""
    middle = math.sqrt(usual * longest)
    return Part("answering", usual * (1 - UNSURE), middle, longest * (1 + UNSURE))


def training(points: Sequence[Sequence[float]], padded: Sequence[int]) -> tuple[float, float]:
    """Return the seconds of all steps, from and to.

    Args:
        points: Steps that were timed: tokens with padding, seconds.
        padded: Tokens with padding of every step of the run.
    """
    size, seconds = np.asarray(points, float).T
    fixed, token = line(size, seconds)
    total = fixed * len(padded) + token * float(np.sum(padded))
    share = seconds / (fixed + token * size)
    # the mean of the timed steps, as far as it is known from so few
    off = max(UNSURE, float(np.std(share)) / math.sqrt(len(share)) * 2)
    middle = total * float(share.mean())
    return middle * max(0.0, 1 - off), middle * (1 + off)


def line(size: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """Return seconds of a step and of a token in it, neither below 0, by relative least squares."""
    weights = 1 / seconds
    columns = np.stack([np.ones_like(size), size], 1)
    if len(np.unique(size)) > 1:
        fixed, token = np.linalg.lstsq(columns * weights[:, None], seconds * weights, rcond=None)[0]
        if fixed >= 0 and token >= 0:
            return float(fixed), float(token)
    share = size * weights
    token = float(share.sum() / (share**2).sum())
    return 0.0, token


def looking(test: dict[str, Any], look: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds of all looks, from and to: some rows scored, a few prompts answered.

    The answers of the first look, before any step, are as long as they may be; from then on they
    may end where the test's answers do.
    """
    rates, first = test["rates"], test["sets"][0]
    scored = min(1.0, look["rows"] / max(1, first["items"])) * first["tokens"] * rates["score"]
    n, new, times = look["answers"], look["new"], look["times"]
    each = scored + n * first["prompt"] * rates.get("read", 0.0)
    token = rates.get("step", 0.0) + n * rates.get("item", 0.0)
    usual = min(new, first["usual_new"])
    low, high = (
        times * each + token * (min(times, 1) * new + max(0, times - 1) * later)
        for later in (usual, new)
    )
    return low * (1 - UNSURE), high * (1 + UNSURE)


def judging(test: dict[str, Any]) -> float:
    """Return the seconds in which answers are judged, what that loads included."""
    answered = sum(one["times"] * int(one["answered"]) for one in test["sets"])
    if not answered:
        return 0.0
    rates = test["rates"]
    return float(rates["first_judged"] + answered * rates["judged"])


def answering(test: dict[str, Any], *, longest: bool = False) -> float:
    """Return the seconds in which the items of all tests are answered.

    Args:
        test: What was tried, and what every test has.
        longest: Whether no answer ends before it must, instead of where the worked ones do.
    """
    seconds = sum(
        one["times"]
        * answer_stages.seconds(
            int(one["answered"]),
            [one["max_new"]] if longest else one["lengths"],
            one["max_new"],
            one["prompt"],
            test["rates"],
            int(test["batch"]),
        )
        for one in test["sets"]
        if one["answered"]
    )
    return float(seconds)
