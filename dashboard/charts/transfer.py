"""The chart of how far a proxy and a target agree over training: DataFrame in, figure out."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme

CLUSTERS = "#d55e00"


def agreement_curves(table: pd.DataFrame, yes: float, part: float) -> go.Figure:
    """Agreement over training: rank correlation of losses with its 95% band, and of clusters.

    Args:
        table: share (of the training, 0 to 1), proxy_step, target_step, rho, low, high, ari.
        yes: From this rank correlation on the answer is yes; a dotted line.
        part: From this one on the answer is in part; a dotted line.
    """
    fig = figure.bare(340)
    fig.add_trace(figure.ribbon(table["share"], table["low"], table["high"], theme.ACCENT, 0.25))
    steps = table[["proxy_step", "target_step"]].to_numpy()
    for column, colour, what in (
        ("rho", theme.ACCENT, "rank correlation of losses"),
        ("ari", CLUSTERS, "agreement of clusters (ARI)"),
    ):
        fig.add_trace(
            go.Scatter(
                x=table["share"],
                y=table[column],
                mode="lines+markers",
                line={"width": 2, "color": colour},
                marker={"size": 6},
                customdata=steps,
                hovertemplate=what + " %{y:.3f}<br>proxy step %{customdata[0]:,}"
                "<br>target step %{customdata[1]:,}<extra></extra>",
            )
        )
    for level in (yes, part):
        fig.add_hline(level, line={"width": 1, "dash": "dot", "color": theme.MUTED})
    figure.axes(fig, "share of the training done", "agreement of proxy and target (1: complete)")
    last = table.iloc[-1]
    rho = f"losses {last['rho']:.2f} ({last['low']:.2f} to {last['high']:.2f})"
    ends = [
        (rho, last["rho"], theme.ACCENT),
        (f"clusters {last['ari']:.2f}", last["ari"], CLUSTERS),
        (f"losses: yes from {yes:g}", yes, theme.MUTED),
        (f"in part from {part:g}", part, theme.MUTED),
    ]
    figure.end_labels(fig, ends, (min(0.0, float(table[["low", "ari"]].to_numpy().min())), 1.0))
    fig.update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
    return fig
