"""The settings of a selection beyond strategy and budget, and what the last change did."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.selection.s2l_options import by_hand, written
from dashboard.charts import selection as selection_charts
from dashboard.clusters.preview import ClustersPreview
from dashboard.selection import quota_bars
from dashboard.selection.preview import Allocated


def quotas(made: Allocated, known: ClustersPreview) -> None:
    """Show every cluster's quota in a table in which it can be set or capped by hand."""
    names = dict(zip(known.table["cluster"], known.table["name"], strict=True))
    fixed, caps = by_hand(st.session_state.get(quota_bars.QUOTAS) or "")
    table = selection_charts.largest_first(made.clusters)
    table = pd.DataFrame(
        {
            "cluster": table["cluster"],
            "keywords": table["cluster"].map(names),
            "rows": table["size"],
            "by sharing alone": table["quota"],
            "taken": table["taken"],
            "set to": table["cluster"].map(fixed).astype("Int64"),
            "at most": table["cluster"].map(caps).astype("Int64"),
        }
    )
    number = st.column_config.NumberColumn(min_value=0, step=1)
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=["cluster", "keywords", "rows", "by sharing alone", "taken"],
        column_config={"set to": number, "at most": number},
        key=f"quota-table:{made.key}:{written(fixed, caps)}",
    )
    to, most = (
        {
            int(c): int(n)
            for c, n in zip(edited["cluster"], edited[column], strict=True)
            if pd.notna(n)
        }
        for column in ("set to", "at most")
    )
    text = written(to, {c: n for c, n in most.items() if c not in to})
    with st.container(horizontal=True, vertical_alignment="center"):
        if text != written(fixed, caps):
            st.button("Use these quotas", type="primary", on_click=quota_bars.use, args=(text,))
        if fixed or caps:
            st.button(
                "Reset all quotas", on_click=quota_bars.use, args=("",), icon=":material/undo:"
            )
        st.caption(
            "Set a cluster to a number of rows (0 leaves it out) or give it a most; the others "
            "share the rest of the budget evenly. The bars above do the same."
        )
