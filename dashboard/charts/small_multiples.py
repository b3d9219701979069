"""Small multiples: panels read like text, a title above each, and what they are drawn with."""

from __future__ import annotations

import textwrap

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.charts import figure
from dashboard.charts.figure import Floats

PANEL, TITLE = 142, 58  # height of a panel, and of the title in it: three lines


def grid(n: int, columns: int, *, height: int = PANEL, shared: bool = True) -> go.Figure:
    """A figure of n small multiples, read like text; the places that are left over are blank."""
    rows = max(1, -(-n // columns))
    same = "all" if shared else False
    fig = make_subplots(
        rows,
        columns,
        shared_xaxes=same,
        shared_yaxes=same,
        horizontal_spacing=0.012 if shared else 0.06,
        vertical_spacing=min(0.9 / rows, (TITLE if shared else 76) / (height * rows)),
        figure=figure.bare(height * rows + 78, top=82),
    )
    figure.inked(fig)
    for empty in range(n, rows * columns):
        fig.layout[f"xaxis{empty + 1}"].visible = fig.layout[f"yaxis{empty + 1}"].visible = False
    fig.update_xaxes(nticks=4, showgrid=False, zeroline=False, automargin=True)
    fig.update_yaxes(nticks=4, showgrid=True, zeroline=False, automargin=True)
    return fig


def axes(place: int) -> dict[str, str]:
    """Return the axes of a panel, counted from 0, for `trace.update`."""
    axis = str(place + 1) if place else ""
    return {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}


def lines(text: str, length: int = 20, most: int = 2) -> str:
    """Write a name over a few short lines, cut after the last."""
    split = textwrap.wrap(text, length, max_lines=most, placeholder="…")
    return "<br>".join(figure.label(line.rstrip(" ·"), length) for line in split)


def title(fig: go.Figure, place: int, text: str) -> None:
    """Write above a panel; `text` must already be safe."""
    x, y = axes(place).values()
    figure.note(
        fig,
        text,
        x=0,
        y=1,
        align="left",
        xref=f"{x} domain",
        yref=f"{y} domain",
        xanchor="left",
        yanchor="bottom",
    )


def outline(values: Floats, edges: Floats, colour: str, fact: str) -> go.Scatter:
    """A histogram in shares of the values (%); those beyond the last edge count in the last bin."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    share = 100 * counts / max(1, len(values))
    return go.Scatter(
        x=edges,
        y=np.append(share, 0),
        mode="lines",
        fill="tozeroy",
        hovertemplate=fact,
        line={"shape": "hv", "width": 1.5, "color": colour},
        fillcolor=figure.rgba(colour, 0.18),
    )


def dot(colour: str) -> str:
    """Return a dot for a key in words."""
    return f'<span style="color:{colour}">●</span>'
