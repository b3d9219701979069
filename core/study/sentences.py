"""What is said beside a study's scores: its table in a terminal, floors, what is exploratory."""

from __future__ import annotations

from typing import Any

import pandas as pd

from core.finetune.metrics import Metric, known

BASE = "untuned base"


def caution(exploratory: list[str]) -> str:
    """Say what arms from saved selections can show."""
    return (
        f"Exploratory, as they come from saved selections: {'; '.join(exploratory)}. The "
        "comparisons set beforehand are s2l with random and with random_per_source."
    )


def seen_of(table: pd.DataFrame) -> int:
    """Return how many test rows the rows of some arm give away, at most; 0 where not counted."""
    return int(table["seen"].fillna(0).max()) if "seen" in table else 0


def as_text(table: pd.DataFrame, base: dict[str, Any]) -> str:
    """Write the result as a table for a terminal: mean and range over seeds, denominators."""
    groups = [(BASE, pd.DataFrame([base]))] + [
        (str(arm), part) for arm, part in table.groupby("arm", sort=False)
    ]
    metrics = known(table)
    width = max(20, *(len(arm) for arm, _ in groups))
    seen = seen_of(table)
    titles = "".join(f" {metric.called(seen):>34}" for metric in metrics.values())
    lines = [f"{'arm':{width}} {'rows':>6}{titles}"]
    for arm, part in groups:
        rows = f"{part['rows'].iloc[0]:,}" if "rows" in part else "0"
        cells = "".join(f" {_spread(part, key, m):>34}" for key, m in metrics.items())
        lines.append(f"{arm:{width}} {rows:>6}{cells}")
    return "\n".join(lines)


def _spread(part: pd.DataFrame, key: str, metric: Metric) -> str:
    """Write the mean of the seeds that gave a number, the range, and what it was measured on."""
    if key not in part:
        return "-"
    good = part[part[key].notna()]
    gone = len(part) - len(good)
    if good.empty:
        return f"{gone} failed"
    values, failed = good[key], f" ({gone} failed)" if gone else ""
    if len(values) == 1:
        return metric.written(values.iloc[0], good.to_dict("records")[0]) + failed
    ends = (metric.form.format(x) for x in (values.mean(), values.min(), values.max()))
    return "{} [{}, {}] of {:,}".format(*ends, good[metric.of].iloc[0]) + failed


def near_floor(table: pd.DataFrame) -> str:
    """Say which metrics are too low in every arm to tell the arms apart; empty for none."""
    low = [m for key, m in known(table).items() if table[key].max() < m.floor]
    return " ".join(
        f"{metric.title} is below {metric.floor:.0%} in every arm, near the floor of a model this "
        "small: the loss says more."
        for metric in low
    )
