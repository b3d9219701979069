"""The charts of a study: what came of each arm's selection, at which size, and what it took."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.jobs.progress import duration
from core.selection.strategies.catalog import STRATEGIES
from core.study.comparison import TITLES
from core.study.results import mean_interval
from dashboard.charts import figure, theme
from dashboard.escape import LABEL_LENGTH

COST_COLOURS = {
    "training": theme.ACCENT,
    "testing": theme.MUTED,
    "proxy": theme.SEQUENTIAL[3],
}
BAND = "95% interval of random's mean"
"""What the grey behind the arms is."""


def study_figure(
    table: pd.DataFrame,
    metric: str,
    label: str,
    lower_is_better: bool,
    base: float | None = None,
    full: float | None = None,
    floors: Mapping[str, float] | None = None,
    seconds: pd.Series | None = None,
) -> go.Figure:
    """One row per arm, best on top: a dot per seed, the mean and its 95% interval from 3 seeds.

    The interval of random lies as a band behind all arms.

    Args:
        table: arm, seed, rows (selected) and a column named `metric`; a line without a value is a
            run that failed, and is marked at the worse edge.
        metric: The column drawn.
        label: Axis title with its unit.
        lower_is_better: Decides the order and what the title says.
        base: The untuned model's value, drawn as a reference line.
        full: The value after training on all data, drawn as a reference line.
        floors: Name -> value of more lines, what no arm should be below.
        seconds: That one training of each arm took, by arm; written beside it where given.
    """
    failed = table[table[metric].isna()]
    ran = table.groupby("arm")["seed"].size()
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
        _band(fig, *known["random"], float(table[metric].max() + table[metric].min()) / 2)
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
    _notes(fig, table, arms, ran, seconds)
    references = {name: x for name, x in (("untuned", base), ("full data", full)) if x is not None}
    references |= floors or {}
    better = "lower is better" if lower_is_better else "higher is better"
    fig.update_xaxes(title={"text": f"{figure.label(label, 60)} · {better}", "standoff": 8})
    drawn = [*table[metric], *intervals[np.isfinite(intervals)]]
    values = drawn or list(references.values()) or [0.0]
    _references(fig, references, min(values), max(values))
    _failures(fig, failed, place, lower_is_better)
    return fig


def _band(fig: go.Figure, low: float, high: float, middle: float) -> None:
    """Draw random's interval behind all arms, and say beside it what the grey is."""
    fig.add_vrect(low, high, fillcolor=theme.MUTED, opacity=0.15, line_width=0, layer="below")
    side, x = ("left", high) if low + high < 2 * middle else ("right", low)
    figure.note(fig, f"grey: {BAND}", x=x, y=0, xref="x", xanchor=side, yanchor="bottom")


def _notes(
    fig: go.Figure,
    table: pd.DataFrame,
    arms: pd.DataFrame,
    ran: pd.Series,
    seconds: pd.Series | None,
) -> None:
    """Write each arm's mean, rows and seeds beside it; `ran` counts failed seeds, too."""
    sizes = table.groupby("arm")["rows"].agg(["min", "max"])
    for y, (arm, mean, count) in enumerate(
        zip(arms.index, arms["mean"], arms["count"], strict=True)
    ):
        few, many = sizes.loc[arm]
        rows = f"{few:,}" if few == many else f"{few:,} to {many:,}"
        seeds = f"{count} seed{'s' if count > 1 else ''}"
        seeds = seeds if count == ran[arm] else f"{count} of {ran[arm]} seeds"
        text = f"{mean:#.4g}  ({rows} rows, {seeds})"
        if seconds is not None and np.isfinite(seconds[arm]):
            text = f"<b>{mean:#.4g}</b> · {seeds}<br>{rows} rows, {duration(seconds[arm])} each"
        figure.note(fig, text, x=1, y=y, yref="y", xanchor="left", xshift=10, align="left")


def _failures(
    fig: go.Figure, failed: pd.DataFrame, place: dict[str, int], lower_is_better: bool
) -> None:
    """Mark runs that gave no number at the worse edge, where they count."""
    there = failed[failed["arm"].isin(place)]
    if there.empty:
        return
    left, right = fig.layout.xaxis.range
    fig.add_trace(
        go.Scatter(
            x=[right if lower_is_better else left] * len(there),
            y=there["arm"].map(place),
            customdata=there[["seed"]],
            mode="markers",
            cliponaxis=False,
            marker={"symbol": "x", "size": 9, "color": theme.SEQUENTIAL[3]},
            hovertemplate="seed %{customdata[0]} failed<br>counts as worst<extra></extra>",
        )
    )


