"""Chart of how far a proxy and a target agree over training: DataFrame in, figure out."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard import figure, theme


def rank_correlation(table: pd.DataFrame, yes: float, part: float) -> go.Figure:
    """Rank correlation of losses over training with its 95% band; the last value is named.

    Args:
        table: share (of the training, 0 to 1), proxy_step, target_step, rho, low, high.
        yes: From here on the answer is yes; a dotted line.
        part: From here on the answer is in part; a dotted line.
    """
    fig = figure.bare(340)
    fig.add_trace(figure.ribbon(table["share"], table["low"], table["high"], theme.ACCENT, 0.25))
    fig.add_trace(
        go.Scatter(
            x=table["share"], y=table["rho"], mode="lines+markers",
            line={"width": 2, "color": theme.ACCENT}, marker={"size": 6},
            customdata=table[["proxy_step", "target_step"]].to_numpy(),
            hovertemplate="rank correlation %{y:.3f}<br>proxy step %{customdata[0]:,}"
            "<br>target step %{customdata[1]:,}<extra></extra>",
        )
    )  # fmt: skip
    for level in (yes, part):
        fig.add_hline(level, line={"width": 1, "dash": "dot", "color": theme.MUTED})
    figure.axes(fig, "share of the training done", "rank correlation of losses (Spearman)")
    last = table.iloc[-1]
    ends = [
        (f"{last['rho']:.2f} ({last['low']:.2f} to {last['high']:.2f})", last["rho"], theme.ACCENT),
        (f"yes from {yes:g}", yes, theme.MUTED),
        (f"in part from {part:g}", part, theme.MUTED),
    ]
    figure.end_labels(fig, ends, (min(0.0, float(table["low"].min())), 1.0))
    fig.update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
    return fig
