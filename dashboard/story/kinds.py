"""Step 3: the map with the clusters' names; two texts of the one that is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import clusters
from core.settings import from_config
from dashboard.charts import map as map_charts
from dashboard.charts import raster
from dashboard.charts.figure import of_point
from dashboard.clusters import map as maps
from dashboard.clusters import map_colours
from dashboard.clusters.preview import ClustersPreview, kept, named
from dashboard.escape import plain
from dashboard.frame import data
from dashboard.story import screen, texts
from dashboard.story.project import Project

DOTS = 5_000
"""Rows drawn as dots; more are a picture of all of them, which a projector's laptop draws as fast.
"""
CELLS = (40, 64)
"""Places of the picture that can be pointed at."""
SMALL = (280, 450)
"""Cells of the thumbnail."""


def draw(project: Project, *, masked: bool) -> None:
    """The map of clusters with their names; two texts of the one that is chosen."""
    if project.clusters is None or project.trajectories is None:
        st.info("There are no clusters yet: make them on the Clusters page.")
        return
    made = named(kept(project.clusters.id), project.clusters, data.edits(project.dataset.id))
    left, right = st.columns([1.9, 1])
    with right:
        chosen = _chosen(made)
        shown = largest(made) if chosen is None else chosen
        members = np.flatnonzero(made.labels == shown)
        drawn = np.random.default_rng(0).permutation(members)[:2]
        rows = data.examples(project.dataset.id, drawn.tolist(), "row, prompt, response")
        if chosen is None:
            st.caption("Two examples of the largest kind:")
        for place, (_, example) in enumerate(rows.iterrows()):
            texts.draw(example, str(place), masked=masked)
    with left:
        names = dict(zip(made.table["cluster"].tolist(), made.table["name"].tolist(), strict=True))
        figure = picture(project, made, chosen)
        screen.chart(
            figure.update_layout(dragmode="pan"),
            "map",
            f"Map of the examples in {len(made.table)} clusters; the largest is "
            f"{plain(names[largest(made)])}",
            key="story:map",
            selection_mode="points",
            on_select=_clicked,
        )
        with st.container(key="story-names"):  # pressed by a click on the name of the same number
            for at, name in enumerate(figure.layout.annotations):
                cluster = int(name.name)
                st.button(
                    plain(names[cluster]), key=f"story-name-{at}", on_click=_choose, args=(cluster,)
                )
    st.caption(
        f"{int((made.labels >= 0).sum()):,} examples in {len(made.table)} clusters: dots close "
        "together were learned alike; islands are not proof of kinds. Click a dot or a name. "
        f"{plain(project.clusters.id)}."
    )


def largest(made: ClustersPreview) -> int:
    """Return the cluster with the most rows."""
    sizes = dict(zip(made.table["cluster"].tolist(), made.table["size"].tolist(), strict=True))
    return int(max(sizes, key=sizes.__getitem__))


def _chosen(made: ClustersPreview) -> int | None:
    """Ask which cluster is looked at; none is, until one is chosen."""
    table = made.table.sort_values("size", ascending=False)
    names = dict(zip(table["cluster"].tolist(), table["name"].tolist(), strict=True))
    sizes = dict(zip(table["cluster"].tolist(), table["size"].tolist(), strict=True))
    if st.session_state.get("story:cluster") not in {None, *names}:
        del st.session_state["story:cluster"]
    chosen = st.selectbox(
        "A kind of example",
        list(names),
        index=None,
        placeholder="Choose, or click on the map",
        format_func=lambda c: f"{names[c]} · {sizes[c]:,} examples",
        key="story:cluster",
    )
    return None if chosen is None else int(chosen)


def _choose(cluster: int) -> None:
    st.session_state["story:cluster"] = cluster


def _clicked() -> None:
    """Choose the cluster of the place that was clicked."""
    points = st.session_state["story:map"]["selection"]["points"]
    if points:
        _choose(int(of_point(points[0])[1]))


def picture(
    project: Project, made: ClustersPreview, chosen: int | None, *, names: bool = True
) -> go.Figure:
    """Return the map: dots where they are few, else a picture of all rows with its places."""
    assert project.clusters is not None
    assert project.trajectories is not None
    settings = from_config(clusters.Settings, project.clusters.config)
    id, map = project.trajectories.id, maps.of("Trajectories", project.trajectories, settings).name
    xy = maps.points_of(id, map)
    placed = np.isfinite(xy[:, 0]) & (made.labels >= 0)
    colour = map_colours.of_clusters(made)
    lit = None if chosen is None else made.labels == chosen
    look: dict[str, Any] = {"title": colour.title, "colours": colour.colours, "chosen": chosen}
    if colour.colours is None and names:
        seen = colour.values[placed]
        look["span"] = (float(seen.min(initial=np.inf)), float(seen.max(initial=-np.inf)))
    if names:
        look["labels"] = maps.labels(id, made, map)
    called = dict(zip(made.table["cluster"], made.table["name"], strict=True))
    if int(placed.sum()) <= DOTS:
        rows = np.flatnonzero(placed)
        frame = pd.DataFrame({"row": rows, "x": xy[rows, 0], "y": xy[rows, 1]})
        frame["colour"], frame["cluster"] = colour.values[rows], made.labels[rows]
        return map_charts.cluster_map(
            frame,
            mode=colour.mode,
            k=len(colour.colours or ()),
            selected=None if lit is None else lit[rows],
            hover=called if names else None,
            **look,
        )
    grid = maps.grid(id, map, None, raster.SHAPE if names else SMALL).only(placed)
    span = look.get("span") or raster.ends(colour.values[placed])
    if colour.colours is None:
        image = raster.image(grid, values=colour.values, span=span, highlight=lit)
    else:
        image = raster.image(grid, categories=colour.values, colours=colour.colours, highlight=lit)
    fig = map_charts.raster_map(image, grid.extent, **look)
    if names:
        coarse = maps.grid(id, map, None, CELLS).only(placed)
        most = raster.majority(coarse, made.labels, made.k)
        map_charts.places(fig, grid.extent, raster.counts(coarse), most, called)
    return fig


def thumbnail(project: Project) -> go.Figure:
    """Return the map of the clusters without names, small."""
    assert project.clusters is not None
    fig = picture(project, kept(project.clusters.id), None, names=False)
    fig.update_layout(height=280)
    return fig
