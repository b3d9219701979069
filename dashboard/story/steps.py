"""Steps 4 and 5 of the story: what is kept, and whether it held."""

from __future__ import annotations

import streamlit as st

from core import selection
from core.errors import InputError
from core.finetune.metrics import METRICS, known
from core.study import comparison
from core.study.artifact import StudySummary
from core.study.artifact import table as study_table
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.escape import plain
from dashboard.frame.page_words import plain_words
from dashboard.selection import preview
from dashboard.story.project import Project


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
    bars, shares = st.columns([1.5, 1]) if len(made.sources) > 1 else (st.container(), None)
    with bars, st.container(key="strip-story-kept"):
        if words := preview.too_few(made.clusters):
            st.caption(plain(f"{words}: {preview.NO_BARS}"))
        else:
            st.plotly_chart(
                selection_charts.allocation(made.clusters, k).update_layout(height=None),
                height="stretch",
                config={"displayModeBar": False},
                alt="Examples kept of each cluster",
            )
    if shares is not None:
        shares.markdown("**Share of each source, before and after**")
        shares.plotly_chart(
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
