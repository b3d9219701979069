"""Charts of the K helper: what more clusters buy, and how much the selected rows change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, small_multiples, theme

MEASURES = {
    "inertia": "inertia: squared distance to the centre<br>lower is tighter",
    "silhouette": "silhouette: own against next cluster<br>-1 to 1, higher is clearer",
    "balance": "balance of sizes<br>1 is all equal",
}


def sweep_curves(table: pd.DataFrame, chosen: int = 0) -> go.Figure:
    """Inertia, silhouette and balance over K: a dot a seed, a line through their means.

    Args:
        table: k, seed, inertia, silhouette, balance.
        chosen: The K in use, marked where it is not 0.
    """
    fig = small_multiples.grid(len(MEASURES), len(MEASURES), height=230, shared=False)
    ks = sorted(table["k"].unique())
    for place, (measure, title) in enumerate(MEASURES.items()):
        means = table.groupby("k")[measure].mean()
        line = go.Scatter(
            x=means.index,
            y=means,
            mode="lines",
            hoverinfo="skip",
            line={"width": 2, "color": theme.ACCENT},
        )
        dots = go.Scatter(
            x=table["k"],
            y=table[measure],
            customdata=table["seed"],
            mode="markers",
            marker={"size": 7, "color": figure.rgba(theme.ACCENT, 0.6)},
            hovertemplate="K = %{x:,}<br>%{y:.4g}<br>seed %{customdata}<extra></extra>",
        )
        fig.add_traces([trace.update(small_multiples.axes(place)) for trace in (line, dots)])
        small_multiples.title(fig, place, title)
    if chosen:
        fig.add_vline(x=chosen, line={"width": 1.5, "dash": "dot", "color": theme.MUTED})
    fig.update_xaxes(
        type="log",
        tickvals=ks,
        title={"text": "number of clusters (K)", "standoff": 8},
    )
    fig.update_yaxes(tickformat=".3~s", col=1)  # 12k
    return fig


def sweep_agreement(table: pd.DataFrame) -> go.Figure:
    """How far selections by two numbers of clusters agree; the diagonal is another seed of one K.

    Args:
        table: (n_ks, n_ks) agreement 0 to 1, both sides the Ks, NaN where it was not measured.
    """
    n = len(table)
    fig = figure.bare(44 * n + 90, right=8, top=34)
    values = table.to_numpy(float)
    shades = figure.sloped([figure.rgba(theme.ACCENT, a) for a in (0.06, 0.85)])
    fig.add_trace(
        go.Heatmap(
            z=values,
            zmin=0,
            zmax=1,
            colorscale=shades,
            showscale=False,
            xgap=2,
            ygap=2,
            customdata=np.dstack(np.meshgrid(table.columns, table.index)),
            hovertemplate="K = %{customdata[1]} against K = %{customdata[0]}<br>agreement %{z:.3f}"
            "<extra></extra>",
        )
    )
    for i, j in np.argwhere(np.isfinite(values)):
        text = f"{values[i, j]:.2f}"
        figure.note(
            fig,
            f"<b>{text}</b>" if i == j else text,
            x=int(j),
            y=int(i),
            xref="x",
            yref="y",
            font=figure.HALO,
        )
    ticks = {"tickvals": np.arange(n), "showgrid": False, "zeroline": False, "automargin": True}
    fig.update_xaxes(ticktext=table.columns, title={"text": "K", "standoff": 8}, **ticks)
    fig.update_yaxes(ticktext=table.index, title={"text": "K", "standoff": 8}, **ticks)
    figure.note(
        fig,
        "agreement of the selected rows, 0 to 1; bold: another seed of the same K",
        x=0,
        y=1,
        yshift=8,
        xanchor="left",
        yanchor="bottom",
    )
    return fig
