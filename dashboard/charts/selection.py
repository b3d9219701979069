"""Charts of what a selection took, and what that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme

KEY_LINE = 17
"""Pixels of a line of what the marks mean."""


def allocation(
    table: pd.DataFrame,
    k: int,
    fixed: Mapping[int, int] | None = None,
    caps: Mapping[int, int] | None = None,
    chosen: Sequence[int] = (),
    level: int | None = None,
    *,
    narrow: bool = False,
) -> go.Figure:
    """Rows taken from each cluster (solid) out of its rows (pale), largest cluster left.

    Where partly taken clusters that no hand set all gave the same number (within one), that is the
    water level, and it is drawn. Marked are clusters taken whole, set or capped by hand, and what
    sharing alone would take where that differs. The whole column of a bar answers to a click
    (`st.plotly_chart(on_select=..., selection_mode="points")`); x counts the bars from 0.

    Args:
        table: cluster, size, taken, quota; the clusters a selection could draw from.
        k: Number of clusters, which settles the colours.
        fixed: Cluster -> its rows, set by hand.
        caps: Cluster -> its most rows, set by hand.
        chosen: Clusters to light up.
        level: Rows at which a line is drawn over them.
        narrow: Whether what the marks mean is written shortly, in lines one above the other.
    """
    fixed, caps = fixed or {}, caps or {}
    table = largest_first(table)
    # a click or hover answers to the column, not to the bar: a small cluster is a pixel high
    fig = figure.bare(280, hovermode="x")
    colours = [theme.cluster_colour(int(c), k) for c in table["cluster"]]
    whole = table["taken"] == table["size"]
    moved = table[table["quota"] != table["taken"]]
    by_hand = table["cluster"].isin([*fixed, *caps])
    for column, alpha in (("size", 0.28), ("taken", 1.0)):
        fig.add_trace(
            go.Bar(
                x=table.index,
                y=table[column],
                marker={"color": [figure.rgba(c, alpha) for c in colours], "line": {"width": 0}},
                # the chart is drawn anew with what is chosen: the browser dims nothing itself
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 1}},
            )
        )
    fig.data[0].update(
        customdata=table[["cluster", "size", "taken", "quota"]].to_numpy(),
        hovertemplate="cluster %{customdata[0]}<br>%{customdata[2]:,} of %{customdata[1]:,} rows"
        + ("<br>by sharing alone %{customdata[3]:,}" if len(moved) else "")
        + "<extra></extra>",
    )
    fig.data[0].marker.line = {
        "width": (1.5 if len(table) <= 60 else 1) * by_hand.to_numpy(),
        "color": theme.INK,
    }
    fig.data[1].hoverinfo = "skip"
    fig.update_layout(barmode="overlay", bargap=0.25 if len(table) <= 60 else 0.1)
    few = len(table) <= 40
    log = _axes(fig, table, ticks=few)
    key = [f"pale: all rows, solid: taken{' (logarithmic)' if log else ''}"]
    if len(moved):
        _marks(fig, moved.index, moved["quota"], "line-ew", len(table))
        key.append("\u2013 by sharing alone")
    if whole.any():
        _marks(fig, table.index[whole], table.loc[whole, "size"], "diamond", len(table))
        key.append("\u25c6 taken whole")
    for sign, hand, word in (("=", fixed, "set"), ("\u2264", caps, "at most, by hand")):
        there = table[table["cluster"].isin(list(hand))]
        if len(there):
            _signs(fig, there, sign, 13 if few else 9)
            key.append(f"{sign} {word}" + (" by hand" if sign == "=" else ""))
    held = table["cluster"].isin(list(fixed)) | (
        table["taken"] == table["cluster"].map(caps).fillna(-1)
    )
    key += _water_level(fig, table[~held], int(whole.sum()))
    _explain(fig, key, narrow=narrow)
    _light_up(fig, table.index[table["cluster"].isin(list(chosen))], level)
    return fig


def _explain(fig: go.Figure, key: list[str], *, narrow: bool) -> None:
    """Write what the marks mean over the bars."""
    if narrow:
        short = [words.split(" \u00b7 ")[0] for words in key]
        key = "\n".join(short).replace(" (logarithmic)", "\nlogarithmic scale").split("\n")
        fig.update_layout(margin={"t": 12 + KEY_LINE * len(key)})
    figure.note(
        fig,
        ("<br>" if narrow else "    ").join(key),
        x=0,
        y=1,
        yshift=8,
        xanchor="left",
        yanchor="bottom",
        align="left",
    )


def _axes(fig: go.Figure, table: pd.DataFrame, *, ticks: bool) -> bool:
    """Settle the axes; return whether rows are drawn on a logarithmic one."""
    figure.axes(fig, "clusters, largest first", "")
    fig.update_xaxes(
        tickvals=table.index,
        ticktext=table["cluster"],
        showticklabels=ticks,
        range=[-0.5, len(table) - 0.5],
        fixedrange=True,
    )
    most, least = table["size"].max(), table.loc[table["size"] > 0, "size"].min()
    log = bool(most > 50 * least)
    fig.update_yaxes(range=[0, 1.1 * most], fixedrange=True)
    if log:
        fig.update_yaxes(type="log", dtick=1, range=[-0.3, np.log10(most) + 0.2])
    return log


def largest_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the clusters in the order of their bars."""
    return table.sort_values(["size", "cluster"], ascending=[False, True], ignore_index=True)


