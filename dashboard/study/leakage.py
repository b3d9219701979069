"""The tab of what the pool gives away: every score without it, and the rows side by side."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.dataset.overlap import describe
from core.finetune import metrics
from core.study import comparison, findings, items, leakage, pairs
from core.study.artifact import StudySummary, base_of
from core.study.sentences import seen_of
from dashboard.escape import plain
from dashboard.frame import overlap, state
from dashboard.study.view import BY_ITEM, View, runs_of


@st.cache_data(max_entries=8, show_spinner="Reading what the training rows give away")
def leaked(id: str, test: str) -> set[str]:
    """Return the test items that rows of some arm give away."""
    return items.given_away(state.workspace().open(id, "study"), test)


def show(view: View) -> None:
    """Show every score with and without the items that the pool has, and which rows are alike."""
    artifact, table, key, test = view
    counts = artifact.summary_as(StudySummary).get("overlap")
    counts = leakage.counts(artifact, test)
    if said := describe(counts, "rows of the pool"):
        st.markdown(plain(said[0].upper() + said[1:] + "."))
    elif not counts:
        st.caption("This study is older than the count of overlapping rows.")
    without = leakage.without(table)
    if without is not None:
        _beside(leakage.beside(table, base_of(artifact, test), key), key, table)
        st.caption(
            "Without them: every test row that says or asks what a row of the pool does, is its "
            "near-duplicate, or has 13 words in a row in common with one. The same items for every "
            "arm."
        )
        planned = pairs.registered(without, key, findings.noise_of(artifact, key, test))
        for pair in planned:
            said = comparison.sentence(pair, metrics.METRICS[key])
            st.markdown(f"Without them: {plain(said)}")
    elif gone := leaked(artifact.id, test):  # by fine-tunes of before such scores
        measure = BY_ITEM.get(key, key)
        found_by_item = items.with_and_without(runs_of(artifact.id, test), measure, gone)
        if len(found_by_item):
            _beside(found_by_item, measure, table)
            st.caption(f"Without the {len(gone):,} items that rows of some arm give away.")
    elif counts:
        st.markdown("No test row has anything in common with the rows of the pool.")
    if pairs_file := leakage.alike(artifact, test):
        dataset = artifact.open(artifact.parents["clusters"]).ancestor("dataset").id
        overlap.side_by_side(pairs_file.file, pairs_file.tested, dataset, "pool row")


def _beside(shown: pd.DataFrame, key: str, table: pd.DataFrame) -> None:
    """List each arm's score with and without the items that are given away."""
    if shown.empty:
        st.caption("Nothing is left to be measured without the items that the pool has.")
        return
    metric = metrics.METRICS[key]
    share = st.column_config.NumberColumn(format="percent" if "%" in metric.form else "%.3f")
    st.dataframe(shown, hide_index=True, column_config={"all": share, "without": share})
    st.caption(f"{plain(metric.called(seen_of(table)))} ({metric.unit}), means over seeds.")