def by_size(
    lines: pd.DataFrame, metric: str, label: str, full: float | None, base: float | None
) -> go.Figure:
    """The score of each arm against the rows that it was trained on, on a log scale.

    A dot a run, a line through the means; all the data and the untuned base are level lines.

    Args:
        lines: arm, budget, rows, seed and a column named `metric`; without the arm of all the data.
        metric: The column drawn.
        label: Axis title with its unit.
        full: The mean after training on all data.
        base: The untuned model's value.
    """
    lines = lines.dropna(subset=metric)
    fig = figure.bare(380)
    figure.axes(fig, "rows trained on", figure.label(label, 60))
    fig.update_xaxes(type="log", dtick=1, minor={"ticks": "outside"})
    names = list(dict.fromkeys(lines["arm"]))
    colours = theme.cluster_colours(len(names)) or (theme.ACCENT,) * len(names)
    ends = []
    for name, colour in zip(names, colours, strict=True):
        part = lines[lines["arm"] == name]
        called = figure.label(arm_title(name))
        means = part.groupby("budget")[["rows", metric]].mean().sort_values("rows")
        fig.add_trace(
            go.Scatter(
                x=means["rows"],
                y=means[metric],
                mode="lines",
                line={"color": colour, "width": 2},
                hoverinfo="skip",
            )
        )
        fig.add_trace(
            go.Scatter(
                x=part["rows"],
                y=part[metric],
                customdata=part[["seed", "budget"]],
                mode="markers",
                marker={"color": figure.rgba(colour, 0.6), "size": 7},
                hovertemplate=f"{called}, %{{customdata[1]}}<br>%{{y:.4g}}<br>"
                "seed %{customdata[0]}<extra></extra>",
            )
        )
        ends.append((called, float(means[metric].iloc[-1]), colour))
    low, high = lines[metric].min(), lines[metric].max()
    far = 2 * (high - low or abs(high) or 1.0)
    outside = []
    for name, y in (("all the data", full), ("untuned", base)):
        if y is not None and not low - far <= y <= high + far:  # it would squeeze the curves
            outside.append(f"{name} {y:#.4g} {'↑' if y > high else '↓'}")
        elif y is not None:
            fig.add_hline(y=y, line={"width": 1.5, "dash": "dot", "color": theme.MUTED})
            ends.append((name, y, theme.MUTED))
    if outside:  # above the plot, where no dot lies
        text = "   ".join(outside)
        figure.note(fig, text, x=1, y=1, yshift=4, xanchor="right", yanchor="bottom")
    levels = [y for _, y, _ in ends] + lines[metric].tolist()
    if levels:
        figure.end_labels(fig, ends, (min(levels), max(levels)))
    return fig


def cost_bars(costs: pd.DataFrame) -> go.Figure:
    """What a fine-tune of each arm took, in seconds: training, testing, and the proxy before it.

    Args:
        costs: arm, training, testing, proxy (seconds; NaN where not known), in order from the top.
    """
    costs = costs.iloc[::-1]
    fig = figure.rows([arm_title(arm) for arm in costs["arm"]], right=90)
    fig.update_layout(barmode="stack", bargap=0.45)
    fig.update_xaxes(title={"text": "seconds", "standoff": 8}, rangemode="tozero")
    for part, colour in COST_COLOURS.items():
        fig.add_trace(
            go.Bar(
                x=costs[part].fillna(0),
                y=np.arange(len(costs)),
                orientation="h",
                marker={"color": colour},
                hovertemplate=f"{part} %{{x:,.0f}} s<extra></extra>",
            )
        )
    for y, total in enumerate(costs[list(COST_COLOURS)].fillna(0).sum(axis=1)):
        figure.note(fig, f"{total:,.0f} s", x=1, y=y, yref="y", xanchor="left", xshift=10)
    key = "  ".join(f'<span style="color:{c}">■</span> {name}' for name, c in COST_COLOURS.items())
    figure.note(fig, key, x=0, y=1, yshift=4, xanchor="left", yanchor="bottom")
    return fig


def arm_title(arm: str) -> str:
    """Return what an arm is called beside a chart; a saved selection has its own name."""
    if arm in TITLES:
        return TITLES[arm][:1].upper() + TITLES[arm][1:]
    return STRATEGIES[arm].title if arm in STRATEGIES else arm


def _wrapped(arm: str) -> str:
    """Write the whole name of an arm, over several lines where it is long: arms may differ late."""
    lines = textwrap.wrap(arm_title(str(arm)), LABEL_LENGTH) or [""]
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
    level = 0
    for i, (name, x) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        text = f"{name} {x:#.4g}"
        share = (x - left + pad) / (right - left + 2 * pad)
        side = ("right", "left")[i] if len(near) == 2 else "center"
        side = "left" if share < 0.15 else "right" if share > 0.85 else side
        lift = 4 + figure.LINE_HEIGHT * level
        if x in near:
            fig.add_vline(x=x, line={"width": 1.5, "dash": "dot", "color": theme.MUTED})
            figure.note(fig, text, x=x, y=1, xref="x", yshift=lift, xanchor=side, yanchor="bottom")
            level += len(near) > 2  # more than two are written above each other
        elif x < left:
            figure.note(fig, f"← {text}", x=0, y=1, yshift=lift, xanchor="left", yanchor="bottom")
        else:
            figure.note(fig, f"{text} →", x=1, y=1, yshift=lift, xanchor="right", yanchor="bottom")
    fig.layout.margin.t += figure.LINE_HEIGHT * level
    fig.layout.height += figure.LINE_HEIGHT * level
