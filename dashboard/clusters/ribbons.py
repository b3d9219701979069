"""What the clusters are: their ribbons, their table and cards, the profile of what is picked."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.clusters.settings import Settings
from core.workspace.artifact import Artifact
from dashboard.charts import clusters as cluster_charts
from dashboard.charts.figure import of_point
from dashboard.clusters import map_colours
from dashboard.clusters.cluster_facts import (
    SORTS,
    STRANDS,
    choose,
    compared_from,
    distances,
    strands,
    table,
)
from dashboard.clusters.preview import ClustersPreview
from dashboard.frame import data

PANELS = 24


def ribbons(
    artifact: Artifact, made: ClustersPreview, settings: Settings, chosen: int | None
) -> None:
    """Draw a small panel per cluster; a click chooses it."""
    by = st.segmented_control(
        "Sort by",
        list(SORTS),
        default="Size",
        key="clusters:sort",
        required=True,
        persist_state="session",
    )
    known = table(artifact.id, made, made.key)
    known = known.sort_values(SORTS[by or "Size"], ascending=False)
    pages = -(-len(known) // PANELS)
    page = st.pagination(pages, key="clusters:ribbon-page") if pages > 1 else 1
    part = known.iloc[(page - 1) * PANELS : page * PANELS]
    first = compared_from(artifact, settings)
    lines = {c: v[:, first:] for c, v in strands(artifact.id, made, made.key).items()}
    begin = data.steps(artifact.id)[first]
    st.plotly_chart(
        cluster_charts.ribbons(
            made.quantiles[made.quantiles["step"] >= begin],
            lines,
            known.set_index("cluster")["size"],
            dict(zip(made.table["cluster"], made.table["name"], strict=True)),
            part["cluster"].tolist(),
            made.k,
            chosen,
            colours=map_colours.palette(made),
        ),
        key="ribbons",
        on_select=_clicked,
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Loss of each cluster over training: median and middle band, one panel a cluster",
    )
    st.caption(
        "Median, 10-90% band and a few trajectories of each cluster, all on one scale"
        + (
            f", from step {begin:,} on: the losses before training are not compared"
            if first
            else ""
        )
        + ". Click one to read it and light it up on the map."
    )
    example = int(known["cluster"].iloc[0]) if chosen is None else chosen
    st.plotly_chart(
        inside_across(artifact, made, example, first),
        alt="Losses inside a cluster and across all rows",
    )
    st.caption(
        "Left, pairs of rows of one cluster against pairs of two. The farther apart the humps, the "
        "more a cluster says about its rows."
    )


def _clicked() -> None:
    points = st.session_state["ribbons"]["selection"]["points"]
    if points:
        choose(int(of_point(points[0])[0]))


def inside_across(artifact: Artifact, made: ClustersPreview, example: int, first: int) -> Any:
    """Return the picture of distances inside clusters against across them."""
    inside, across = distances(artifact.id, made, made.key)
    known = strands(artifact.id, made, made.key)
    others = np.concatenate([v for c, v in known.items() if c != example and len(v)] or [known[0]])
    drawn = others[np.random.default_rng(0).permutation(len(others))[:STRANDS]]
    return cluster_charts.inside_across(
        inside,
        across,
        data.steps(artifact.id)[first:],
        known[example][:, first:],
        drawn[:, first:],
        cluster=example,
        colour=map_colours.palette(made)[example],
    )
