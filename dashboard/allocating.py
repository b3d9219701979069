"""The settings of a selection beyond strategy and budget: matched baselines, quotas by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import selectors
from core.artifact import Artifact
from core.selection import Settings
from core.settings import specs
from core.switches import Switches, by_hand
from dashboard import reader, state
from dashboard.data import Allocation


def idle(strategy: str) -> tuple[str, ...]:
    """Return the settings that count for no such strategy."""
    out = ["space"] if strategy not in selectors.COMPARES else []
    return (*out, *(s.name for s in specs(Switches) if strategy not in selectors.S2L_FAMILY))


def on_demand(settings: Settings) -> None:
    """Wait for a press before a choice that takes long; go on if it was pressed for this one."""
    if st.session_state.get("selection:ran") == settings:
        return
    st.caption("This strategy compares all rows with all: it can take from seconds to minutes.")
    if not st.button("Choose the rows", icon=":material/play_arrow:", type="primary"):
        st.stop()
    st.session_state["selection:ran"] = settings


def matched(dataset: Artifact) -> str:
    """Ask which selection a matched baseline is as large as."""
    workspace = state.workspace()
    names = state.distinct(
        {
            e.id: e.name
            for e in state.sealed("selection")
            if workspace.ancestor(workspace.open(e.id), "dataset").id == dataset.id
            and e.config["strategy"] not in selectors.OWN_SIZE
        }
    )
    if not names:
        st.info("Save a selection first: this baseline is as large as another one.")
        st.stop()
    return st.selectbox("As large as", list(names), format_func=names.__getitem__,
                        key="selection:match")  # fmt: skip


def quotas(made: Allocation, names: dict[int, str]) -> None:
    """Show every cluster's quota in a table in which it can be set or capped by hand."""
    fixed, caps = by_hand(st.session_state.get("selection:quotas") or "")
    table = made.clusters.sort_values("size", ascending=False)
    table = pd.DataFrame(
        {
            "cluster": table["cluster"],
            "keywords": table["cluster"].map(names),
            "rows": table["size"],
            "taken": table["taken"],
            "set to": table["cluster"].map(fixed).astype("Int64"),
            "at most": table["cluster"].map(caps).astype("Int64"),
        }
    )
    number = st.column_config.NumberColumn(min_value=0, step=1)
    edited = st.data_editor(
        table, hide_index=True, disabled=["cluster", "keywords", "rows", "taken"],
        column_config={"set to": number, "at most": number},
        key=f"quota-table:{made.key}",
    )  # fmt: skip
    parts = [f"{c}={n}" for c, n in zip(edited["cluster"], edited["set to"], strict=True)
             if pd.notna(n)]  # fmt: skip
    parts += [
        f"{c}<={m}"
        for c, n, m in zip(edited["cluster"], edited["set to"], edited["at most"], strict=True)
        if pd.isna(n) and pd.notna(m)
    ]
    text = ",".join(parts)
    with st.container(horizontal=True, vertical_alignment="center"):
        if text != ",".join(_listed(fixed, caps)):
            st.button("Use these quotas", type="primary", on_click=_set_quotas, args=(text,))
        if fixed or caps:
            st.button("Reset all", on_click=_set_quotas, args=("",), icon=":material/undo:")
        st.caption(
            "Set a cluster to a number of rows (0 leaves it out) or give it a most; the others "
            "share the rest of the budget like water."
        )


def changes(dataset: str, made: Allocation) -> None:
    """Say which rows the last change of the settings let in and which it put out."""
    last, before = st.session_state.get("selection:seen", ("", None)), None
    if last[0] == made.key:
        before = last[1]
    else:
        before = st.session_state.get("selection:shown")
        st.session_state["selection:seen"] = (made.key, before)
    st.session_state["selection:shown"] = made.chosen
    if before is None:
        return
    came, went = np.setdiff1d(made.chosen, before), np.setdiff1d(before, made.chosen)
    if not len(came) and not len(went):
        return
    st.caption(
        f"Since the last change {len(came):,} rows came in and {len(went):,} went out; "
        f"{len(made.chosen) - len(came):,} stayed."
    )
    which = st.segmented_control(
        "Read", ["came in", "went out"], key="selection:changes", label_visibility="collapsed"
    )
    if which:
        rows = came if which == "came in" else went
        reader.reader(dataset, rows.tolist(), f"selection:{which}")


def _listed(fixed: dict[int, int], caps: dict[int, int]) -> list[str]:
    return [f"{c}={n}" for c, n in fixed.items()] + [f"{c}<={n}" for c, n in caps.items()]


def _set_quotas(text: str) -> None:
    st.session_state["selection:quotas"] = text
