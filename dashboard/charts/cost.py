"""What a selection costs beside all the data, as bars."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme

_PARTS = (theme.SEQUENTIAL[4], theme.SEQUENTIAL[3], theme.SEQUENTIAL[1], theme.ACCENT)


def cost_bars(table: pd.DataFrame, unit: str) -> go.Figure:
    """Training on all rows above, below proxy, recording, clustering and target on the selection.

    Args:
        table: arm, part, value; arms from the top down, parts from the left.
        unit: `seconds`, or `operations`, which are drawn as shares of the first arm.
    """
    arms = list(dict.fromkeys(table["arm"]))[::-1]
    totals = table.groupby("arm")["value"].sum()
    time = unit == "seconds"
    scale = (60.0 if totals.max() < 7200 else 3600.0) if time else totals[arms[-1]] / 100
    word = ("minutes" if scale == 60 else "hours") if time else "% of training on all rows"
    fig = figure.rows(arms, right=90)
    fig.update_layout(height=fig.layout.height + 20, barmode="stack", bargap=0.3)
    parts = list(dict.fromkeys(table["part"]))
    colours = dict(zip(parts, (theme.MUTED, *_PARTS), strict=False))
    for part in parts:
        lines = table[table["part"] == part]
        fig.add_trace(
            go.Bar(
                x=lines["value"] / scale,
                y=[arms.index(arm) for arm in lines["arm"]],
                orientation="h",
                marker={"color": colours[part], "line": {"width": 0}},
                hovertemplate=f"{figure.label(part)}<br>%{{x:.3~g}} {word}<extra></extra>",
            )
        )
    for y, arm in enumerate(arms):
        figure.note(
            fig, f"{totals[arm] / scale:.3g}", x=1, y=y, yref="y", xanchor="left", xshift=10
        )
    key = "    ".join(
        f'<span style="color:{colours[part]}">■</span> {figure.label(part)}' for part in parts
    )
    figure.note(fig, key, x=0, y=1, yshift=6, xanchor="left", yanchor="bottom")
    fig.update_xaxes(title={"text": word, "standoff": 8}, rangemode="tozero")
    return fig
