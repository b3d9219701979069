"""Maps: one dot per example up to MAP_POINTS, a raster above; both report what a lasso encloses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from dashboard import figure, theme

MAP_POINTS = 20_000  # above this the browser chokes on the selected points it must send back
HEIGHT = 560
WIDTH = 620  # on a small screen; wider ones have room to spare
_SHADES = (0.25, 0.45, 0.7, 1.0)  # opacity of a raster cell by its log count


def cluster_map(
    points: pd.DataFrame,
    *,
    mode: str,
    k: int,
    title: str,
    labels: pd.DataFrame | None = None,
    chosen: int | None = None,
    names: Mapping[int, str] | None = None,
) -> go.Figure:
    """All examples as dots, in one trace: point indices of several traces would mix.

    Args:
        points: row, x, y, colour. Rows are drawn with the chosen cluster last, so identify a dot by
            its customdata (the row), never by its index.
        mode: "category" if colour is an integer -1..k-1, "value" if it is a quantity.
        k: Number of categories; above 40, dots of a category map are grey except the chosen one's.
        title: What the colour is, for hover and colour bar: "cluster", "final loss (nats)".
        labels: cluster, x, y, name, largest first; the first 12 that do not overlap are written.
        chosen: Category to light up (needs mode "category").
        names: Category to name; drawn as a key beside the map. For sources, which have no place.
    """
    fig = _plane()
    if mode == "category" and chosen is not None:
        points = points.sort_values("colour", key=lambda c: c == chosen, kind="stable")
    size = float(np.clip(9 - 1.5 * np.log10(max(len(points), 1)), 3, 6))
    if mode == "category":
        first = -1 if (points["colour"] < 0).any() else 0
        scale = _category_scale(first, k, chosen, names)
    else:
        scale = _value_scale(title, points["colour"].to_numpy(float))
    fact = "%{marker.color}" if mode == "category" else "%{marker.color:.3f}"
    short = figure.label(title)
    fig.add_trace(
        go.Scattergl(
            x=points["x"].to_numpy(np.float32),
            y=points["y"].to_numpy(np.float32),
            customdata=points["row"].to_numpy(np.int32),
            mode="markers",
            marker={"color": points["colour"].to_numpy(), "size": size, **scale},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.12}},
            hovertemplate=f"row %{{customdata:,}}<br>{short} {fact}<extra></extra>",
        )
    )
    if labels is not None:
        _place_names(fig, labels, points[["x", "y"]].to_numpy(float), chosen)
    return fig


def density_map(
    counts: npt.NDArray[np.integer],
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    *,
    clusters: npt.NDArray[np.integer] | None = None,
    k: int = 0,
    labels: pd.DataFrame | None = None,
    chosen: int | None = None,
) -> go.Figure:
    """Examples per cell on a logarithmic scale, for more than MAP_POINTS rows.

    Box and lasso work on it (an invisible scatter trace turns the tools on) and give geometry only:
    test membership on the server.

    Args:
        counts: (n_y, n_x) rows per cell, as np.histogram2d(y, x, ...) gives.
        x_edges: (n_x + 1,) cell edges.
        y_edges: (n_y + 1,) cell edges.
        clusters: (n_y, n_x) most frequent cluster per cell (-1 none); colours the raster.
        k: Number of clusters, where `clusters` is given.
        labels: As for `cluster_map`.
        chosen: Cluster to light up (needs `clusters`).
    """
    fig = _plane()
    filled = np.where(counts > 0, counts, np.nan)
    depth = np.log10(filled) / max(float(np.log10(max(counts.max(initial=1), 2))), 1e-9)
    hover = "%{customdata:,} rows<extra></extra>"
    if clusters is None:
        z, shades = depth, [figure.rgba(theme.ACCENT, a) for a in np.linspace(0.15, 1, 8)]
        scale: dict[str, object] = {"colorscale": figure.sloped(shades), "zmin": 0, "zmax": 1}
    else:
        level = np.minimum(np.nan_to_num(depth) * len(_SHADES), len(_SHADES) - 1).astype(int)
        z = np.where(counts > 0, (clusters + 1) * len(_SHADES) + level, np.nan)
        colours = [theme.MUTED, *_category_colours(k, chosen)]
        steps = [
            figure.rgba(c, a * (0.35 if chosen is not None and i - 1 != chosen else 1))
            for i, c in enumerate(colours)
            for a in _SHADES
        ]
        scale = {"colorscale": figure.stepped(steps), "zmin": -0.5, "zmax": len(steps) - 0.5}
    fig.add_trace(
        go.Heatmap(
            z=z.astype(np.float32), x=list(x_edges), y=list(y_edges), customdata=counts,
            showscale=False, hoverongaps=False, hovertemplate=hover, **scale,
        )
    )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=[x_edges[0], x_edges[-1]], y=[y_edges[0], y_edges[-1]], mode="markers",
            marker={"opacity": 0}, hoverinfo="skip",
        )
    )  # fmt: skip
    if labels is not None:
        corners = np.array([[x_edges[0], y_edges[0]], [x_edges[-1], y_edges[-1]]], float)
        _place_names(fig, labels, corners, chosen)
    return fig


def _plane() -> go.Figure:
    """A figure without axes (a map has no units: it fills the space), lasso in hand."""
    fig = figure.bare(HEIGHT, right=0, top=0)
    fig.update_layout(dragmode="lasso", uirevision="map", margin_b=0)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return fig


def _category_colours(k: int, chosen: int | None) -> list[str]:
    if chosen is None:
        return list(theme.cluster_colours(k) or [theme.MUTED] * k)
    return [theme.cluster_colour(c, k) if c == chosen else theme.MUTED for c in range(k)]


def _category_scale(
    first: int, k: int, chosen: int | None, names: Mapping[int, str] | None
) -> dict[str, object]:
    """Marker settings for colours first..k-1: flat steps, faint where they should recede."""
    faint = figure.rgba(theme.MUTED, 0.25)
    colours = [
        faint if c == theme.MUTED and chosen is not None else figure.rgba(c, 0.8)
        for c in _category_colours(k, chosen)
    ]
    scale: dict[str, object] = {
        "colorscale": figure.stepped([faint, *colours] if first < 0 else colours),
        "cmin": first - 0.5,
        "cmax": k - 0.5,
    }
    if names:
        shown = sorted(names)
        key = {"tickvals": shown, "ticktext": [figure.label(names[c]) for c in shown]}
        size = {"lenmode": "pixels", "len": 24 * (k - first) + 20}
        scale |= {"showscale": True, "colorbar": _bar(key | size)}
    return scale


def _value_scale(title: str, values: npt.NDArray[np.floating]) -> dict[str, object]:
    """Marker settings for a quantity; the outermost hundredths share the end colours."""
    low, high = np.nanquantile(values, [0.01, 0.99]) if len(values) else (0.0, 1.0)
    bar = _bar({"title": {"text": figure.label(title, 40), "side": "right"}, "nticks": 5})
    colours = figure.sloped([figure.rgba(c, 0.85) for c in theme.SEQUENTIAL])
    ends = {"cmin": float(low), "cmax": float(high)} if high > low else {}
    return {"colorscale": colours, "showscale": True, "colorbar": bar, **ends}


def _bar(settings: dict[str, object]) -> dict[str, object]:
    return {"thickness": 10, "len": 0.7, "outlinewidth": 0, "x": 1.0, "xpad": 8} | settings


def _place_names(fig: go.Figure, labels: pd.DataFrame, extent: npt.NDArray[np.floating],
                 chosen: int | None) -> None:  # fmt: skip
    """Write at most 12 names, the chosen one first, skipping any that would hide another."""
    width, height = np.ptp(extent, axis=0) if len(extent) else (1.0, 1.0)
    across_pixel, up_pixel = width / WIDTH or 1.0, height / HEIGHT or 1.0
    taken: list[tuple[float, float, float]] = []
    ordered = labels.sort_values("cluster", key=lambda c: c != chosen, kind="stable")
    spots = zip(ordered["cluster"], ordered["x"], ordered["y"], ordered["name"], strict=True)
    for cluster, across, up, name in spots:
        text, x, y = figure.label(name), across / across_pixel, up / up_pixel
        half = 3.5 * len(text) + 4
        if any(abs(x - a) < half + b and abs(y - c) < 20 for a, b, c in taken) or len(taken) == 12:
            continue
        taken.append((x, half, y))
        lit = chosen is None or cluster == chosen
        figure.note(
            fig,
            text,
            x=across,
            y=up,
            xref="x",
            yref="y",
            font=figure.HALO,
            opacity=1 if lit else 0.7,
        )
