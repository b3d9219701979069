"""Whether a selection was worth it: what it saves and what it takes, beside how it did, at once."""

from __future__ import annotations

import math

import pandas as pd

from core.finetune.metrics import METRICS, Metric
from core.jobs.progress import duration
from core.study import comparison, costs, findings, pairs
from core.study.artifact import StudySummary
from core.study.results import INTERVAL_FROM
from core.workspace.artifact import Artifact


def sentence(study: Artifact, table: pd.DataFrame, metric: str, price: float = 0.0) -> str:
    """Say in one sentence what s2l saved against all the data and what it lost, how surely.

    Empty where one of the two was not trained.

    Args:
        study: Whose costs are meant.
        table: A line a run, as `core.study.artifact.table` reads it.
        metric: A key of METRICS.
        price: Of an hour of the machine, in any currency; 0 where it is not to be said.
    """
    held = pairs.compare(table, metric, pairs.OURS, pairs.FULL, findings.noise_of(study, metric))
    if held is None:
        return ""
    rows = table.groupby("arm")["rows"].median()
    some, of = int(rows[pairs.OURS]), int(rows[pairs.FULL])
    epochs = bool(study.summary_as(StudySummary).get("epochs", 0))
    bill = costs.by_arm(study).set_index("arm")
    return (
        f"The selection needs {some:,} of {of:,} examples ({some / of:.0%}), "
        f"{_saved(bill, price, epochs=epochs)}; {_lost(held, METRICS[metric])}."
    )


def _saved(bill: pd.DataFrame, price: float, *, epochs: bool) -> str:
    """Say what a training takes less, and what finding the selection took."""

    def took(seconds: float) -> str:
        cost = f" ({seconds / 3600 * price:,.2f} at that price)" if price > 0 else ""
        return duration(seconds) + cost

    ours, full = (float(bill["training"].get(arm, math.nan)) for arm in (pairs.OURS, pairs.FULL))
    proxy = float(bill["proxy"].get(pairs.OURS, math.nan))
    once = f", and took {took(proxy)} to find, once" if proxy > 0 else ""
    less = full - ours
    if not epochs:
        return f"saves no training time as all trained equally many steps{once}"
    if not less > 0:
        return f"saved no training time{once}"
    again = ""
    if proxy > 0:
        times = math.ceil(proxy / less)
        again = (
            f", won back by the {_ordinal(times)} training" if times > 1 else ", won back at once"
        )
    return f"saves {took(less)} of each training's {duration(full)}{once}{again}"


def _lost(held: pairs.Comparison, metric: Metric) -> str:
    """Say how s2l did against all the data, and between which ends it may lie."""
    test, of = held.test, "than all the data"
    if held.failed:
        return "nothing can be said of what it loses, as a training failed"
    size = f"{_how(test.mean, metric)} {of}" if test.mean else "level with all the data"
    if test.n < INTERVAL_FROM:
        draws = "one training" if test.n == 1 else "two trainings"
        return f"it did {size} in {draws} each, which is no evidence"
    if held.tied or not test.sd:
        return f"it did {size} over {test.n} seeds, and no interval can be made of that"
    low, high = (_how(end, metric) for end in (test.low, test.high))
    sure = f"95% interval {low} to {high}, {test.n} seeds"
    if test.low <= 0 <= test.high:
        return f"whether it loses anything is open: it did {size} ({sure})"
    return f"it did {size} ({sure})"


def _how(difference: float, metric: Metric) -> str:
    """Write a difference as so much better or worse."""
    better = (difference < 0) == metric.lower_is_better
    size = comparison.number(abs(difference), metric)
    return f"{size} {metric.short} {'better' if better else 'worse'}"


def _ordinal(n: int) -> str:
    """Write 2 as 2nd."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{n:,}{'th' if n % 100 in (11, 12, 13) else ends.get(n % 10, 'th')}"
