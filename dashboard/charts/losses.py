"""Charts of loss against training steps, and of lengths: DataFrame in, figure out, no Streamlit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme
from dashboard.charts.figure import Floats

STEP = "optimizer step"
LOSS = "loss (nats per response token)"
STRANDS = 50  # sampled lines drawn at most


def trajectory_overview(
    steps: Sequence[int], quantiles: pd.DataFrame, samples: Floats
) -> go.Figure:
    """Losses of all rows over training: quantile ribbons, the median, and a few single rows.

    Args:
        steps: (T,) optimizer steps.
        quantiles: T rows of q10, q25, q50, q75, q90.
        samples: (n, T) trajectories; the first 50 are drawn.
    """
    fig = figure.bare(440, hovermode="x")
    fig.add_trace(figure.ribbon(steps, quantiles["q10"], quantiles["q90"], theme.ACCENT, 0.18))
    fig.add_trace(figure.ribbon(steps, quantiles["q25"], quantiles["q75"], theme.ACCENT, 0.32))
    if len(samples):
        fig.add_trace(figure.strands(steps, samples[:STRANDS], theme.MUTED, 0.28))
    fig.add_trace(_median(steps, quantiles, theme.ACCENT, ("q25", "q75"), "half of rows"))
    figure.axes(fig, STEP, LOSS)
    last = quantiles.iloc[-1]
    names = {"90th percentile": "q90", "75th": "q75", "median": "q50", "25th": "q25", "10th": "q10"}
    seen = np.append(samples[:STRANDS].ravel(), quantiles.to_numpy())
    span = float(np.nanmin(seen)), float(min(np.nanmax(seen), 1.6 * quantiles["q90"].max()))
    ends = [(name, float(last[column]), theme.ACCENT) for name, column in names.items()]
    figure.end_labels(fig, ends, span)
    return fig


def source_curves(steps: Sequence[int], means: pd.DataFrame, counts: pd.Series) -> go.Figure:
    """Mean loss of each source over training, named at the line's end.

    Args:
        steps: (T,) optimizer steps.
        means: One row per source, T columns; at most 12 sources are drawn, the largest first.
        counts: Rows per source.
    """
    largest = counts.loc[means.index].sort_values(ascending=False, kind="stable").index[:12]
    colours = theme.source_colours(map(str, means.index))
    curves = []
    for name in largest:
        curve = pd.DataFrame({"step": list(steps), "loss": means.loc[name].to_numpy(float)})
        curves.append((f"{figure.label(name)} · {counts[name]:,}", curve, colours[str(name)]))
    return _curves(curves, 440)


def live_loss(
    records: pd.DataFrame, recorded_steps: Sequence[int], last_step: int = 0, height: int = 340
) -> go.Figure:
    """Training loss so far, and a tick at each step where all rows' losses were recorded.

    Args:
        records: step, loss, and optionally eval_loss (NaN where it was not measured).
        recorded_steps: Steps of the trajectory columns recorded so far.
        last_step: Of a run that goes on: the x axis ends there and the y axis begins at 0 from
            the start, so that nothing that is drawn moves.
        height: Pixels.
    """
    fig = figure.bare(height)
    raw, smooth = records["loss"], _smooth(records["loss"])
    fig.add_trace(_line(records["step"], raw, figure.rgba(theme.MUTED, 0.45), width=1, hover=None))
    fig.add_trace(_line(records["step"], smooth, theme.ACCENT, hover="training loss"))
    ends = []
    if smooth.notna().any():
        last = float(smooth.dropna().iloc[-1])
        ends.append((f"training {last:.3f}", last, theme.ACCENT))
    if "eval_loss" in records and records["eval_loss"].notna().any():
        held_out = records.dropna(subset="eval_loss")
        orange, last = "#d55e00", float(held_out["eval_loss"].iloc[-1])
        fig.add_trace(_line(held_out["step"], held_out["eval_loss"], orange, hover="held-out loss"))
        ends.append((f"held out {last:.3f}", last, orange))
    figure.axes(fig, STEP, LOSS)
    seen = records.filter(["loss", "eval_loss"]).to_numpy(float)
    if np.isfinite(seen).any():
        low = 0.0 if last_step else float(np.nanmin(seen))
        at = float(records["step"].iloc[-1]) if last_step else None
        figure.end_labels(fig, ends, (low, float(np.nanmax(seen))), x=at)
    else:
        fig.update_yaxes(showticklabels=False)
    fig.add_trace(
        go.Scatter(
            x=list(recorded_steps),
            y=[0.0] * len(recorded_steps),
            yaxis="y2",
            mode="markers",
            marker={"symbol": "line-ns", "size": 12, "line": {"width": 1.5, "color": theme.ACCENT}},
            cliponaxis=False,
            hovertemplate="all rows recorded at step %{x:,}<extra></extra>",
        )
    )
    fig.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False})
    if last_step:
        figure.steady(fig)
    last_step = max([1, last_step, *records["step"], *recorded_steps])
    fig.update_xaxes(range=[0, last_step])
    if len(recorded_steps):
        count = f"{len(recorded_steps):,} recording{'s' if len(recorded_steps) > 1 else ''}"
        mark = f'<span style="color:{theme.ACCENT}"><b>|</b></span> '
        figure.note(fig, mark + count, x=1, y=0, xshift=16, xanchor="left", yanchor="top")
    return fig


def cluster_ribbon(
    quantiles: pd.DataFrame,
    samples: Floats,
    pool_median: Sequence[float],
    *,
    cluster: int,
    k: int,
) -> go.Figure:
    """One cluster large: its ribbon, a few of its rows, and the whole pool's median in grey.

    Args:
        quantiles: step, q10, q50, q90 of the cluster, T rows.
        samples: (n, T) trajectories of members; the first 50 are drawn.
        pool_median: (T,) median over all rows.
        cluster: The cluster, which with k settles the colour.
        k: Number of clusters.
    """
    fig = figure.bare(360, hovermode="x")
    colour, steps = theme.cluster_colour(cluster, k), quantiles["step"].tolist()
    fig.add_trace(figure.ribbon(steps, quantiles["q10"], quantiles["q90"], colour, 0.24))
    if len(samples):
        fig.add_trace(figure.strands(steps, samples[:STRANDS], colour, 0.3))
    fig.add_trace(_line(steps, pool_median, theme.MUTED, dash="dot", hover=None))
    fig.add_trace(_median(steps, quantiles, colour, ("q10", "q90"), "80% of rows"))
    figure.axes(fig, STEP, LOSS)
    ends = [
        ("cluster median", float(quantiles["q50"].iloc[-1]), colour),
        ("pool median", float(pool_median[-1]), theme.MUTED),
    ]
    seen = np.concatenate(
        [samples[:STRANDS].ravel(), quantiles["q90"], quantiles["q10"], pool_median]
    )
    span = float(np.nanmin(seen)), float(np.nanmax(seen))
    figure.end_labels(fig, ends, span)
    return fig


def length_histogram(lengths: pd.DataFrame, unit: str) -> go.Figure:
    """How long prompts and responses are: two outlines over a logarithmic axis.

    Args:
        lengths: prompt and response, one number per row.
        unit: What is counted, "characters" or "tokens".
    """
    fig = figure.bare(260)
    colours = {"prompt": theme.MUTED, "response": theme.ACCENT}
    top = max(2.0, float(lengths[list(colours)].max().max()))
    bottom = max(1.0, float(lengths[list(colours)].min().min()))
    edges = np.geomspace(bottom, top * 1.0001, 49)
    key = []
    for name, colour in colours.items():
        counts, _ = np.histogram(lengths[name].clip(lower=1), edges)
        fig.add_trace(
            go.Scatter(
                x=edges,
                y=np.append(counts, 0),
                mode="lines",
                fill="tozeroy",
                line={"shape": "hv", "width": 1.5, "color": colour},
                fillcolor=figure.rgba(colour, 0.15),
                hovertemplate=f"{name}s of %{{x:,.0f}} {unit}: %{{y:,}} rows<extra></extra>",
            )
        )
        dot = f'<span style="color:{colour}">●</span>'
        key.append(f"{dot} {name}, median {lengths[name].median():,.0f}")
    figure.axes(fig, f"length ({unit}, logarithmic)", "rows")
    figure.note(fig, "    ".join(key), x=1, y=1, yshift=8, xanchor="right", yanchor="bottom")
    marks = [m * 10**e for e in range(9) for m in (1, 3) if edges[0] <= m * 10**e <= edges[-1]]
    fig.update_xaxes(type="log", range=list(np.log10([edges[0], edges[-1]])))
    fig.update_xaxes(tickvals=marks, ticktext=[f"{m:,}" for m in marks])
    fig.update_yaxes(rangemode="tozero")
    return fig


def _curves(curves: Sequence[tuple[str, pd.DataFrame, str]], height: int) -> go.Figure:
    """Lines of loss over steps, each (safe name, step and loss, colour), labelled at their ends."""
    fig = figure.bare(height)
    measured = [(name, curve.dropna(subset="loss"), colour) for name, curve, colour in curves]
    measured = [(name, curve, colour) for name, curve, colour in measured if len(curve)]
    for name, curve, colour in measured:
        fig.add_trace(_line(curve["step"], curve["loss"], colour, hover=name))
    figure.axes(fig, STEP, LOSS)
    ends = [(name, float(curve["loss"].iloc[-1]), colour) for name, curve, colour in measured]
    if measured:
        seen = np.concatenate([curve["loss"].to_numpy(float) for _, curve, _ in measured])
        figure.end_labels(fig, ends, (float(seen.min()), float(seen.max())))
    return fig


def _line(
    x: Iterable[float],
    y: Iterable[float],
    colour: str,
    *,
    hover: str | None,
    width: float = 2,
    dash: str = "solid",
) -> go.Scatter:
    facts = f"{hover}<br>step %{{x:,}}<br>%{{y:.3f}} nats per token<extra></extra>"
    return go.Scatter(
        x=list(x),
        y=list(y),
        mode="lines",
        line={"color": colour, "width": width, "dash": dash},
        **({"hovertemplate": facts} if hover else {"hoverinfo": "skip"}),
    )


def _median(
    steps: Iterable[float],
    quantiles: pd.DataFrame,
    colour: str,
    between: tuple[str, str],
    share: str,
) -> go.Scatter:
    line = _line(steps, quantiles["q50"], colour, hover="")
    line.customdata = quantiles[list(between)].to_numpy(float)
    line.hovertemplate = (
        "step %{x:,}<br>median %{y:.3f}<br>"
        f"{share} %{{customdata[0]:.3f}} to %{{customdata[1]:.3f}}<extra></extra>"
    )
    return line


def _smooth(loss: pd.Series) -> pd.Series:
    """Mean over a centred window of about a twentieth of the points: it does not lag behind."""
    return loss.rolling(max(1, len(loss) // 20), center=True, min_periods=1).mean()
