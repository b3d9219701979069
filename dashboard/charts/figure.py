"""What every chart shares: a bare figure, safe labels, direct labels that do not overlap.

Figures carry an empty template and transparent backgrounds, so st.plotly_chart(theme="streamlit")
sets fonts, text and grid colours for the light or dark scheme. Sizes are in pixels.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import theme
from dashboard.escape import label as label  # charts say figure.label

Floats = npt.NDArray[np.floating]

# st.plotly_chart(config=...): no buttons over a chart that is only read; a map needs its tools.
READ_ONLY: dict[str, object] = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}

LINE_HEIGHT = 15
ROW = 30  # height of one row of `rows`
_TOP, _BOTTOM = 30, 46  # room for the y title above and the x axis below the plot
_CHARACTER = 6.4  # mean width of a character of a 12 px label
_INK = {"size": 12, "color": theme.INK}
_GLOW = [f"0 0 {width}px {theme.PAPER}" for width in (2, 2, 2, 3, 3, 3, 5, 5)]
HALO = _INK | {"weight": 600, "shadow": ", ".join(_GLOW)}  # for maps


def rgba(colour: str, alpha: float) -> str:
    """`#rrggbb` with an opacity from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def bare(height: int, *, right: int = 12, top: int = _TOP, hovermode: str = "closest") -> go.Figure:
    """A figure with nothing on it, `height` pixels tall."""
    clear = "rgba(0,0,0,0)"
    fig = go.Figure(
        layout=go.Layout(
            template=go.layout.Template(),
            height=height,
            margin={"l": 0, "r": right, "t": top, "b": 8},
            showlegend=False,
            hovermode=hovermode,
            paper_bgcolor=clear,
            plot_bgcolor=clear,
            modebar={
                "bgcolor": clear,
                "color": rgba(theme.MUTED, 0.7),
                "activecolor": theme.ACCENT,
            },
        )
    )
    inked(fig)
    return fig


def inked(fig: go.Figure) -> None:
    """Give all its axes the ink of text: Streamlit's own grey is too pale to be read."""
    ink = {"tickfont": {"color": theme.INK}, "title": {"font": {"color": theme.INK}}}
    fig.update_layout(xaxis=ink, yaxis=ink)  # also where no axis was named yet
    fig.update_xaxes(ink)
    fig.update_yaxes(ink)


def rows(names: Sequence[str] | pd.Series | pd.Index, *, right: int) -> go.Figure:
    """A figure with one horizontal row per name, the first at the bottom."""
    n = len(names)
    fig = bare(ROW * max(n, 2) + 84, right=right)
    fig.update_yaxes(
        tickvals=list(range(n)),
        ticktext=[label(name) for name in names],
        range=[-0.6, n - 0.4],
        tickfont={"color": theme.INK},
        automargin=True,
        showgrid=False,
        zeroline=False,
    )
    fig.update_xaxes(showgrid=True, zeroline=False, automargin=True, nticks=7)
    return fig


def of_point(point: Mapping[str, Any]) -> list[Any]:
    """Return what a clicked point carries; a row of an array comes as a dictionary of its places.

    Args:
        point: As `st.plotly_chart` gives it after a selection, with its customdata.
    """
    carried = point["customdata"]
    return list(carried.values()) if isinstance(carried, Mapping) else np.ravel(carried).tolist()


def axes(fig: go.Figure, x: str, y: str) -> None:
    """Title both axes; the y title lies above its axis, where it reads without tilting the head."""
    fig.update_xaxes(
        title={"text": x, "standoff": 8}, automargin=True, zeroline=False, showgrid=False
    )
    fig.update_yaxes(automargin=True, zeroline=False, showgrid=True, nticks=6)
    if y:
        note(fig, y, x=0, y=1, yshift=8, xanchor="left", yanchor="bottom")


def note(
    fig: go.Figure,
    text: str,
    *,
    x: float,
    y: float,
    xref: str = "paper",
    yref: str = "paper",
    **place: object,
) -> None:
    """Write a small text on the figure; `text` must already be safe."""
    place = {"font": _INK} | place
    fig.add_annotation(text=text, x=x, y=y, xref=xref, yref=yref, showarrow=False, **place)


