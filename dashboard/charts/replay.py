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
COLOURS = theme.SEQUENTIAL[::2]
"""Of the named trajectories."""


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
    fig = figure.bare(HEIGHT, right=125)
    figure.axes(fig, "", "how hard it is: loss (nats per response token)")
    x = np.asarray(steps)
    top = float(max(np.nanmax(sample), max((np.nanmax(v) for v in named.values()), default=0)))
    fig.update_xaxes(range=[x.min(), x.max()])
    fig.update_yaxes(range=[0, top * 1.03])
    middle = quantiles["q50"].to_numpy(np.float32)
    lines = [sample, middle[None], *(values[None] for values in named.values())]
    fig.add_traces(_traces(x, lines))
    fig.frames = [
        go.Frame(data=[{"y": _until(n, line)} for line in lines], name=str(n))
        for n in range(1, len(x) + 1)
    ]
    ends = {w: float(v[-1]) for w, v in named.items()} | {"the middle": float(middle[-1])}
    places = figure.dodge(list(ends.values()), 0.09 * top, 0, top)
    for words, colour, y in zip(ends, (*COLOURS[: len(named)], theme.MUTED), places, strict=True):
        dot = f'<span style="color:{colour}">●</span> '
        figure.note(fig, dot + words, x=1, y=float(y), yref="y", xanchor="left", xshift=8)
    _controls(fig, x)
    return fig


def _until(n: int, lines: Float32s) -> Float32s:
    """Return lines one after the other, a gap between, of which the first n recordings are seen."""
    seen = np.full((len(lines), lines.shape[1] + 1), np.nan, np.float32)
    seen[:, :n] = np.round(lines[:, :n], 3)
    return seen.ravel()


def _traces(x: Ints, lines: Sequence[Float32s]) -> list[go.Scatter]:
    """Draw the crowd, its median, what is named: whole, as they are seen before a replay."""
    looks: list[dict[str, object]] = [
        {
            "mode": "lines",
            "hoverinfo": "skip",
            "line": {"width": 1, "color": figure.rgba(theme.MUTED, 0.35)},
        },
        {
            "mode": "lines",
            "hovertemplate": "half of all examples are below %{y:.2f}<extra></extra>",
            "line": {"width": 3, "color": theme.MUTED, "dash": "dash"},
        },
    ]
    looks += [
        {
            "mode": "lines+markers",
            "hovertemplate": "%{y:.2f}<extra></extra>",
            "line": {"width": 4, "color": colour},
            "marker": {"size": 7},
        }
        for colour in COLOURS[: len(lines) - len(looks)]
    ]
    at = np.append(x.astype(float), np.nan)
    return [
        go.Scatter(x=np.tile(at, len(line)), y=_until(len(x), line), **look)
        for line, look in zip(lines, looks, strict=True)
    ]


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
                "x": 1,
                "y": 1,
                "xanchor": "right",
                "yanchor": "bottom",
                "pad": {"b": 6},
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, play]},
                    {"label": "Pause", "method": "animate", "args": [[None], stop]},
                ],
            }
        ],
        sliders=[
            {
                "x": 0,
                "len": 1,
                "y": 0,
                "pad": {"t": 56},
                "active": len(x) - 1,
                "currentvalue": {"prefix": "After training step ", "font": {"color": theme.INK}},
                "bgcolor": theme.MUTED,
                "bordercolor": theme.MUTED,
                "ticklen": 0,
                "minorticklen": 0,
                "font": {"color": "rgba(0,0,0,0)", "size": 1},  # the axis above has the numbers
                "steps": [
                    {"label": f"{s:,}", "method": "animate", "args": [[str(n)], stop]}
                    for n, s in enumerate(x, 1)
                ],
            }
        ],
        margin={"b": 110, "t": 44},
    )
