"""The settings of a selection beyond strategy and budget, and what the last change did."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.selection import choose
from core.selection.run import Settings
from core.selection.s2l_options import Switches, by_hand, written
from core.settings import specs
from core.workspace.artifact import Artifact
from dashboard.charts import selection as selection_charts
from dashboard.frame import reader, state
from dashboard.frame.data import Ints, Preview
from dashboard.selection import quota_bars
from dashboard.selection.preview import Allocation

Labels = npt.NDArray[np.integer]


def idle(strategy: str) -> tuple[str, ...]:
    """Return the settings that count for no such strategy."""
    out = ["space"] if strategy not in choose.COMPARES else []
    return (*out, *(s.name for s in specs(Switches) if strategy not in choose.S2L_FAMILY))


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
            and e.config["strategy"] not in choose.OWN_SIZE
        }
    )
    if not names:
        st.info("Save a selection first: this baseline is as large as another one.")
        st.stop()
    return st.selectbox("As large as", list(names), format_func=names.__getitem__,
                        key="selection:match")  # fmt: skip


def quotas(made: Allocation, known: Preview) -> None:
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
        table, hide_index=True,
        disabled=["cluster", "keywords", "rows", "by sharing alone", "taken"],
        column_config={"set to": number, "at most": number},
        key=f"quota-table:{made.key}:{written(fixed, caps)}",
    )  # fmt: skip
    to, most = (
        {int(c): int(n) for c, n in zip(edited["cluster"], edited[column], strict=True)
         if pd.notna(n)}
        for column in ("set to", "at most")
    )  # fmt: skip
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
            "share the rest of the budget like water. The bars above do the same."
        )


def changes(clusters: str, dataset: str, tried: quota_bars.Tried, known: Preview) -> None:
    """Say which rows the last change of the settings let in and which it put out.

    Where it was a quota set by hand, its cluster comes first.
    """
    made = tried.made
    now = Shown(clusters, made.key, made.chosen, tried.quotas)
    was: Shown | None = st.session_state.get("selection:shown")
    if was is None or was.clusters != clusters:
        st.session_state["selection:before"] = None
    elif was.key != now.key:
        st.session_state["selection:before"] = was
    st.session_state["selection:shown"] = now
    before: Shown | None = st.session_state["selection:before"]
    if before is None:
        return
    came, went = np.setdiff1d(now.chosen, before.chosen), np.setdiff1d(before.chosen, now.chosen)
    if not len(came) and not len(went):
        return
    moved = moved_by_hand(before.quotas, now.quotas)
    words = by_cluster(moved, known.labels[came], known.labels[went])
    st.caption(
        f"{words}Since the last change {len(came):,} rows came in and {len(went):,} went out; "
        f"{len(made.chosen) - len(came):,} stayed."
    )
    which = st.segmented_control(
        "Read", ["came in", "went out"], key="selection:changes", label_visibility="collapsed"
    )
    if which:
        rows = came if which == "came in" else went
        rows = rows[np.argsort(~np.isin(known.labels[rows], moved), kind="stable")]
        reader.reader(dataset, rows.tolist(), f"selection:{which}")


class Shown(NamedTuple):
    """A choice that the page showed."""

    clusters: str
    key: str
    """As of the allocation."""
    chosen: Ints
    quotas: str


def moved_by_hand(before: str, now: str) -> list[int]:
    """Return the clusters for which two texts of quotas do not say the same."""
    (fixed, caps), (fixed_now, caps_now) = by_hand(before), by_hand(now)
    return sorted({c for c, _ in {*fixed.items()} ^ {*fixed_now.items()}}
                  | {c for c, _ in {*caps.items()} ^ {*caps_now.items()}})  # fmt: skip


def by_cluster(moved: list[int], came: Labels, went: Labels) -> str:
    """Say how many rows more or fewer the clusters moved by hand have, and all others.

    Args:
        moved: Clusters.
        came: Cluster of each row that came in.
        went: Cluster of each row that went out.
    """
    if not moved:
        return ""
    more = int(np.isin(came, moved).sum()) - int(np.isin(went, moved).sum())
    others = len(came) - len(went) - more
    which = f"Cluster {moved[0]}" if len(moved) == 1 else f"{len(moved):,} clusters"
    unit = "row" if abs(more) == 1 else "rows"
    return f"{which}: {more:+,} {unit}, the others {others:+,}. ".replace("-", "\u2212")