def ribbon(
    x: Iterable[float], low: Iterable[float], high: Iterable[float], colour: str, alpha: float
) -> go.Scatter:
    """The area between two curves as one closed shape."""
    there, bottom, top = list(x), list(low), list(high)
    return go.Scatter(
        x=there + there[::-1],
        y=top + bottom[::-1],
        fill="toself",
        fillcolor=rgba(colour, alpha),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )


def strands(x: Sequence[float], lines: Floats, colour: str, alpha: float) -> go.Scatter:
    """Thin lines over the same x, (n, len(x)), as one trace with gaps: 50 traces would crawl."""
    gap = np.full((len(lines), 1), np.nan)
    return go.Scatter(
        x=np.tile(np.append(np.asarray(x, float), np.nan), len(lines)),
        y=np.hstack([np.asarray(lines, float), gap]).ravel(),
        mode="lines",
        line={"width": 0.8, "color": rgba(colour, alpha)},
        hoverinfo="skip",
    )


def stepped(colours: Sequence[str]) -> list[tuple[float, str]]:
    """A colour scale of equal flat steps, for values 0..n-1 with cmin=-0.5, cmax=n-0.5."""
    n = len(colours)
    return [(edge / n, c) for i, c in enumerate(colours) for edge in (i, i + 1)]


def sloped(colours: Sequence[str]) -> list[tuple[float, str]]:
    """A continuous colour scale through evenly spaced colours."""
    return [(i / (len(colours) - 1), c) for i, c in enumerate(colours)]


def steady(fig: go.Figure) -> None:
    """Give a figure that is redrawn the same margins every time, and room for labels."""
    fig.layout.margin.l, fig.layout.margin.r = 28, 130
    fig.update_yaxes(automargin=False, tickformat=".3~g")


def dodge(places: Sequence[float], gap: float, low: float, high: float) -> Floats:
    """Move positions as little as possible (least squares) so that they lie `gap` apart.

    They keep their order and stay within [low, high]; the gap shrinks if they cannot fit.
    """
    from sklearn.isotonic import isotonic_regression

    target = np.asarray(places, float)
    n = len(target)
    gap = min(gap, (high - low) / max(n - 1, 1))
    order = np.argsort(target, kind="stable")
    level = isotonic_regression(target[order] - gap * np.arange(n)) if n else target
    placed = np.empty(n)
    placed[order] = np.clip(level, low, high - gap * (n - 1)) + gap * np.arange(n)
    return placed


def end_labels(
    fig: go.Figure,
    ends: Sequence[tuple[str, float, str]],
    span: tuple[float, float],
    x: float | None = None,
) -> None:
    """Name lines at the right edge, each beside the y where its line ends.

    Args:
        fig: A figure with a linear y axis; its y range and right margin are set here.
        ends: Of each line its name (already safe), the y of its last point and its colour.
        span: Lowest and highest y that must be seen.
        x: Where lines that have not reached the right edge end; the margin is kept all the same.
    """
    low, high = span
    pad = 0.04 * (high - low or 1.0)
    low, high = low - pad, high + pad
    per_pixel = (high - low) / (fig.layout.height - _TOP - _BOTTOM)
    places = dodge([y for _, y, _ in ends], LINE_HEIGHT * per_pixel, low, high)
    for (name, _, colour), y in zip(ends, places, strict=True):
        dot = f'<span style="color:{colour}">●</span> '
        there: dict[str, Any] = {"x": 1} if x is None else {"x": x, "xref": "x"}
        note(fig, dot + name, y=float(y), yref="y", xshift=6, xanchor="left", align="left", **there)
    fig.update_yaxes(range=[low, high])
    longest = max((len(html.unescape(name)) for name, _, _ in ends), default=0)
    fig.layout.margin.r = round(_CHARACTER * (longest + 3)) + 10
