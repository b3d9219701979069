"""The home page of a workspace with results: the newest project in pictures, and its next step."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
import streamlit as st

from core import selection
from core.clusters.artifact import ClustersSummary
from core.errors import InputError
from core.finetune.metrics import METRICS, known
from core.jobs.progress import duration
from core.report.project import as_text, verdict
from core.selection.artifact import SelectionSummary
from core.settings import from_config
from core.study import findings
from core.study.artifact import StudySummary
from core.study.artifact import table as study_table
from core.study.sentences import seen_of
from dashboard.charts import losses as loss_charts
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.escape import plain
from dashboard.frame import data, state
from dashboard.frame.page_words import plain_words
from dashboard.selection import preview
from dashboard.story.kinds import thumbnail
from dashboard.story.project import Project

STILL = {"displayModeBar": False, "staticPlot": True}


class Next(NamedTuple):
    """What to do with a project now."""

    label: str
    page: str
    id: str
    kind: str


def following(project: Project) -> Next:
    """Return the one step that a project waits for."""
    if project.study is not None:
        return Next("See the comparison", "study", project.study.id, "study")
    if project.selection is not None:
        return Next("Fine-tune on the selection", "finetune", project.selection.id, "selection")
    if project.clusters is not None:
        return Next("Set the budget", "selection", project.clusters.id, "clusters")
    if project.trajectories is not None:
        id = project.trajectories.id
        return Next("See which examples are learned alike", "clusters", id, "trajectories")
    return Next("Train a proxy on it", "trajectories", project.dataset.id, "dataset")


def draw(project: Project) -> None:
    """Show the project: its sentence, its pictures, what it cost, its next step."""
    st.subheader(plain(project.dataset.name), anchor=False)
    said, short = as_text(verdict(project)), _short(project)
    if short:
        st.markdown(f"**{plain(short)}** {plain(said)}")
    else:
        st.markdown(f"**{plain(said)}**")
    with st.container(key="home-strip"):
        columns = st.columns(3, border=True)
        for column, picture in zip(columns, (_map, _budget, _arms), strict=True):
            with column:
                picture(project)
    step = following(project)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            plain(step.label),
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
        ):
            state.go(step.page, **{step.kind: step.id})
        if cost := costs(project):
            st.caption(cost)


def _short(project: Project) -> str:
    """Return the study's answer in plain words, for people who know no intervals."""
    if project.study is None:
        return ""
    table = study_table(project.study)
    key = next(iter(known(table)), None)
    return "" if key is None else findings.in_short(project.study, table, key)


def costs(project: Project) -> str:
    """Say what the work took, of what is known."""
    parts = []
    for name, made in (("proxy and recordings", project.trajectories), ("study", project.study)):
        if made is not None and made.manifest.get("seconds"):
            parts.append(f"{name} {duration(made.manifest['seconds'])}")
    return f"Took: {', '.join(parts)}." if parts else ""


def _still(figure: go.Figure, name: str, alt: str) -> None:
    """Draw a picture of the strip, as high as the screen has room for."""
    with st.container(key=f"strip-{name}"):
        st.plotly_chart(figure, config=STILL, key=f"home:{name}", height="stretch", alt=alt)


def _map(project: Project) -> None:
    st.markdown("**Kinds of examples**")
    if project.clusters is not None and project.trajectories is not None:
        _still(thumbnail(project), "map", "Map of clusters")
        count = project.clusters.summary_as(ClustersSummary)["clusters"]
        st.caption(f"{count:,} clusters of learning curves")
    elif project.trajectories is not None:
        quantiles, sample = data.overview(project.trajectories.id)
        figure = loss_charts.trajectory_overview(
            data.steps(project.trajectories.id), quantiles, sample
        )
        _still(figure, "map", "Losses while the proxy trains")
    else:
        st.caption("Appears when a proxy has been trained: Trajectories page.")


def _budget(project: Project) -> None:
    st.markdown("**What is kept**")
    if project.selection is None or project.clusters is None:
        st.caption("Appears when a budget is set: Selection page.")
        return
    try:
        settings = from_config(selection.Settings, project.selection.config)
        made = preview.allocation(settings)
    except InputError as e:
        st.caption(plain_words(str(e)))
        return
    if words := preview.too_few(made.clusters):
        st.caption(plain(f"{words}: {preview.NO_BARS}"))
    else:
        k = int(made.clusters["cluster"].max()) + 1
        figure = selection_charts.allocation(made.clusters, k, narrow=True)
        figure.update_xaxes(showticklabels=False)
        _still(figure, "kept", "Rows kept of each cluster")
    s = project.selection.summary_as(SelectionSummary)
    st.caption(f"{s['rows']:,} of {s['pool']:,} examples")


def _arms(project: Project) -> None:
    st.markdown("**Was it as good?**")
    if project.study is None:
        st.caption("Appears when selections were compared: Study page.")
        return
    table = study_table(project.study)
    key = next(iter(known(table)))
    row = METRICS[key]
    figure = study_charts.study_figure(table, key, "", row.lower_is_better)
    figure.update_layout(margin={"r": 16, "t": 10}, height=280)
    figure.layout.annotations = ()
    figure.update_xaxes(title=None, nticks=4)
    _still(figure, "arms", "Scores of the arms")
    equal = "epochs" if project.study.summary_as(StudySummary).get("epochs", 0) else "steps"
    better = "lower" if row.lower_is_better else "higher"
    band = any(shape.type == "rect" for shape in figure.layout.shapes)
    st.caption(
        f"{plain(row.axis(seen_of(table)))}, {better} is better; {len(table)} fine-tunes of one "
        f"model, equal {equal}{f'; grey: {study_charts.BAND}' if band else ''}"
    )
