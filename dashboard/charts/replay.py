"""Trajectories replayed over training: the browser plays, so a million rows cost no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.arrays import Float32s, Ints
from dashboard.charts import figure, theme

HEIGHT = 480
FRAME_MS = 450


def replay(
    steps: Sequence[int], quantiles: pd.DataFrame, sample: Float32s, named: Mapping[str, Float32s]
) -> go.Figure:
    """Draw losses that grow recording by recording, with play, pause and a slider.

    Args:
        steps: Optimizer step of each recording (n_checkpoints,).
        quantiles: q10, q50 and q90 of all measured rows, a line a recording.
        sample: A few dozen trajectories (n, n_checkpoints), nats per response token.
        named: Words -> one trajectory (n_checkpoints,), drawn large, at most three.
    """
    fig = figure.bare(HEIGHT, right=170)
    figure.axes(fig, "optimizer step of the small model", "loss (nats per response token)")
    x = np.asarray(steps)
    top = float(max(np.nanmax(sample), max((np.nanmax(v) for v in named.values()), default=0)))
    fig.update_xaxes(range=[x.min(), x.max()])
    fig.update_yaxes(range=[0, top * 1.03])
    whole = len(x)
    fig.add_traces(_traces(whole, x, quantiles, sample, named))
    fig.frames = [
        go.Frame(
            data=[{"x": t.x, "y": t.y} for t in _traces(n, x, quantiles, sample, named)],
            name=str(n),
        )
        for n in range(1, whole + 1)
    ]
    ends = [float(v[-1]) for v in named.values()]
    for words, colour, y in zip(
        named, theme.SEQUENTIAL[::2], figure.dodge(ends, 0.07 * top, 0, top), strict=False
    ):
        figure.note(
            fig, words, x=1, y=float(y), yref="y", xanchor="left", xshift=8, font={"color": colour}
        )
    _controls(fig, x)
    return fig


def _traces(
    n: int, x: Ints, quantiles: pd.DataFrame, sample: Float32s, named: Mapping[str, Float32s]
) -> list[go.Scatter]:
    """Draw the first n recordings: the crowd, its median, what is named."""
    gap = np.full((len(sample), 1), np.nan)
    crowd = np.hstack([sample[:, :n], gap]).ravel()
    at = np.tile(np.append(x[:n].astype(float), np.nan), len(sample))
    out = [
        go.Scatter(
            x=at,
            y=crowd,
            mode="lines",
            hoverinfo="skip",
            line={"width": 1, "color": figure.rgba(theme.MUTED, 0.35)},
        ),
        go.Scatter(
            x=x[:n],
            y=quantiles["q50"][:n],
            mode="lines",
            hovertemplate="half of all examples are below %{y:.2f}<extra></extra>",
            line={"width": 3, "color": theme.MUTED},
        ),
    ]
    for colour, values in zip(theme.SEQUENTIAL[::2], named.values(), strict=False):
        out.append(
            go.Scatter(
                x=x[:n],
                y=values[:n],
                mode="lines+markers",
                hovertemplate="%{y:.2f}<extra></extra>",
                line={"width": 4, "color": colour},
                marker={"size": 7},
            )
        )
    return out


def _controls(fig: go.Figure, x: Ints) -> None:
    """Add the buttons and the slider, which the browser moves by itself."""
    play = {"frame": {"duration": FRAME_MS, "redraw": False}, "transition": {"duration": 0}}
    stop = {"frame": {"duration": 0, "redraw": False}, "mode": "immediate"}
    fig.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "showactive": False,  # what is active is white in the dark scheme too
                "bgcolor": "rgba(0,0,0,0)",
                "bordercolor": theme.MUTED,
                "font": {"color": theme.INK, "size": 14},
                "direction": "left",
                "x": 0,
                "y": -0.2,
                "xanchor": "left",
                "yanchor": "top",
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, play]},
                    {"label": "Pause", "method": "animate", "args": [[None], stop]},
                ],
            }
        ],
        sliders=[
            {
                "x": 0.2,
                "len": 0.8,
                "y": -0.14,
                "active": len(x) - 1,
                "currentvalue": {"visible": False},
                "bgcolor": theme.MUTED,
                "bordercolor": theme.MUTED,
                "font": {"color": theme.INK},
                "steps": [
                    {"label": f"{s:,}", "method": "animate", "args": [[str(n)], stop]}
                    for n, s in enumerate(x, 1)
                ],
            }
        ],
        margin={"b": 120},
    )
