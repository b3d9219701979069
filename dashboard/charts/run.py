"""Charts of a proxy's run: its losses as they come, and where its time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from core.jobs.progress import duration
from dashboard.charts import figure, theme
from dashboard.charts.losses import LOSS, STEP

COST_COLOURS = {"tokenise": theme.MUTED, "train": theme.ACCENT, "record": theme.SEQUENTIAL[3]}
ENDS = {"90th percentile": "q90", "median": "q50", "10th": "q10"}


def growing(quantiles: pd.DataFrame, planned: Sequence[int], height: int = 360) -> go.Figure:
    """Losses of all rows at the recordings so far, over the steps of the whole planned run.

    The x axis spans the plan from the start and the y axis begins at 0, so that the ribbon grows to
    the right and nothing that is drawn moves. Ticks mark the recordings, pale while to come.

    Args:
        quantiles: step, q10, q25, q50, q75, q90 of each recording, in order; may be empty.
        planned: Steps to record at, the last step of the run included; empty while unknown.
        height: Pixels.
    """
    fig = figure.bare(height, hovermode="x")
    figure.axes(fig, STEP, LOSS)
    fig.update_xaxes(range=[0, max([1, *planned, *quantiles["step"]])])
    if quantiles.empty:
        fig.update_yaxes(range=[0, 1], showticklabels=False)
        fig.update_xaxes(showticklabels=bool(len(planned)))
        words = "the losses before training come first"
        figure.note(fig, words, x=0.5, y=0.5, xanchor="center", yanchor="middle")
    else:
        _ribbon(fig, quantiles)
    figure.steady(fig)
    _ticks(fig, [s for s in planned if s not in set(quantiles["step"])], theme.MUTED, "planned")
    _ticks(fig, quantiles["step"].tolist(), theme.ACCENT, "all rows recorded")
    fig.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False})
    return fig


def cost_split(seconds: Mapping[str, float]) -> go.Figure:
    """Where a run's time went, as one bar.

    Args:
        seconds: Part of the run (a key of COST_COLOURS) -> seconds, in order.
    """
    fig = figure.bare(62, right=0, top=26)
    key = []
    for name, spent in seconds.items():
        colour = COST_COLOURS[name]
        fig.add_trace(
            go.Bar(
                x=[spent],
                y=[""],
                orientation="h",
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate=f"{name}: {duration(spent)}<extra></extra>",
            )
        )
        key.append(f'<span style="color:{colour}">■</span> {name} {duration(spent)}')
    total = sum(seconds.values())
    text = f"<b>Took {duration(total)}</b>    " + "    ".join(key)
    figure.note(fig, text, x=0, y=1, yshift=2, xanchor="left", yanchor="bottom")
    fig.update_layout(barmode="stack", bargap=0.1)
    fig.update_xaxes(visible=False, range=[0, max(total, 1e-9)])
    fig.update_yaxes(visible=False)
    return fig


def _ribbon(fig: go.Figure, quantiles: pd.DataFrame) -> None:
    steps = quantiles["step"].tolist()
    fig.add_trace(figure.ribbon(steps, quantiles["q10"], quantiles["q90"], theme.ACCENT, 0.18))
    fig.add_trace(figure.ribbon(steps, quantiles["q25"], quantiles["q75"], theme.ACCENT, 0.32))
    last = quantiles.iloc[-1]
    for low, high, width in (("q10", "q90", 1.5), ("q25", "q75", 4)):  # all there is at the first
        fig.add_trace(
            go.Scatter(
                x=[steps[-1]] * 2,
                y=[last[low], last[high]],
                mode="lines",
                hoverinfo="skip",
                line={"color": theme.ACCENT, "width": width},
                cliponaxis=False,
            )
        )
    fig.add_trace(
        go.Scatter(
            x=steps,
            y=quantiles["q50"],
            mode="lines+markers",
            cliponaxis=False,
            line={"color": theme.ACCENT, "width": 2},
            marker={"size": 6},
            customdata=quantiles[["q25", "q75"]].to_numpy(float),
            hovertemplate="step %{x:,}<br>median %{y:.3f}<br>"
            "half of rows %{customdata[0]:.3f} to %{customdata[1]:.3f}<extra></extra>",
        )
    )
    ends = [(name, float(last[column]), theme.ACCENT) for name, column in ENDS.items()]
    figure.end_labels(fig, ends, (0.0, float(quantiles["q90"].max())), x=steps[-1])


def _ticks(fig: go.Figure, steps: Sequence[int], colour: str, words: str) -> None:
    fig.add_trace(
        go.Scatter(
            x=list(steps),
            y=[0.0] * len(steps),
            yaxis="y2",
            mode="markers",
            cliponaxis=False,
            marker={"symbol": "line-ns", "size": 12, "line": {"width": 1.5, "color": colour}},
            hovertemplate=f"{words}: step %{{x:,}}<extra></extra>",
        )
    )
