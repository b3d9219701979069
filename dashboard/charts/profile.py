"""Charts of what sets rows apart: selected against all, and what a clustering comes down to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, small_multiples, theme
from dashboard.charts.raster import Mask

BINS = 40  # of a histogram at most; few selected rows get fewer
LISTED = 6  # names of one column drawn, the rest together
_LOGARITHMIC = ("tokens", "characters")  # units of lengths, which span orders of magnitude


def profile(
    facts: pd.DataFrame,
    selected: Mask,
    units: Mapping[str, str],
    *,
    sampled: str = "",
    colour: str = theme.ACCENT,
    columns: int = 3,
) -> go.Figure:
    """The selected rows against all rows, one panel a column, shares so that both compare.

    Args:
        facts: One row per example; numbers become histograms, names bars of the commonest six.
        selected: Which rows are selected (n,).
        units: Unit of each column of numbers, "" for none; lengths get a logarithmic axis.
        sampled: Where `facts` is a sample, what to say of it: "a sample of 50,000 of 1,000,000".
        colour: Of the selected rows.
        columns: Panels in a row.
    """
    fig = small_multiples.grid(len(facts.columns), columns, height=190, shared=False)
    for place, name in enumerate(facts.columns):
        values = facts[name]
        if pd.api.types.is_numeric_dtype(values):
            words = _histogram(fig, place, values, selected, units.get(name, ""), colour)
        else:
            words = _bars(fig, place, values, selected, colour)
        title = " ".join(filter(None, [str(name), units.get(name) and f"({units[name]})"]))
        small_multiples.title(fig, place, f"<b>{figure.label(title, 40)}</b><br>{words}")
    fig.update_layout(barmode="overlay")
    fig.update_yaxes(rangemode="tozero", showticklabels=False, showgrid=False)
    what = f"{small_multiples.dot(colour)} selected: {selected.sum():,} rows    "
    what += f"{small_multiples.dot(theme.MUTED)} all: {len(facts):,} rows"
    figure.note(
        fig,
        what + (f" ({figure.label(sampled, 60)})" if sampled else ""),
        x=0,
        y=1,
        yshift=40,
        xanchor="left",
        yanchor="bottom",
    )
    return fig


def explained(table: pd.DataFrame, of: str) -> go.Figure:
    """How much of a clustering each fact alone explains, and all together.

    Args:
        table: what, share (0 to 1), in the order to draw from the top.
        of: What is explained, for the axis: "the clustering of 16,386 rows".
    """
    n = len(table)
    fig = figure.bare(34 * max(n, 2) + 56, right=56, top=6)
    share = 100 * table["share"].clip(lower=0).to_numpy(float)
    place = np.arange(n)[::-1]
    for width, x, alpha in ((0.5, np.full(n, 100.0), 0.14), (0.5, share, 1.0)):
        fig.add_trace(
            go.Bar(
                x=x,
                y=place,
                orientation="h",
                width=width,
                hoverinfo="skip",
                marker={"color": figure.rgba(theme.ACCENT, alpha), "line": {"width": 0}},
            )
        )
    for y, value in zip(place, share, strict=True):
        text = f"{value:.0f}%" if value >= 1 or value == 0 else "&lt;1%"
        figure.note(fig, text, x=1, y=float(y), yref="y", xanchor="left", xshift=10)
    fig.update_layout(barmode="overlay")
    fig.update_yaxes(
        tickvals=place,
        ticktext=[figure.label(what) for what in table["what"]],
        showgrid=False,
        zeroline=False,
        automargin=True,
        range=[-0.6, n - 0.4],
        tickfont={"color": theme.INK},
    )
    title = {"text": f"share of {figure.label(of, 60)} explained", "standoff": 8}
    fig.update_xaxes(range=[0, 100], ticksuffix="%", nticks=6, title=title, zeroline=False)
    return fig


def _histogram(
    fig: go.Figure, place: int, values: pd.Series, selected: Mask, unit: str, colour: str
) -> str:
    """Draw a column of numbers, and return its medians with their denominators."""
    known = values[np.isfinite(values)].to_numpy(float)
    mine = values[np.isfinite(values) & selected].to_numpy(float)
    low, high = np.quantile(known, [0.005, 0.995]) if len(known) else (0.0, 1.0)
    bins = int(np.clip(2 * np.sqrt(len(mine)), 12, BINS))
    log = unit in _LOGARITHMIC
    if log:
        low, high = max(low, 1.0), max(high, 2.0)
        edges = np.geomspace(low, high, bins + 1)
        marks = [m * 10**e for e in range(9) for m in (1, 3) if low <= m * 10**e <= high]
        axis = {"type": "log", "tickvals": marks, "ticktext": [f"{m:,}" for m in marks]}
        fig.layout[f"xaxis{place + 1}"].update(axis)
    else:
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for part, what, shade in ((known, "all", theme.MUTED), (mine, "selected", colour)):
        if len(part):
            fact = f"%{{y:.1f}}% of {what} rows<br>from %{{x:,.4~g}}<extra></extra>"
            fig.add_trace(
                small_multiples.outline(part, edges, shade, fact).update(
                    small_multiples.axes(place)
                )
            )
    medians = [
        f"{np.median(part):,.4g} ({len(part):,} rows)" if len(part) else "none"
        for part in (mine, known)
    ]
    return f"median {medians[0]} · all {medians[1]}"


def _bars(fig: go.Figure, place: int, values: pd.Series, selected: Mask, colour: str) -> str:
    """Draw a column of names as bars, and return how many there are."""
    names = values.astype(str)
    counts = names.value_counts()
    kept = counts.index[: LISTED if len(counts) <= LISTED else LISTED - 1]
    rest = f"{len(counts) - len(kept):,} others"
    names = names.where(names.isin(kept), rest)
    shown = [*kept, *([rest] if len(counts) > len(kept) else [])]
    at = np.arange(len(shown))[::-1]
    parts = ((names, 0.8, theme.MUTED, 0.35), (names[selected], 0.4, colour, 1.0))
    for rows, width, shade, alpha in parts:
        by_value = rows.value_counts().reindex(shown, fill_value=0).to_numpy()
        fig.add_trace(
            go.Bar(
                x=100 * by_value / max(1, len(rows)),
                y=at,
                width=width,
                orientation="h",
                customdata=by_value,
                marker={"color": figure.rgba(shade, alpha), "line": {"width": 0}},
                hovertemplate=f"%{{x:.1f}}%<br>%{{customdata:,}} of {len(rows):,} rows"
                "<extra></extra>",
            ).update(small_multiples.axes(place))
        )
    x, y = small_multiples.axes(place).values()
    for name, up in zip(shown, at, strict=True):
        figure.note(
            fig,
            figure.label(name, 24),
            x=0,
            y=float(up),
            xref=x,
            yref=y,
            xanchor="left",
            xshift=4,
            font=figure.HALO,
        )
    return f"{len(counts):,} different"
