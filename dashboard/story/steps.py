"""The other steps of the story: the bill, kinds of examples, what is kept, and whether it held."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import clusters, selection
from core.arrays import Labels
from core.dataset.artifact import DatasetSummary
from core.errors import InputError
from core.finetune.metrics import METRICS, known
from core.jobs.progress import duration
from core.selection.artifact import SelectionSummary
from core.settings import from_config
from core.study import comparison
from core.study.artifact import StudySummary
from core.study.artifact import table as study_table
from dashboard.charts import map as map_charts
from dashboard.charts import raster
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.clusters import map as maps
from dashboard.clusters.preview import ClustersPreview, kept, named
from dashboard.escape import plain
from dashboard.frame import data
from dashboard.frame.data import POINTS
from dashboard.frame.page_words import plain_words
from dashboard.selection import preview
from dashboard.story.project import Project
from dashboard.story.texts import text_of


def bill(project: Project, *, masked: bool) -> None:
    """What training on everything takes, beside what the selection takes."""
    s = project.dataset.summary_as(DatasetSummary)
    arms = _arms(project)
    rows = {"All the data": ("full", s["pool_rows"]), "The selection": ("s2l", None)}
    columns = st.columns(2)
    price = _price() if arms else 0.0
    for column, (title, (arm, count)) in zip(columns, rows.items(), strict=True):
        line = arms.get(arm)
        if arm == "s2l" and line is None and project.selection is not None:
            count = project.selection.summary_as(SelectionSummary)["rows"]
        with column.container(border=True):
            st.markdown(f"#### {title}")
            left, right = st.columns(2)
            known = int(line["rows"]) if line is not None else count
            left.metric("examples", "not chosen yet" if known is None else f"{known:,}")
            if line is not None:
                left.metric("tokens to learn", f"{int(line['response_tokens']):,}")
                seconds = float(line["train_seconds"])
                right.metric("training took", duration(seconds) + money(seconds, price))
            if arm == "s2l" and line is not None and "full" in arms:
                seconds = as_often(arms["full"], line)
                right.metric(
                    "seen as often (estimate)",
                    f"about {duration(seconds)}{money(seconds, price)}",
                )
    if arms:
        proxy = project.trajectories.manifest.get("seconds") if project.trajectories else None
        words = f" Finding the selection took {duration(proxy)} once." if proxy else ""
        st.caption(
            "Measured in a comparison where both were trained for the same number of steps: there "
            "a selection saves examples, not time. The estimate, for each example seen as often "
            "as in all the data, is the time of all the data in proportion to the examples."
            f"{words}"
        )
    else:
        st.caption("Times are known once a study has trained on both: see the Study page.")
    st.caption(
        f"{s['pool_rows']:,} examples of dataset {plain(project.dataset.name)}, "
        f"{plain(project.dataset.id)}; {s['rows'] - s['pool_rows']:,} more are held out."
    )


def as_often(full: pd.Series, part: pd.Series) -> float:
    """Return the seconds of a selection seen as often as all rows were, by the number of rows."""
    return float(full["train_seconds"]) * float(part["rows"]) / float(full["rows"])


def money(seconds: float, price: float) -> str:
    """Say what a time costs at a price for an hour; nothing without a price."""
    return f" · {seconds / 3600 * price:,.2f}" if price > 0 else ""


def _price() -> float:
    """Ask what an hour of the machine costs, if that is to be shown."""
    return float(
        st.number_input(
            "Price of an hour of training (optional, in your currency)",
            min_value=0.0,
            value=0.0,
            step=1.0,
            key="story:price",
            width=420,
            persist_state="session",
        )
    )


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
            help="Or click a dot on the map",
        )
        members = np.flatnonzero(made.labels == chosen)
        drawn = np.random.default_rng(0).permutation(members)[:2]
        rows = data.examples(project.dataset.id, drawn.tolist(), "row, prompt, response")
        for _, example in rows.iterrows():
            st.code(text_of(example, masked=masked), language=None, wrap_lines=True)
    with left:
        st.plotly_chart(
            _map(project, made, chosen).update_layout(dragmode="pan"),
            config={"displayModeBar": False},
            alt=f"Map of the examples in {len(made.table)} clusters; the largest is "
            f"{plain(next(iter(names.values()), ''))}",
            key="story:map",
            selection_mode="points",
            on_select=lambda: _clicked(made.labels),
        )
    st.caption(
        f"{int((made.labels >= 0).sum()):,} examples in {len(made.table)} clusters: dots close "
        "together were learned alike; islands are not proof of kinds. "
        f"{plain(project.clusters.id)}."
    )


def _clicked(labels: Labels) -> None:
    """Choose the cluster of the dot that was clicked."""
    points = st.session_state["story:map"]["selection"]["points"]
    if points:
        row = np.ravel(points[0]["customdata"])[0]
        st.session_state["story:cluster"] = int(labels[int(row)])


def _map(
    project: Project, made: ClustersPreview, chosen: int | None, *, names: bool = True
) -> go.Figure:
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
    centres = raster.densest(xy[rows], made.labels[rows]).rename_axis("cluster")
    labels = made.table.set_index("cluster")[["size", "name"]].join(centres, how="inner")
    labels = labels.sort_values("size", ascending=False).reset_index()
    return map_charts.cluster_map(
        frame,
        mode="category",
        k=made.k,
        title="cluster",
        labels=labels if names else None,
        chosen=chosen,
        hover=dict(zip(made.table["cluster"], made.table["name"], strict=True)) if names else None,
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
    settings = selection.Settings(parent=project.clusters.id, budget=f"{share}%", edits=0)
    try:
        made = preview.allocation(settings)
    except InputError as e:
        st.error(plain_words(str(e)))
        return
    k = int(made.clusters["cluster"].max()) + 1
    st.plotly_chart(
        selection_charts.allocation(made.clusters, k),
        config={"displayModeBar": False},
        alt="Examples kept of each cluster",
    )
    if len(made.sources) > 1:
        st.plotly_chart(
            selection_charts.share_change(made.sources, 8),
            config={"displayModeBar": False},
            alt="Share of each source before and after",
        )
    st.caption(
        f"{len(made.chosen):,} of {made.pool:,} examples, spread evenly over {len(made.clusters)} "
        f"clusters: small kinds are kept, large ones thinned. Equal quotas (S2L, Algorithm 1). "
        f"{plain(project.clusters.id)}."
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
    base = project.study.summary_as(StudySummary)["base"]
    full = table.loc[table["arm"] == "full", key]
    row = METRICS[key]
    figure = study_charts.study_figure(
        table,
        key,
        row.axis,
        row.lower_is_better,
        base.get(key),
        float(full.mean()) if len(full) else None,
    )
    figure.update_layout(height=None)
    with st.container(key="strip-story"):
        st.plotly_chart(
            figure,
            height="stretch",
            config={"displayModeBar": False},
            alt="What each arm scored",
        )
    place = comparison.place_among_random(table, key)
    st.caption(
        f"{plain(place)} Study {plain(project.study.id)}, {len(table)} fine-tunes "
        f"of up to {int(table['rows'].max()):,} examples."
    )
