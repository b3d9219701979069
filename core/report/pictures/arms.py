"""The arms of a study: a dot a seed, the mean, its interval, and the band of random behind all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from core.report.svg import Scale, axis, drawing, el, label, shortened, tip

WIDTH, LEFT, RIGHT, LINE = 1040, 230, 830, 46


class DrawnArm(NamedTuple):
    """One arm as it is drawn, in the measure's own unit."""

    name: str
    seeds: dict[int, float]
    """Seed -> value; NaN for a run that failed."""
    mean: float
    low: float
    """Of the 95% interval of the mean; NaN below three seeds."""
    high: float
    rows: float
    """Trained on, mean over the seeds."""


def picture(
    key: str,
    title: str,
    arms: list[DrawnArm],
    form: str,
    axis_title: str,
    lines: Mapping[str, float],
) -> str:
    """Draw arms from the top down.

    Args:
        key: Of the picture.
        title: For who cannot see it.
        axis_title: With its unit and which way is better.
        lines: Name -> value of dotted lines: the untuned base, all the data.
    """
    values = [v for a in arms for v in (*a.seeds.values(), a.low, a.high) if math.isfinite(v)]
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    near = {n: v for n, v in lines.items() if low - 2 * spread <= v <= high + 2 * spread}
    low, high = min([low, *near.values()]), max([high, *near.values()])
    pad = 0.05 * ((high - low) or spread)
    x = Scale(low - pad, high + pad, float(LEFT), float(RIGHT))
    top = 30.0 + 16 * len(lines)
    bottom = top + LINE * len(arms)
    parts = [axis(x, bottom, top, axis_title)]
    for arm in arms:
        if arm.name == "random" and math.isfinite(arm.low):
            band = {"x": x(arm.low), "width": x(arm.high) - x(arm.low)}
            band |= {"y": top, "height": bottom - top}
            parts.append(el("rect", tip("95% interval of random"), **band, class_="random"))
    for i, (name, value) in enumerate(sorted(lines.items(), key=lambda line: line[1])):
        y = 20.0 + 16 * i
        if name in near:
            at = x(value)
            parts.append(el("line", x1=at, x2=at, y1=y + 4, y2=bottom, class_="rule"))
            anchor = "start" if at < (LEFT + RIGHT) / 2 else "end"
            parts.append(label(at, y, f"{name} {form.format(value)}", anchor, "soft"))
        else:  # it would squeeze the arms
            left = value < low
            words = f"← {name} {form.format(value)}" if left else f"{name} {form.format(value)} →"
            parts.append(
                label(LEFT if left else RIGHT, y, words, "start" if left else "end", "soft")
            )
    for i, arm in enumerate(arms):
        parts.append(_arm(arm, x, top + LINE * (i + 0.5), form))
    return drawing(key, title, WIDTH, bottom + 44, *parts)


def _arm(arm: DrawnArm, x: Scale, y: float, form: str) -> str:
    parts = [label(LEFT - 14, y + 4, shortened(arm.name, LEFT - 20), "end")]
    if math.isfinite(arm.low):
        parts.append(el("line", x1=x(arm.low), x2=x(arm.high), y1=y, y2=y, class_="interval"))
    for seed, value in arm.seeds.items():
        said = f"{arm.name}, seed {seed}: "
        if math.isfinite(value):
            words = tip(said + form.format(value))
            parts.append(
                el(
                    "circle",
                    words,
                    cx=x(value),
                    cy=float(y),
                    r=5.0,
                    class_="seed",
                    data_arm=arm.name,
                    data_seed=seed,
                    data_value=repr(value),
                )
            )
        else:
            words = tip(f"{said}failed, counts as worst")
            parts.append(
                el("path", words, d=f"M{RIGHT + 8} {y - 5}l10 10m0-10l-10 10", class_="failed")
            )
    words = f"{arm.rows:,.0f} rows"
    if math.isfinite(arm.mean):
        at = x(arm.mean)
        mean = tip(f"{arm.name}: mean {form.format(arm.mean)}")
        parts.append(el("line", mean, x1=at, x2=at, y1=y - 11, y2=y + 11, class_="mean"))
        words = f"{form.format(arm.mean)} · {words}"
    parts.append(label(RIGHT + 26, y + 4, words))
    return el("g", *parts)


def of(table: pd.DataFrame, metric: str, lower_is_better: bool) -> list[DrawnArm]:
    """Return the arms of a study's table, the best mean first; those without a number last."""
    from core.study.results import mean_interval

    out = []
    for name, part in table.groupby("arm", sort=False):
        known = part[metric].dropna()
        low, high = mean_interval(known.to_numpy()) if len(known) else (math.nan, math.nan)
        seeds = dict(zip(part["seed"].tolist(), part[metric].astype(float).tolist(), strict=True))
        rows = float(part["rows"].mean())
        out.append(DrawnArm(str(name), seeds, float(known.mean()), low, high, rows))
    sign = 1 if lower_is_better else -1
    return sorted(out, key=lambda arm: (not math.isfinite(arm.mean), sign * arm.mean))
