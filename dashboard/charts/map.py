"""Maps: one dot per example up to MAP_POINTS, a picture of all of them above.

Both say what a box or a lasso encloses. What is selected comes from our own state, not from the
browser: Streamlit starts a chart anew whenever its figure changes, so its zoom and its selection
are lost by a new colour. `extent` keeps a zoom, `selected` the rows, `outline` the drawn area.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme
from dashboard.charts.raster import Extent, Ints, Mask, Picture, around, ends
from dashboard.charts.scales import HEIGHT, category_scale, value_scale

MAP_POINTS = 20_000  # above this the browser chokes on the selected points it must send back
WIDTH = 620  # on a small screen; wider ones have room to spare
NAMES = 12  # written on a map at most
CARTOGRAPHY = ("variability of exp(-loss)", "confidence: mean of exp(-loss)")
# The part of a name that lies before its anchor.
_BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0, "bottom": 0.0, "middle": 0.5, "top": 1.0}


def cluster_map(
    points: pd.DataFrame,
    *,
    mode: str,
    k: int,
    title: str,
    labels: pd.DataFrame | None = None,
    chosen: int | None = None,
    names: Mapping[int, str] | None = None,
    selected: Mask | None = None,
    colours: Sequence[str] | None = None,
    span: tuple[float, float] | None = None,
    extent: Extent | None = None,
    axes: tuple[str, str] | None = None,
    hover: Mapping[int, str] | None = None,
) -> go.Figure:
    """All examples as dots, in one trace: point indices of several traces would mix.

    Args:
        points: row, x, y, colour. Rows are drawn with the chosen and selected ones last, so
            identify a dot by its customdata (the row), never by its index.
        mode: "category" if colour is an integer -1..k-1, "value" if it is a quantity.
        k: Number of categories; above 40, dots of a category map are grey except the chosen one's
            unless `colours` says otherwise.
        title: What the colour is, for hover and colour bar: "cluster", "final loss (nats)".
        labels: cluster, x, y, name, largest first; the first 12 that do not overlap are written.
        chosen: Category to light up (needs mode "category").
        names: Category to name; drawn as a key beside the map. For sources, which have no place.
        selected: Points to show in colour (len(points),), the others grey. All where not given.
        colours: `#rrggbb` of each category, where they are not the clusters' own.
        span: Quantities at the ends of the colour scale; 1st and 99th percentile where not given.
        extent: x0, x1, y0, y1 to show; all points where not given.
        axes: Titles of x and y where they are quantities; a map of a layout has none.
        hover: What a category is called when the pointer is on one of its dots.
    """
    extent = extent or around(points[["x", "y"]].to_numpy(float))
    fig = _plane(extent, axes)
    last = np.zeros(len(points), int) if selected is None else selected.astype(int)
    if mode == "category" and chosen is not None:
        last = last + (points["colour"].to_numpy() == chosen)
    order = np.argsort(last, kind="stable")
    points = points.iloc[order]
    size = float(np.clip(9 - 1.5 * np.log10(max(len(points), 1)), 3, 6))
    colour = points["colour"].to_numpy()
    if mode == "category":
        scale = category_scale(-1 if (colour < 0).any() else 0, k, chosen, names, colours)
    else:
        scale = value_scale(title, span or ends(colour.astype(float)))
    fact = "%{marker.color}" if mode == "category" else "%{marker.color:.3f}"
    texts = None
    if hover is not None and mode == "category":
        safe = {category: figure.label(name) for category, name in hover.items()}
        texts = [safe.get(c, "") for c in colour.tolist()]
        fact = "%{text}"
    fig.add_trace(
        go.Scattergl(
            x=points["x"].to_numpy(np.float32),
            y=points["y"].to_numpy(np.float32),
            customdata=points["row"].to_numpy(np.int32),
            mode="markers",
            text=texts,
            marker={"color": colour, "size": size, **scale},
            selectedpoints=None if selected is None else np.flatnonzero(selected[order]),
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.16, "color": theme.MUTED}},
            hovertemplate=f"row %{{customdata:,}}<br>{figure.label(title)} {fact}<extra></extra>",
        )
    )
    if labels is not None:
        _place_names(fig, labels, extent, chosen, colours)
    return fig


def raster_map(
    image: Picture,
    extent: Extent,
    *,
    labels: pd.DataFrame | None = None,
    chosen: int | None = None,
    counts: Ints | None = None,
    clusters: Ints | None = None,
    title: str = "",
    span: tuple[float, float] | None = None,
    names: Mapping[int, str] | None = None,
    colours: Sequence[str] | None = None,
    axes: tuple[str, str] | None = None,
) -> go.Figure:
    """A picture of all examples, for more than MAP_POINTS of them.

    Box and lasso work on it (an invisible scatter trace turns the tools on) and give geometry only:
    test membership on the server.

    Args:
        image: (h, w, 4) as `raster.image` draws it, the highest y first.
        extent: x0, x1, y0, y1 of the picture's edges.
        labels: As for `cluster_map`.
        chosen: Cluster whose name is written first.
        counts: Rows in each of some coarse cells (up, across), the lowest y first, for the hover:
            56 x 90 are enough, and each one is sent to the browser.
        clusters: Most frequent cluster in the same cells, -1 for none.
        title: What the colour is, where it is a quantity.
        span: Quantities at the ends of the colour scale, where the colour is one.
        names: Category to name, where the colour is one; drawn as a key beside the map.
        colours: `#rrggbb` of each named category.
        axes: As for `cluster_map`.
    """
    fig = _plane(extent, axes)
    x0, x1, y0, y1 = extent
    fig.add_layout_image(
        source=_png(image),
        xref="x",
        yref="y",
        x=x0,
        y=y1,
        sizex=x1 - x0,
        sizey=y1 - y0,
        sizing="stretch",
        layer="below",
    )
    if counts is not None:
        _hover(fig, extent, counts, clusters)
    key: dict[str, Any] = {}
    if span is not None:
        key = value_scale(title, span)
    elif names is not None:
        colours = list(colours or [])
        key = category_scale(min(0, *names), len(colours), None, names, colours)
    fig.add_trace(
        go.Scatter(
            x=[x0, x1],
            y=[y0, y1],
            mode="markers",
            hoverinfo="skip",
            marker={"size": 1, "opacity": 0, "color": list(span or (0, 0)), **key},
        )
    )
    if labels is not None:
        _place_names(fig, labels, extent, chosen, colours)
    return fig


def outline(fig: go.Figure, area: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> None:
    """Draw the boxes and lassos of a selection as Streamlit reports it (box, lasso: x and y)."""
    corners = [
        ([b["x"][0], b["x"][1], b["x"][1], b["x"][0]], [b["y"][0], b["y"][0], b["y"][1], b["y"][1]])
        for b in area.get("box", [])
    ]
    corners += [(list(curve["x"]), list(curve["y"])) for curve in area.get("lasso", [])]
    for x, y in corners:
        path = "L".join(f"{a:.7g},{b:.7g}" for a, b in zip(x, y, strict=True))
        line = {"width": 1.5, "dash": "dot", "color": theme.INK}
        fig.add_shape(type="path", path=f"M{path}Z", line=line)


def _plane(extent: Extent, axes: tuple[str, str] | None) -> go.Figure:
    """A figure that fills its space, lasso in hand; without axes unless they are quantities."""
    x0, x1, y0, y1 = extent
    if axes is None:
        fig = figure.bare(HEIGHT, right=0, top=0)
        fig.update_layout(margin_b=0)
        fig.update_xaxes(visible=False)
        fig.update_yaxes(visible=False)
    else:
        fig = figure.bare(HEIGHT)
        figure.axes(fig, *axes)
        fig.update_yaxes(showgrid=False)  # it would lie on top of a picture
    fig.update_layout(dragmode="lasso", uirevision="map")
    fig.update_xaxes(range=[x0, x1])
    fig.update_yaxes(range=[y0, y1])
    return fig


def _png(image: Picture) -> str:
    """The picture as the address of a PNG of 256 colours: a quarter of the bytes and time."""
    from PIL import Image

    file = io.BytesIO()
    few = Image.fromarray(image).quantize(256, method=Image.Quantize.FASTOCTREE)
    few.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _hover(fig: go.Figure, extent: Extent, counts: Ints, clusters: Ints | None) -> None:
    """Invisible cells that say how many rows they hold, and of which cluster most are."""
    x0, x1, y0, y1 = extent
    up, across = counts.shape
    wide, high = (x1 - x0) / across, (y1 - y0) / up
    facts = [counts] if clusters is None else [counts, clusters]
    most = "" if clusters is None else "<br>most of cluster %{customdata[1]}"
    clear = "rgba(0,0,0,0)"
    fig.add_trace(
        go.Heatmap(
            z=np.where(counts > 0, 0, np.nan).astype(np.float32),
            hoverongaps=False,
            x0=x0 + wide / 2,
            dx=wide,
            y0=y0 + high / 2,
            dy=high,
            customdata=np.dstack(facts).astype(np.int32),
            showscale=False,
            colorscale=[(0, clear), (1, clear)],
            hovertemplate=f"%{{customdata[0]:,}} rows here{most}<extra></extra>",
        )
    )


def _place_names(
    fig: go.Figure,
    labels: pd.DataFrame,
    extent: Extent,
    chosen: int | None,
    colours: Sequence[str] | None = None,
) -> None:
    """Write at most 12 names, the chosen one first, skipping any that would hide another.

    A dot before a name has the colour of the points that are meant; pointing at it tells their
    number.
    A name too near an edge begins or ends at its place instead of standing astride it.
    """
    x0, x1, y0, y1 = extent
    taken: list[tuple[float, float, float]] = []  # left, bottom, width of each name in pixels
    ordered = labels.sort_values("cluster", key=lambda c: c != chosen, kind="stable")
    sizes = {}
    if "size" in ordered:
        sizes = {c: f"{n:,} rows" for c, n in zip(ordered["cluster"], ordered["size"], strict=True)}
    spots = zip(ordered["cluster"], ordered["x"], ordered["y"], ordered["name"], strict=True)
    for cluster, across, up, name in spots:
        text = figure.label(name)
        x, y = WIDTH * (across - x0) / (x1 - x0), HEIGHT * (up - y0) / (y1 - y0)
        if not (0 <= x <= WIDTH and 0 <= y <= HEIGHT):
            continue
        mark = ""
        if colours and 0 <= cluster < len(colours):
            mark = f'<span style="color:{colours[int(cluster)]}">●</span> '
        wide, high = 7 * len(text) + 8 + (14 if mark else 0), 20  # pixels
        side = "left" if x < wide / 2 else "right" if x > WIDTH - wide / 2 else "center"
        end = "bottom" if y < high / 2 else "top" if y > HEIGHT - high / 2 else "middle"
        left, low = x - wide * _BEFORE[side], y - high * _BEFORE[end]
        hidden = any(left < a + w and a < left + wide and abs(low - b) < high for a, b, w in taken)
        if hidden or len(taken) == NAMES:
            continue
        taken.append((left, low, wide))
        lit = chosen is None or cluster == chosen
        figure.note(
            fig,
            mark + text,
            hovertext=sizes.get(cluster, ""),
            x=across,
            y=up,
            xref="x",
            yref="y",
            xanchor=side,
            yanchor=end,
            font=figure.HALO,
            opacity=1 if lit else 0.7,
        )
