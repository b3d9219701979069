"""Metrics: how well a model did on a test set, one row each.

A new metric is one function and one entry in METRICS. What items were measured is said beside each
number, by counts that stand among the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import pandas as pd

from core.evaluations.free_text import bleu

COVERED = 0.5
"""A source counts as covered when at least this share of its items is answered exactly."""


class Metric(NamedTuple):
    """Everything that the rest of the product knows of a metric."""

    measure: Callable[[pd.DataFrame], float]
    """Test items that have `column`, with their source -> value."""
    column: str
    """Of the items: loss (nats per response token), right (of those answered), and what else."""
    title: str
    unit: str
    lower_is_better: bool
    form: str = "{:.3f}"
    of: str = "loss_items"
    """The score that counts what it was measured on."""
    hits: str = ""
    """The score that counts how many of these were right; empty for a mean."""
    scale: float = 1.0
    """A difference is said in `short` units: times this."""
    short: str = "nats"
    margin: float = 0.05
    """How much worse, in short units, is still as good; sealed with a study before it runs."""
    floor: float = 0.0
    """Below this in all arms it is near the floor of a small model, and the loss says more."""

    def written(self, value: float, scores: Mapping[Any, Any]) -> str:
        """Write a value with what it was measured on."""
        counts = f"{scores[self.hits]:,} of " if self.hits else "on "
        return f"{self.form.format(value)} ({counts}{scores[self.of]:,})"

    def called(self, seen: float) -> str:
        """Return the title; a loss is not called held out where so many test rows were seen."""
        if not seen:
            return self.title
        return self.title.replace("Held-out", "Test").replace("held-out", "test")

    def axis(self, seen: float = 0) -> str:
        """Return what an axis is called, with its unit."""
        return f"{self.called(seen)} ({self.unit})"


def by_source(items: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean of each source."""
    return items.groupby("source")[column].mean()


def covered(items: pd.DataFrame) -> pd.Series:
    """Say of each source whether enough of its items are right."""
    return by_source(items, "right") >= COVERED


LOSS = "nats per response token"
METRICS = {
    "balanced_loss": Metric(
        lambda items: float(by_source(items, "loss").mean()),
        "loss",
        "Balanced held-out loss",
        LOSS,
        True,
    ),
    "loss": Metric(
        lambda items: float(items["loss"].to_numpy().mean()),
        "loss",
        "Held-out loss",
        LOSS,
        True,
    ),
    "exact_match": Metric(
        lambda items: float(items["right"].to_numpy().mean()),
        "right",
        "Exact match",
        "share of test items",
        False,
        form="{:.1%}",
        of="decoded",
        hits="right",
        scale=100,
        short="points",
        margin=2,
        floor=0.3,
    ),
    "coverage": Metric(
        lambda items: float(covered(items).mean()),
        "right",
        "Sources covered",
        "share of sources at least half right",
        False,
        form="{:.1%}",
        of="sources",
        hits="covered",
        scale=100,
        short="points",
        margin=2,
    ),
    "choice": Metric(
        lambda items: float(items["choice"].to_numpy(bool).mean()),
        "choice",
        "Multiple choice",
        "share right, likeliest text",
        False,
        form="{:.1%}",
        of="choices",
        hits="choices_right",
        scale=100,
        short="points",
        margin=2,
    ),
    "choice_by_length": Metric(
        lambda items: float(items["choice_by_length"].to_numpy(bool).mean()),
        "choice_by_length",
        "Multiple choice by length",
        "share right, likeliest a byte",
        False,
        form="{:.1%}",
        of="choices",
        hits="choices_right_by_length",
        scale=100,
        short="points",
        margin=2,
    ),
    "rouge_l": Metric(
        lambda items: float(items["rouge_l"].to_numpy(float).mean()),
        "rouge_l",
        "ROUGE-L",
        "F measure, 0 to 1",
        False,
        of="rouge_items",
        scale=100,
        short="points",
        margin=2,
    ),
    "bleu": Metric(
        lambda items: bleu(items["said"].tolist(), items["gold"].tolist()),
        "said",
        "BLEU",
        "of all answers, 0 to 100",
        False,
        form="{:.1f}",
        of="texts",
        short="points",
        margin=2,
    ),
    "bert_score": Metric(
        lambda items: float(items["bert_score"].to_numpy(float).mean()),
        "bert_score",
        "BERTScore",
        "F measure, at most 1",
        False,
        of="texts",
        scale=100,
        short="points",
        margin=2,
    ),
}
"""Key among a run's scores -> metric; the first is what a comparison shows first."""


def measure(items: pd.DataFrame) -> dict[str, Any]:
    """Score test items, a line each.

    Args:
        items: Columns as METRICS name them, None or NaN where an item was not measured.
    """
    scores: dict[str, Any] = {}
    lost = items[items["loss"].notna()]
    answered = items[items["right"].notna()].astype({"right": bool})
    if len(lost):
        sources = by_source(lost, "loss")
        scores["loss_items"] = len(lost)
        scores["loss_by_source"] = {str(k): round(float(v), 4) for k, v in sources.items()}
    if len(answered):
        whole = covered(answered)
        scores |= {"right": int(answered["right"].sum()), "decoded": len(answered)}
        scores |= {"covered": int(whole.sum()), "sources": len(whole)}
    there = {"loss": lost, "right": answered}
    for column in {m.column for m in METRICS.values()} - there.keys():
        there[column] = items[items[column].notna()] if column in items else items[:0]
    for column in ("choice", "choice_by_length"):
        if len(part := there[column]):
            scores[column.replace("choice", "choices_right")] = int(part[column].astype(bool).sum())
            scores["choices"] = len(part)
    for column, count in (("rouge_l", "rouge_items"), ("said", "texts")):
        if len(there[column]):
            scores[count] = len(there[column])
    for key, metric in METRICS.items():
        if len(there[metric.column]):
            scores[key] = metric.measure(there[metric.column])
    return scores


def known(scores: Container[str]) -> dict[str, Metric]:
    """Return the metrics that scores have, or a table of them."""
    return {key: metric for key, metric in METRICS.items() if key in scores}


def describe(scores: dict[str, Any]) -> str:
    """Say the scores in one line, each with its unit and denominator."""
    return "; ".join(
        f"{metric.called(scores.get('seen', 0))} ({metric.unit}): "
        f"{metric.written(scores[key], scores)}"
        for key, metric in known(scores).items()
    )


def headline(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores a listing shows."""
    return {k: v for k, v in scores.items() if not isinstance(v, dict)}
