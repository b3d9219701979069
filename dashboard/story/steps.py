"""The other steps of the story: the bill, kinds of examples, what is kept, and whether it held."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import clusters, selection
from core.errors import InputError
from core.finetune.metrics import METRICS, known
from core.jobs.progress import duration
from core.settings import from_config
from core.study import comparison
from core.study.artifact import table as study_table
from dashboard.charts import map as map_charts
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.clusters import map as maps
from dashboard.clusters.preview import Preview, kept, named
from dashboard.escape import plain
from dashboard.frame import data
from dashboard.frame.data import POINTS
from dashboard.selection import preview
from dashboard.story.project import Project
from dashboard.story.texts import text_of


def bill(project: Project, *, masked: bool) -> None:
    """What training on everything takes, beside what the selection takes."""
    s = project.dataset.summary
    arms = _arms(project)
    rows = {"All the data": ("full", s["pool_rows"]), "The selection": ("s2l", None)}
    for column, (title, (arm, count)) in zip(st.columns(2), rows.items(), strict=True):
        found = arms.get(arm)
        if arm == "s2l" and found is None and project.selection is not None:
            count = project.selection.summary["rows"]
        with column.container(border=True):
            st.markdown(f"#### {title}")
            st.metric("examples", f"{int(found['rows']) if found is not None else count or 0:,}")
            if found is not None:
                st.metric("tokens to learn", f"{int(found['response_tokens']):,}")
                st.metric("training took", duration(float(found["train_seconds"])))
    if arms:
        st.caption(
            "Measured in a comparison where both were trained for the same number of steps: there "
            "a selection saves examples; with the same number of passes it saves time as well."
        )
    else:
        st.caption("Times are known once a study has trained on both: see the Study page.")
    st.caption(f"Dataset {plain(project.dataset.name)}, {plain(project.dataset.id)}.")


def _arms(project: Project) -> dict[str, pd.Series]:
    """Return the first run of each arm of the study."""
    if project.study is None:
        return {}
    table = study_table(project.study)
    needed = {"rows", "response_tokens", "train_seconds"}
    if not needed <= set(table):
        return {}
    good = table[table["failed"] == ""]
    return {str(arm): part.iloc[0] for arm, part in good.groupby("arm") if arm in ("full", "s2l")}


def kinds(project: Project, *, masked: bool) -> None:
    """The map of clusters with their names; two texts of the one that is chosen."""
    if project.clusters is None or project.trajectories is None:
        st.info("There are no clusters yet: make them on the Clusters page.")
        return
    made = named(kept(project.clusters.id), project.clusters, data.edits(project.dataset.id))
    left, right = st.columns([1.7, 1])
    with right:
        largest = made.table.sort_values("size", ascending=False)
        names = dict(zip(largest["cluster"].tolist(), largest["name"].tolist(), strict=True))
        sizes = dict(zip(largest["cluster"].tolist(), largest["size"].tolist(), strict=True))
        chosen = st.selectbox(
            "A kind of example",
            list(names),
            format_func=lambda c: f"{names[c]} · {sizes[c]:,} examples",
            key="story:cluster",
        )
        members = np.flatnonzero(made.labels == chosen)
        drawn = np.random.default_rng(0).permutation(members)[:2]
        found = data.examples(project.dataset.id, drawn.tolist(), "row, prompt, response")
        for _, example in found.iterrows():
            st.code(text_of(example, masked=masked), language=None, wrap_lines=True)
    with left:
        st.plotly_chart(
            _map(project, made, chosen),
            config={"displayModeBar": False},
            alt="Map of the examples, coloured by cluster",
        )
    st.caption(
        f"{int((made.labels >= 0).sum()):,} examples in {len(made.table)} clusters: dots close "
        "together were learned alike; islands are not proof of kinds. "
        f"{plain(project.clusters.id)}."
    )


def _map(project: Project, made: Preview, chosen: int | None, *, names: bool = True) -> go.Figure:
    assert project.clusters is not None
    assert project.trajectories is not None
    settings = from_config(clusters.Settings, project.clusters.config)
    where = maps.of("Trajectories", project.trajectories, settings)
    xy = maps.points_of(project.trajectories.id, where.name)
    rows = np.flatnonzero(np.isfinite(xy[:, 0]) & (made.labels >= 0))
    if len(rows) > POINTS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:POINTS])
    frame = pd.DataFrame({"row": rows, "x": xy[rows, 0], "y": xy[rows, 1]})
    frame["colour"] = made.labels[rows]
    centres = frame.groupby("colour")[["x", "y"]].median().rename_axis("cluster")
    labels = made.table.set_index("cluster")[["size", "name"]].join(centres, how="inner")
    labels = labels.sort_values("size", ascending=False).reset_index()
    return map_charts.cluster_map(
        frame,
        mode="category",
        k=made.k,
        title="cluster",
        labels=labels if names else None,
        chosen=chosen,
    )


def thumbnail(project: Project) -> go.Figure:
    """Return the map of the clusters without names, small."""
    assert project.clusters is not None
    fig = _map(project, kept(project.clusters.id), None, names=False)
    fig.update_layout(height=280)
    return fig


def keep(project: Project, *, masked: bool) -> None:
    """The budget as a slider: how many of each cluster are kept, and the shares of the sources."""
    if project.clusters is None:
        st.info("There are no clusters yet: make them on the Clusters page.")
        return
    share = st.slider(
        "Keep this share of the examples", 1, 100, 11, format="%d%%", key="story:share"
    )
    wanted = selection.Settings(parent=project.clusters.id, budget=f"{share}%", edits=0)
    try:
        made = preview.allocation(wanted)
    except InputError as e:
        st.error(plain(str(e)))
        return
    k = int(made.clusters["cluster"].max()) + 1
    st.plotly_chart(
        selection_charts.allocation(made.clusters, k),
        config={"displayModeBar": False},
        alt="Examples kept of each cluster",
    )
    if len(made.sources) > 1:
        st.plotly_chart(
            selection_charts.share_change(made.sources, 8), config={"displayModeBar": False}
        )
    st.caption(
        f"{len(made.chosen):,} of {made.pool:,} examples, spread evenly over {len(made.clusters)} "
        f"clusters: small kinds are kept, large ones thinned. Equal quotas (S2L, Algorithm 1)."
    )


def outcome(project: Project, *, masked: bool) -> None:
    """The study's sentence and figure, and what would settle it where the evidence is thin."""
    if project.study is None:
        st.info("It was not compared yet: start a study on the Study page.")
        return
    table = study_table(project.study)
    key = next(iter(known(table)))
    verdict = comparison.verdict(table, key) or "S2L was not compared with random."
    st.markdown(f"#### {plain(verdict)}")
    base = project.study.summary["base"]
    full = table.loc[table["arm"] == "full", key]
    row = METRICS[key]
    st.plotly_chart(
        study_charts.study_figure(
            table,
            key,
            row.axis,
            row.lower_is_better,
            base.get(key),
            float(full.mean()) if len(full) else None,
        ),
        config={"displayModeBar": False},
        alt="What each arm scored",
    )
    place = comparison.place_among_random(table, key)
    st.caption(f"{plain(place)} Study {plain(project.study.id)}, {len(table)} fine-tunes.")