def movers(table: pd.DataFrame) -> go.Figure:
    """The sources whose share changes most, small: pool (hollow) and selection (solid).

    Args:
        table: As `share_change` takes it. Three sources are drawn.
    """
    fig = share_change(table, most=3)
    n = len(fig.layout.yaxis.tickvals)
    fig.update_layout(height=20 * max(n, 2) + 34, margin={"t": 24, "b": 4})
    fig.update_traces(marker={"size": 8}, selector={"mode": "markers"})
    fig.update_xaxes(title=None, showticklabels=False, showgrid=False)
    return fig


def share_change(table: pd.DataFrame, most: int = 20) -> go.Figure:
    """Each source's share of the pool (hollow) and of the selection (solid), largest gain on top.

    Args:
        table: source, pool_share, selected_share (0 to 1), pool_rows, selected_rows.
        most: Sources drawn, those that change most.
    """
    table = table.assign(change=table["selected_share"] - table["pool_share"])
    order = table["change"].abs().sort_values(ascending=False, kind="stable").index
    table = table.loc[order[:most]]
    table = table.sort_values("change", kind="stable", ignore_index=True)
    fig = figure.rows(table["source"], right=90)
    before, after = 100 * table["pool_share"], 100 * table["selected_share"]
    gap = np.full(len(table), np.nan)
    fig.add_trace(
        go.Scatter(
            x=np.column_stack([before, after, gap]).ravel(),
            y=np.repeat(table.index, 3),
            mode="lines",
            line={"width": 3, "color": figure.rgba(theme.MUTED, 0.5)},
            hoverinfo="skip",
        )
    )
    for x, rows, what, symbol, colour in (
        (before, table["pool_rows"], "the pool", "circle-open", theme.MUTED),
        (after, table["selected_rows"], "the selection", "circle", theme.ACCENT),
    ):
        fig.add_trace(
            go.Scatter(
                x=x,
                y=table.index,
                customdata=rows,
                mode="markers",
                marker={
                    "size": 11,
                    "symbol": symbol,
                    "color": colour,
                    "line": {"width": 2, "color": colour},
                },
                hovertemplate=f"%{{x:.1f}}% of {what}<br>%{{customdata:,}} rows<extra></extra>",
            )
        )
    for y, change in enumerate(table["change"]):
        text = f"{100 * change:+.1f} points".replace("-", "\u2212")
        figure.note(fig, text, x=1, y=y, yref="y", xanchor="left", xshift=10)
    key = f'<span style="color:{theme.MUTED}">○</span> in the pool    '
    key += f'<span style="color:{theme.ACCENT}">●</span> in the selection'
    figure.note(fig, key, x=0, y=1, yshift=6, xanchor="left", yanchor="bottom")
    fig.update_xaxes(title={"text": "share of rows (%)", "standoff": 8}, rangemode="tozero")
    return fig


def _water_level(fig: go.Figure, free: pd.DataFrame, whole: int) -> list[str]:
    """The level as a line; return its part of the key, with its number and the clusters whole."""
    partly = free.loc[free["taken"] < free["size"], "taken"]
    if partly.empty or partly.max() - partly.min() > 1:
        return []
    level = int(partly.max())
    fig.add_hline(y=level, line={"width": 1.5, "dash": "dot", "color": theme.MUTED})
    text = f"\u2508 even share: {level:,} rows"
    if whole:
        text += f" · {whole:,} cluster{'s' if whole > 1 else ''} taken whole"
    return [text]


def _marks(fig: go.Figure, x: pd.Index, y: pd.Series, symbol: str, bars: int) -> None:
    """One small mark a bar, no wider than it."""
    size = float(np.clip(300 / bars, 3, 9))
    fig.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            hoverinfo="skip",
            cliponaxis=False,
            marker={
                "symbol": symbol,
                "size": size,
                "color": theme.INK,
                "opacity": 1,
                "line": {"width": 1 * (symbol == "line-ew"), "color": theme.INK},
            },
        )
    )


def _signs(fig: go.Figure, there: pd.DataFrame, sign: str, size: int) -> None:
    """The same sign above every bar of the table."""
    fig.add_trace(
        go.Scatter(
            x=there.index,
            y=there["size"],
            mode="text",
            texttemplate=sign,
            hoverinfo="skip",
            textposition="top center",
            textfont={"size": size, "color": theme.INK},
            cliponaxis=False,
        )
    )


def _light_up(fig: go.Figure, places: pd.Index, level: int | None) -> None:
    """A band behind the chosen bars, and their level as a line across it."""
    if places.empty:
        return
    for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
        x0, x1 = run[0] - 0.5, run[-1] + 0.5
        fig.add_vrect(
            x0=x0,
            x1=x1,
            fillcolor=figure.rgba(theme.ACCENT, 0.16),
            layer="below",
            line={"width": 1, "color": theme.ACCENT},
        )
        if level:
            line = {"width": 2, "color": theme.ACCENT}
            fig.add_shape(type="line", x0=x0, x1=x1, y0=level, y1=level, line=line)
