"""What a selection did: against the pool and chance, against others, why a row, at what cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import selection
from core.arrays import Ints
from core.errors import InputError
from core.review import comparison
from core.selection.artifact import SelectionSummary
from core.workspace.artifact import Artifact
from dashboard.charts import review as review_charts
from dashboard.escape import plain
from dashboard.frame import reader, state
from dashboard.frame.page_words import plain_words
from dashboard.selection.before_after import frame


def others(clusters: str, edited: int, dataset: Artifact) -> None:
    """Compare saved selections, their differences first."""
    workspace = state.workspace()
    names = state.distinct(
        {
            e.id: e.name.removeprefix(f"{dataset.name} · ")
            for e in workspace.made_from(dataset.id, "selection")
        }
    )
    if not names:
        st.caption("Save this selection and another one to compare them here.")
        return
    if len(names) < 2:
        st.caption("One selection of this dataset is saved; a second one makes a comparison.")
        st.button(
            "Save a random draw of its size",
            icon=":material/casino:",
            on_click=_draw_beside,
            args=(clusters, edited, *names),
        )
        return
    chosen = st.multiselect(
        "Selections",
        list(names),
        list(names)[:2],
        format_func=names.__getitem__,
        key="selection:compare",
        max_selections=8,
    )
    if len(chosen) < 2:
        st.caption("Choose at least two.")
        return
    sets = comparison.read(workspace, chosen)
    a, b = chosen[:2]
    st.markdown(plain(comparison.sentence(sets[a], sets[b], len(frame(clusters, edited)))))
    st.plotly_chart(
        review_charts.overlap_matrix(comparison.jaccard(sets), names),
        alt="Share of rows that two selections have in common, pair by pair",
    )
    known = comparison.settings({id: workspace.open(id).config for id in chosen})
    st.dataframe(known.table.astype(str).rename(columns=names), hide_index=True)
    st.caption(f"Settings that differ; {known.equal:,} are equal.")
    try:
        _differences(frame(clusters, edited), sets, a, b, names)
    except InputError as e:  # rows that are not in this clustering's pool
        st.caption(plain_words(str(e)))
    pair = comparison.pair(sets[a], sets[b])
    only = st.segmented_control(
        "Read rows only in",
        [a, b],
        format_func=lambda id: plain(names[id]),
        default=a,
        required=True,
        key="selection:only",
    )
    rows = pair.only_a if only == a else pair.only_b
    reader.reader(dataset.id, rows.tolist(), f"selection:only:{only}")


def _draw_beside(clusters: str, edited: int, other: str) -> None:
    """Save a random draw that is as large as another selection."""
    workspace = state.workspace()
    rows = workspace.open(other).summary_as(SelectionSummary)["rows"]
    settings = selection.Settings(
        parent=clusters, strategy="random", budget=str(rows), edits=edited
    )
    selection.once(workspace, selection.open_source(workspace, settings))


def _differences(
    known: pd.DataFrame, sets: dict[str, Ints], a: str, b: str, names: dict[str, str]
) -> None:
    """Show in what size, facets, sources and clusters selections differ most."""
    facets, sums = comparison.facets(known, sets), comparison.totals(known, sets)
    units = facets.table["unit"].map(lambda unit: f" ({unit})" if unit else "")
    table = pd.DataFrame(
        {"mean of": facets.table["label"] + units, "distance": facets.table["distance"]}
        | {
            names[id]: facets.table[id].map(lambda x: "" if np.isnan(x) else f"{x:,.3g}")
            for id in sets
        }
    )
    bar = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
    st.dataframe(table, hide_index=True, column_config={"distance": bar})
    st.caption(
        "Facets that differ, furthest apart first (0 the same, 1 nothing in common); "
        f"{facets.equal:,} do not differ."
    )
    if len(sums.table):
        totals = sums.table.drop(columns="difference").rename(columns=names)
        whole = st.column_config.NumberColumn(format="localized")
        st.dataframe(totals, hide_index=True, column_config={names[id]: whole for id in sets})
        st.caption("What they cost a target to train on, an epoch.")
    for facet in ("source", "cluster"):
        part = comparison.allocation(known, sets, facet)
        if len(part.table):
            st.markdown(f"**Rows by {facet}**")
            st.plotly_chart(
                review_charts.difference_bars(part.table, a, b, names),
                alt="Where two selections differ most",
            )
