"""Charts that show trajectories of clusters and rows: arrays in, figure out, no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, small_multiples, theme
from dashboard.charts.figure import Floats
from dashboard.charts.losses import LOSS, STEP

PANELS = 24  # small multiples drawn at most; the page turns pages
SAMPLED = 6  # single trajectories in a small panel
STRANDS = 12  # single trajectories of each kind beside the distances
BINS = 80


def ribbons(
    quantiles: pd.DataFrame,
    samples: Mapping[int, Floats],
    sizes: Mapping[int, int] | pd.Series,
    names: Mapping[int, str],
    order: Sequence[int],
    k: int,
    chosen: int | None = None,
    *,
    colours: Sequence[str] | None = None,
    columns: int = 6,
) -> go.Figure:
    """Small multiples with shared axes: median, 10-90% ribbon and a few rows of each cluster.

    A click anywhere in a panel selects a point whose customdata begins with the cluster
    (`st.plotly_chart(on_select=..., selection_mode="points")`).

    Args:
        quantiles: cluster, step, q10, q50, q90.
        samples: Trajectories (n, T) by cluster, where there are any; the first 6 are drawn.
        sizes: Rows by cluster.
        names: Cluster to name, where it has one.
        order: Clusters to draw, at most 24.
        k: Number of clusters, which settles the colours.
        chosen: Cluster to light up; the others are dimmed.
        colours: `#rrggbb` of cluster 0..k-1 (`theme.palette`), where they are not its own.
        columns: Panels in a row.
    """
    shown = list(order)[:PANELS]
    own = list(colours or [theme.cluster_colour(c, k) for c in range(k)])
    fig = small_multiples.grid(len(shown), columns)
    by_cluster = dict(list(quantiles[quantiles["cluster"].isin(shown)].groupby("cluster")))
    steps = quantiles["step"].to_numpy(float)
    left, right = (steps.min(), steps.max()) if len(steps) else (0.0, 1.0)
    top = 1.05 * max((float(curve["q90"].max()) for curve in by_cluster.values()), default=1.0)
    for place, cluster in enumerate(shown):
        lit = chosen is None or chosen == cluster
        colour, curve = own[cluster] if lit else theme.MUTED, by_cluster[cluster]
        area = (curve["step"], curve["q10"], curve["q90"], colour, 0.28 if lit else 0.14)
        traces = [_button(cluster, left, right, top), figure.ribbon(*area)]
        if cluster in samples:
            lines = np.minimum(samples[cluster][:SAMPLED], top)  # a rare high row leaves at the top
            traces.append(
                figure.strands(curve["step"].tolist(), lines, colour, 0.5 if lit else 0.25)
            )
        traces.append(_middle(cluster, curve, colour))
        fig.add_traces([trace.update(small_multiples.axes(place)) for trace in traces])
        title = f"{cluster} · {sizes[cluster]:,} rows"
        if names.get(cluster):
            title = f"{small_multiples.lines(names[cluster])}<br>{title}"
        small_multiples.title(fig, place, f"<b>{title}</b>" if chosen == cluster else title)
    pad = 0.03 * (right - left or 1.0)
    half = float(f"{(left + right) / 2:.1g}")  # a label at the end would meet the next panel's
    fig.update_xaxes(range=[left - pad, right + pad], tickvals=[left, half], fixedrange=True)
    fig.update_yaxes(range=[0, top], fixedrange=True)  # a drag would swallow clicks near an edge
    what = f"{LOSS} by {STEP}, the same axes in every panel; click one to read its cluster"
    figure.note(fig, what, x=0, y=1, yshift=56, xanchor="left", yanchor="bottom")
    return fig


def inside_across(
    inside: Floats,
    across: Floats,
    steps: Sequence[float],
    members: Floats,
    others: Floats,
    *,
    cluster: int,
    colour: str = theme.ACCENT,
) -> go.Figure:
    """How far apart trajectories are in one cluster and in two, and what that looks like.

    Args:
        inside: Distances of random pairs of rows of the same cluster.
        across: Distances of random pairs of rows of different clusters.
        steps: (T,) optimizer steps of the example.
        members: (n, T) trajectories of the example cluster; the first 12 are drawn.
        others: (m, T) trajectories of other clusters; the first 12 are drawn.
    """
    fig = small_multiples.grid(2, 2, height=300, shared=False)
    top = float(np.quantile(np.concatenate([inside, across]), 0.995))
    edges = np.linspace(0, top or 1.0, BINS + 1)
    for pairs, what, shade in ((across, "across", theme.MUTED), (inside, "inside", theme.ACCENT)):
        fact = f"%{{y:.1f}}% of pairs {what}<br>distance %{{x:.3f}}<extra></extra>"
        fig.add_trace(small_multiples.outline(pairs, edges, shade, fact), row=1, col=1)
    words = (
        f"{small_multiples.dot(theme.ACCENT)} inside a cluster: median {np.median(inside):.2f} of "
        f"{len(inside):,} pairs<br>{small_multiples.dot(theme.MUTED)} across clusters: median "
        f"{np.median(across):.2f} of {len(across):,} pairs"
    )
    small_multiples.title(fig, 0, words)
    for lines, shade, alpha in ((others, theme.MUTED, 0.5), (members, colour, 0.8)):
        strands = figure.strands(steps, lines[:STRANDS], shade, alpha)
        strands.line.width = 1.2
        fig.add_trace(strands, row=1, col=2)
    words = (
        f"{small_multiples.dot(colour)} {len(members[:STRANDS])} rows of cluster {cluster}<br>"
        f"{small_multiples.dot(theme.MUTED)} {len(others[:STRANDS])} rows of other clusters"
    )
    small_multiples.title(fig, 1, words)
    fig.update_xaxes(
        title={"text": "distance of two trajectories (nats per response token)"}, col=1
    )
    fig.update_xaxes(title={"text": STEP}, col=2)
    fig.update_xaxes(title_standoff=8)
    fig.update_yaxes(ticksuffix="%", col=1)
    figure.note(fig, LOSS, x=1, y=1, xref="x2 domain", yref="y2 domain", xanchor="right")
    return fig


def sparkline(
    values: Floats,
    pool: Floats,
    span: tuple[float, float],
    *,
    colour: str = theme.ACCENT,
    width: int = 120,
    height: int = 28,
) -> str:
    """Return an SVG of one row's trajectory over the pool's median, all on one scale.

    Args:
        values: (T,) losses of the row; a NaN is a gap.
        pool: (T,) median of all rows, dashed in grey.
        span: Losses at the bottom and the top; what lies outside is drawn at the edge.
        colour: Of the row's line.
        width: Pixels.
        height: Pixels.
    """
    lines = _path(pool, span, width, height), _path(values, span, width, height)
    last = np.flatnonzero(np.isfinite(values))
    dot = ""
    if len(last):
        (x, y), *_ = _points(values, span, width, height)[last[-1] :]
        dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" fill="none" stroke-linejoin="round">'
        f'<path d="{lines[0]}" stroke="{theme.MUTED}" stroke-dasharray="3 2"/>'
        f'<path d="{lines[1]}" stroke="{colour}" stroke-width="1.6"/>{dot}</svg>'
    )


def _points(values: Floats, span: tuple[float, float], width: int, height: int) -> Floats:
    """Pixels (T, 2) of a curve, three off every edge."""
    low, high = span
    up = (np.clip(np.asarray(values, float), low, high) - low) / ((high - low) or 1.0)
    x = np.linspace(3, width - 3, len(up)) if len(up) > 1 else np.full(len(up), width / 2)
    return np.column_stack([x, height - 3 - up * (height - 6)])


def _path(values: Floats, span: tuple[float, float], width: int, height: int) -> str:
    pen, steps = "M", []
    for x, y in _points(values, span, width, height):
        if np.isnan(y):
            pen = "M"
            continue
        steps.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(steps)


def _button(cluster: int, left: float, right: float, top: float) -> go.Bar:
    """A bar over the whole panel that is not seen, but takes the click."""
    return go.Bar(
        x=[(left + right) / 2],
        y=[top],
        width=1.2 * (right - left or 1.0),
        customdata=[[cluster]],
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        hoverinfo="none",
    )


def _middle(cluster: int, curve: pd.DataFrame, colour: str) -> go.Scatter:
    """The median; a click selects markers only, so it has some that are not seen."""
    facts = curve[["q10", "q90"]].to_numpy(float).tolist()
    return go.Scatter(
        x=curve["step"],
        y=curve["q50"],
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"opacity": 0, "color": colour},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=[[cluster, *fact] for fact in facts],
        hovertemplate="step %{x:,}<br>median %{y:.3f}<br>80% of rows %{customdata[1]:.3f} to "
        "%{customdata[2]:.3f}<extra></extra>",
    )
