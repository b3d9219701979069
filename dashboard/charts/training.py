"""Charts of trainings: losses of several runs on one axis, and small ones of all else measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme
from dashboard.charts.losses import LOSS, STEP

AXES = {"step": STEP, "tokens": "tokens trained on", "seconds": "seconds of training"}
"""Column that runs are drawn over -> its title."""
HELD_OUT = "#d55e00"
UNITS = {"memory": 2**30}
"""Column -> what it is divided by: bytes are shown in GiB, as everywhere."""
POINTS = 400
"""Points of a line that are drawn at most."""


class Curve(NamedTuple):
    """One run."""

    name: str
    """Safe for a chart."""
    frame: pd.DataFrame
    """Columns of AXES; loss and held_out in nats per response token, NaN where not measured."""
    colour: str


def losses(
    curves: Sequence[Curve], axis: str = "step", smoothing: float = 0.05, height: int = 380
) -> go.Figure:
    """Training loss of each run, smoothed over its own pale line, and held-out loss as dots.

    Args:
        curves: The run in question first.
        axis: A key of AXES.
        smoothing: Share of a run's points that each point is the mean of; 0 draws them as they are.
        height: Pixels.
    """
    fig = figure.bare(height)
    ends: list[tuple[str, float, str]] = []
    seen: list[float] = []
    for i, curve in enumerate(curves):
        if axis not in curve.frame:
            continue
        trained = curve.frame.dropna(subset=["loss", axis])
        x, raw = thinned(trained[axis], trained["loss"])
        smooth = smoothed(raw, smoothing)
        if not i and smoothing:
            fig.add_trace(_line(x, raw, figure.rgba(theme.MUTED, 0.45), 1, None))
        fig.add_trace(_line(x, smooth, curve.colour, 2, f"{curve.name}, training"))
        if len(smooth):
            ends.append((_end("training", curve, curves), float(smooth[-1]), curve.colour))
        seen += raw[np.isfinite(raw)].tolist() if not i else smooth.tolist()
        looks = (
            curve.frame.dropna(subset=["held_out"]) if "held_out" in curve.frame else trained[:0]
        )
        looks = looks.dropna(subset=[axis])
        if len(looks):
            colour = HELD_OUT if len(curves) == 1 else curve.colour
            fig.add_trace(_dots(looks[axis], looks["held_out"], colour, f"{curve.name}, held out"))
            ends.append(
                (_end("held out", curve, curves), float(looks["held_out"].iloc[-1]), colour)
            )
            seen += looks["held_out"].tolist()
    figure.axes(fig, AXES[axis], LOSS)
    if seen:
        figure.end_labels(fig, ends, (min(seen), max(seen)))
    else:
        fig.update_yaxes(showticklabels=False)
    return fig


def small(frame: pd.DataFrame, column: str, title: str, axis: str = "step") -> go.Figure:
    """One quantity of a run, without a word that is not needed."""
    fig = figure.bare(150)
    there = frame.dropna(subset=[column, axis])
    x, y = thinned(there[axis], there[column] / UNITS.get(column, 1))
    fig.add_trace(_line(x, y, theme.ACCENT, 1.5, title))
    figure.axes(fig, "", title)
    fig.update_yaxes(nticks=4, tickformat="~s" if column not in ("lr",) else ".1e")
    fig.update_xaxes(nticks=4)
    if column != "lr":
        fig.update_yaxes(rangemode="tozero")
    return fig


def smoothed(values: np.ndarray, share: float) -> np.ndarray:
    """Return the mean over a centred window of this share of the points: it does not lag behind."""
    window = max(1, round(len(values) * share))
    return pd.Series(values).rolling(window, center=True, min_periods=1).mean().to_numpy()


def thinned(x: pd.Series, y: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about POINTS points, the last among them; a y is the mean of its stretch."""
    every = -(-len(x) // POINTS) or 1
    if every == 1:
        return x.to_numpy(float), y.to_numpy(float)
    stretch = np.arange(len(x))[::-1] // every
    means = y.astype(float).groupby(stretch).mean().to_numpy()[::-1]
    return x.to_numpy(float)[::-1][::every][::-1], means


def _end(what: str, curve: Curve, curves: Sequence[Curve]) -> str:
    return what if len(curves) == 1 else f"{curve.name} {what}"


def _line(x: np.ndarray, y: np.ndarray, colour: str, width: float, hover: str | None) -> go.Scatter:
    facts = f"{hover}<br>%{{x:,}}<br>%{{y:.4~g}}<extra></extra>"
    return go.Scatter(
        x=x,
        y=y,
        mode="lines" if len(x) > 1 else "markers",
        line={"color": colour, "width": width},
        **({"hovertemplate": facts} if hover else {"hoverinfo": "skip"}),
    )


def _dots(x: pd.Series, y: pd.Series, colour: str, hover: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": colour, "width": 1.5, "dash": "dot"},
        marker={"size": 7},
        hovertemplate=f"{hover}<br>%{{x:,}}<br>%{{y:.4f}}<extra></extra>",
    )
