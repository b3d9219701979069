"""What a study's scores say, and how surely."""

from __future__ import annotations

from typing import Any

import pandas as pd

BASE = "untuned base"
METRICS = ("balanced_loss", "loss", "exact_match", "coverage")


def caution(exploratory: list[str]) -> str:
    """Say what arms from saved selections can show."""
    return (
        f"Exploratory, as they come from saved selections: {'; '.join(exploratory)}. The "
        "comparisons set beforehand are s2l with random and with random_per_source."
    )


def as_text(table: pd.DataFrame, base: dict[str, Any]) -> str:
    """Write the result as a table for a terminal: mean and range over seeds, denominators."""
    groups = [(BASE, pd.DataFrame([base]))] + [
        (str(arm), part) for arm, part in table.groupby("arm", sort=False)
    ]
    width = max(20, *(len(arm) for arm, _ in groups))
    lines = [
        f"{'arm':{width}} {'rows':>6} {'balanced loss':>22} {'exact match':>24} {'covered':>12}"
    ]
    for arm, part in groups:
        rows = f"{part['rows'].iloc[0]:,}" if "rows" in part else "0"
        loss = _spread(part, "balanced_loss", 1, "{:.3f}")
        match = _spread(part, "exact_match", 100, "{:.1f}%")
        if "decoded" in part:
            match += f" of {part['decoded'].iloc[0]:,}"
        covered = _spread(part, "covered", 1, "{:.0f}")
        if "sources" in part:
            covered += f" of {part['sources'].iloc[0]}"
        lines.append(f"{arm:{width}} {rows:>6} {loss:>22} {match:>24} {covered:>12}")
    return "\n".join(lines)


def _spread(part: pd.DataFrame, metric: str, scale: float, form: str) -> str:
    if metric not in part:
        return "-"
    values = scale * part[metric]
    text = form.format(values.mean())
    if len(values) > 1:
        text += f" [{form.format(values.min())}, {form.format(values.max())}]"
    return text


def verdict(table: pd.DataFrame, metric: str, lower: bool) -> str:
    """Say plainly how s2l did against random."""
    means = table.groupby("arm")[metric].agg(["mean", "min", "max", "count"])
    if not {"s2l", "random"} <= set(means.index):
        return ""
    ours, other = (means.loc[arm].to_dict() for arm in ("s2l", "random"))
    better = ours["mean"] < other["mean"] if lower else ours["mean"] > other["mean"]
    if ours["mean"] == other["mean"]:
        return "S2L and random scored the same."
    who = "S2L is ahead of random" if better else "Random is ahead of S2L"
    text = f"{who}: {ours['mean']:.3f} against {other['mean']:.3f}"
    if min(ours["count"], other["count"]) < 2:
        return f"{text}. One draw each: a walk-through, not evidence."
    apart = ours["max"] < other["min"] or other["max"] < ours["min"]
    ranges = "do not overlap" if apart else "overlap"
    return (
        f"{text}, means over {int(min(ours['count'], other['count']))} seeds; the ranges {ranges}."
    )
