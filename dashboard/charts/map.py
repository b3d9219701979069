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
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, map_names, theme
from dashboard.charts.raster import Extent, Ints, Mask, Picture, around, ends
from dashboard.charts.scales import HEIGHT, category_scale, value_scale

MAP_POINTS = 20_000  # above this the browser chokes on the selected points it must send back
CARTOGRAPHY = ("variability of exp(-loss)", "confidence: mean of exp(-loss)")


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
    room: tuple[int, int] = map_names.ROOM,
) -> go.Figure:
    """All examples as dots, in one trace: point indices of several traces would mix.

    Args:
        points: row, x, y, colour, perhaps cluster. Rows are drawn with the chosen and selected ones
            last, so identify a dot by its customdata, never by its index: its row, or row and
            cluster.
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
        hover: What a cluster, or else a category, is called when the pointer is on one of its dots.
        room: The smallest size in pixels that it is seen at, for the names.
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
    cluster = points.get("cluster")
    if hover is not None and (mode == "category" or cluster is not None):
        safe = {category: figure.label(name) for category, name in hover.items()}
        texts = [safe.get(c, "") for c in (colour if cluster is None else cluster).tolist()]
        fact = "%{text}" if mode == "category" else f"{fact}<br>%{{text}}"
    rows = points["row"].to_numpy(np.int32)
    fig.add_trace(
        go.Scattergl(
            x=points["x"].to_numpy(np.float32),
            y=points["y"].to_numpy(np.float32),
            customdata=rows if cluster is None else np.column_stack([rows, cluster]),
            mode="markers",
            text=texts,
            marker={"color": colour, "size": size, **scale},
            selectedpoints=None if selected is None else np.flatnonzero(selected[order]),
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.16, "color": theme.MUTED}},
            hovertemplate=f"row %{{customdata{'' if cluster is None else '[0]'}:,}}<br>"
            f"{figure.label(title)} {fact}<extra></extra>",
        )
    )
    if labels is not None:
        map_names.write(fig, labels, extent, chosen, colours, room)
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
    hover: Mapping[int, str] | None = None,
    room: tuple[int, int] = map_names.ROOM,
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
        hover: Names of clusters, for the cells.
        room: As for `cluster_map`.
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
        _hover(fig, extent, counts, clusters, hover)
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
        map_names.write(fig, labels, extent, chosen, colours, room)
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


def _hover(
    fig: go.Figure,
    extent: Extent,
    counts: Ints,
    clusters: Ints | None,
    called: Mapping[int, str] | None,
) -> None:
    """Invisible cells that say how many rows they hold, and of which cluster most are."""
    x0, x1, y0, y1 = extent
    up, across = counts.shape
    wide, high = (x1 - x0) / across, (y1 - y0) / up
    clear = "rgba(0,0,0,0)"
    facts = [counts] if clusters is None else [counts, clusters]
    names = None if clusters is None or called is None else _said(clusters, called)
    most = "<br>most of cluster %{customdata[1]}" * (clusters is not None)
    fig.add_trace(
        go.Heatmap(
            z=np.where(counts > 0, 0, np.nan).astype(np.float32),
            hoverongaps=False,
            x0=x0 + wide / 2,
            dx=wide,
            y0=y0 + high / 2,
            dy=high,
            customdata=np.dstack(facts).astype(np.int32),
            text=names,
            showscale=False,
            colorscale=[(0, clear), (1, clear)],
            hovertemplate="%{customdata[0]:,} rows here"
            + (most if names is None else "%{text}")
            + "<extra></extra>",
        )
    )


def places(
    fig: go.Figure, extent: Extent, counts: Ints, clusters: Ints, called: Mapping[int, str]
) -> None:
    """Lay invisible places over a picture that can be pointed at and clicked.

    Args:
        fig: As `raster_map` gives it.
        extent: Of the picture.
        counts: Rows in each cell (up, across), the lowest y first.
        clusters: Most frequent cluster in the same cells, -1 for none: `customdata[1]`.
        called: Names of the clusters.
    """
    x0, x1, y0, y1 = extent
    up, across = np.nonzero((counts > 0) & (clusters >= 0))
    fig.add_trace(
        go.Scatter(
            x=x0 + (across + 0.5) * (x1 - x0) / counts.shape[1],
            y=y0 + (up + 0.5) * (y1 - y0) / counts.shape[0],
            customdata=np.column_stack([counts[up, across], clusters[up, across]]).astype(np.int32),
            text=_said(clusters[up, across], called).tolist(),
            mode="markers",
            marker={"size": 12, "opacity": 0, "symbol": "square"},
            hovertemplate="%{customdata[0]:,} rows here%{text}<extra></extra>",
        )
    )


def _said(clusters: Ints, called: Mapping[int, str]) -> npt.NDArray[np.object_]:
    """Return what is said of cells: the name of the cluster that most of its rows are of."""
    words = {c: f"<br>most of {figure.label(name)}" for c, name in called.items()}
    return np.array([words.get(c, "") for c in clusters.ravel().tolist()], object).reshape(
        clusters.shape
    )
