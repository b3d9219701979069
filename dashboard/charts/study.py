"""The chart of a study: what came of each arm's selection."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.study.results import mean_interval
from dashboard.charts import figure, theme
from dashboard.escape import LABEL_LENGTH


def study_figure(
    table: pd.DataFrame,
    metric: str,
    label: str,
    lower_is_better: bool,
    base: float | None = None,
    full: float | None = None,
) -> go.Figure:
    """One row per arm, best on top: a dot per seed, the mean and its 95% interval from 3 seeds.

    The interval of random lies as a band behind all arms.

    Args:
        table: arm, seed, rows (selected) and a column named `metric`; lines without a value are
            left out.
        metric: The column drawn.
        label: Axis title with its unit.
        lower_is_better: Decides the order and what the title says.
        base: The untuned model's value, drawn as a reference line.
        full: The value after training on all data, drawn as a reference line.
    """
    table = table.dropna(subset=metric)
    arms = table.groupby("arm")[metric].agg(["mean", "min", "max", "count"])
    arms = arms.sort_values("mean", ascending=not lower_is_better, kind="stable")
    place = {arm: y for y, arm in enumerate(arms.index)}
    fig = figure.rows(arms.index, right=200)
    names = [_wrapped(arm) for arm in arms.index]
    lines = max((name.count("<br>") + 1 for name in names), default=1)
    fig.update_yaxes(ticktext=names)
    fig.layout.height += max(0, figure.LINE_HEIGHT * lines + 8 - figure.ROW) * len(names)
    known = {arm: mean_interval(part.to_numpy()) for arm, part in table.groupby("arm")[metric]}
    intervals = np.array([known[arm] for arm in arms.index]).reshape(-1, 2)
    if "random" in known and np.isfinite(known["random"]).all():
        low, high = known["random"]
        fig.add_vrect(low, high, fillcolor=theme.MUTED, opacity=0.15, line_width=0, layer="below")
    fig.add_trace(
        go.Scatter(
            x=np.column_stack([intervals, np.full(len(arms), np.nan)]).ravel(),
            y=np.repeat(np.arange(len(arms)), 3),
            mode="lines",
            hoverinfo="skip",
            line={"width": 3, "color": figure.rgba(theme.ACCENT, 0.35)},
        )
    )
    fig.add_trace(
        go.Scatter(
            x=table[metric],
            y=table["arm"].map(place),
            customdata=table[["seed", "rows"]],
            mode="markers",
            marker={"size": 8, "color": figure.rgba(theme.ACCENT, 0.55)},
            hovertemplate="%{x:.4g}<br>seed %{customdata[0]}<br>%{customdata[1]:,} rows"
            "<extra></extra>",
        )
    )
    fig.add_trace(
        go.Scatter(
            x=arms["mean"],
            y=np.arange(len(arms)),
            customdata=arms["count"],
            mode="markers",
            marker={"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": theme.ACCENT}},
            hovertemplate="mean %{x:.4g}<br>%{customdata} seeds<extra></extra>",
        )
    )
    sizes = table.groupby("arm")["rows"].agg(["min", "max"])
    for y, (arm, mean, count) in enumerate(
        zip(arms.index, arms["mean"], arms["count"], strict=True)
    ):
        few, many = sizes.loc[arm]
        rows = f"{few:,}" if few == many else f"{few:,} to {many:,}"
        text = f"{mean:#.4g}  ({rows} rows, {count} seed{'s' if count > 1 else ''})"
        figure.note(fig, text, x=1, y=y, yref="y", xanchor="left", xshift=10)
    references = {name: x for name, x in (("untuned", base), ("full data", full)) if x is not None}
    better = "lower is better" if lower_is_better else "higher is better"
    fig.update_xaxes(title={"text": f"{figure.label(label, 60)} · {better}", "standoff": 8})
    drawn = [*table[metric], *intervals[np.isfinite(intervals)]]
    values = drawn or list(references.values()) or [0.0]
    _references(fig, references, min(values), max(values))
    return fig


def _wrapped(arm: str) -> str:
    """Write the whole name of an arm, over several lines where it is long: arms may differ late."""
    lines = textwrap.wrap(str(arm), LABEL_LENGTH) or [""]
    return "<br>".join(figure.label(line) for line in lines)


def _references(fig: go.Figure, values: dict[str, float], low: float, high: float) -> None:
    """Dotted vertical lines named above the plot, and an x range that keeps the arms apart.

    A reference further from the arms than twice their spread is named at the edge instead.
    """
    spread = high - low or abs(high) or 1.0
    near = [x for x in values.values() if low - 2 * spread <= x <= high + 2 * spread]
    left, right = min([low, *near]), max([high, *near])
    pad = 0.06 * (right - left or spread)
    fig.update_xaxes(range=[left - pad, right + pad])
    for i, (name, x) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        text = f"{name} {x:#.4g}"
        share = (x - left + pad) / (right - left + 2 * pad)
        side = ("right", "left")[i] if len(near) == 2 else "center"
        side = "left" if share < 0.15 else "right" if share > 0.85 else side
        if x in near:
            fig.add_vline(x=x, line={"width": 1.5, "dash": "dot", "color": theme.MUTED})
            figure.note(fig, text, x=x, y=1, xref="x", yshift=4, xanchor=side, yanchor="bottom")
        elif x < left:
            figure.note(fig, f"← {text}", x=0, y=1, yshift=4, xanchor="left", yanchor="bottom")
        else:
            figure.note(fig, f"{text} →", x=1, y=1, yshift=4, xanchor="right", yanchor="bottom")
