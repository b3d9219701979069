"""Ways to make a training shorter that would take too long, each with the seconds it then takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.training.settings import LONG

LEAST = 100
"""Rows that a sample has at least."""


class ShorterRun(NamedTuple):
    """A shorter run."""

    words: str
    changed: dict[str, Any]
    """Settings."""
    seconds: float
    """At most."""


def propose(
    seconds: float,
    recording: float,
    *,
    epochs: float,
    rows: int,
    parameters: float,
    smaller: dict[str, float],
    in_bf16: float | None = None,
    sample_flag: str = "limit",
) -> list[ShorterRun]:
    """List ways to make a run shorter; first one that is short enough with the most rows.

    Args:
        seconds: What it takes as it is.
        recording: Those of them that go to recording: fewer epochs do not shorten them.
        epochs: Passes over the rows.
        rows: Those it trains on.
        parameters: The model's.
        smaller: Model -> parameters.
        in_bf16: Seconds that it takes in bf16; None where that changes nothing.
        sample_flag: The setting that says how many rows are used.
    """
    single: list[ShorterRun] = []
    if in_bf16 is not None:
        single.append(ShorterRun("in bf16, losses within 0.01", {"precision": "bf16"}, in_bf16))
    for name, count in sorted(smaller.items(), key=lambda kv: -kv[1]):
        if count < 0.7 * parameters:
            expected = seconds * max(count / parameters, 0.02)
            changed = {"model": name, "lr": "auto"}
            single.append(ShorterRun(f"the smaller proxy {name}", changed, expected))
    model_and_precision = list(single)
    if epochs > 1:
        expected = recording + (seconds - recording) / epochs
        single.append(ShorterRun("1 epoch", {"epochs": 1}, expected))
    if sample := _sample(seconds, rows, ShorterRun("", {}, seconds), sample_flag):
        single.append(sample)
    if any(way.seconds <= LONG for way in model_and_precision):
        return single
    best = _together(seconds, model_and_precision)
    joint = _sample(seconds, rows, best, sample_flag) if best else None
    return [joint, *single] if joint else single


def _together(seconds: float, ways: list[ShorterRun]) -> ShorterRun | None:
    """Return the run in bf16 with the smallest model: what each saves, it saves of the other."""
    half = [way for way in ways if "precision" in way.changed and way.seconds < seconds]
    model = [way for way in ways if "model" in way.changed][-1:]
    joined = model + half[:1]
    if not joined:
        return None
    words = ", ".join(way.words.split(",")[0] for way in joined)
    changed: dict[str, Any] = {}
    expected = seconds
    for way in joined:
        changed |= way.changed
        expected *= way.seconds / seconds
    return ShorterRun(words, changed, expected)


def _sample(seconds: float, rows: int, way: ShorterRun, flag: str) -> ShorterRun | None:
    """Return a way on as many rows as are short enough; None where that is all of them."""
    share = min(1.0, LONG / way.seconds)
    sample = max(LEAST, int(rows * share) // 100 * 100)
    if sample >= rows:
        return way if way.words else None
    words = ", ".join(filter(None, [way.words, f"a sample of {sample:,} of {rows:,} rows"]))
    return ShorterRun(words, {**way.changed, flag: sample}, way.seconds * sample / rows)
