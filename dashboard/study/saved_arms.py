"""Which saved selections a study compares beside its strategies."""

from __future__ import annotations

import streamlit as st

from core.selection.strategies.catalog import having
from core.study import arms
from core.workspace.artifact import Artifact, Entry
from dashboard.escape import plain
from dashboard.frame import state


def saved(clusters: Artifact) -> str:
    """Ask which saved selections are arms; return their ids, separated by commas.

    One that the address names (`?selection=`) is taken, until the choice is changed by hand.
    """
    dataset = clusters.ancestor("dataset")
    named = state.current("selection") if "selection" in st.query_params else None
    names = _offered(dataset, named)
    key = f"study:selections:{dataset.id}"
    before = [id for id in st.session_state.get(key, []) if id in names]  # others were deleted
    if named and named.id in names:
        before = list(dict.fromkeys([*before, named.id]))
    elif named:
        st.error(
            plain(
                f"{named.name} cannot be an arm here: it is of another dataset than these "
                "clusters, or compares at equal epochs."
            ),
            icon=":material/error:",
        )
    if not names:
        return ""
    if st.session_state.get(key) != before:  # sent back, it would undo a later choice
        st.session_state[key] = before
    chosen = st.multiselect(
        "Saved selections as arms",
        list(names),
        format_func=names.__getitem__,
        key=key,
        placeholder="none",
        on_change=_by_hand,
        persist_state="session",
        help="Their switches, quotas, filters, budget and clusters, drawn again with every seed. "
        "All arms honour the same edits",
    )
    return ",".join(chosen)


def clusterings(clusters: Artifact) -> str:
    """Ask which clusterings the seeds draw from in turn; return their ids, separated by commas."""
    dataset = clusters.ancestor("dataset")
    entries = state.workspace().made_from(dataset.id, "clusters")
    names = state.distinct({e.id: e.name.removeprefix(f"{dataset.name} · ") for e in entries})
    if len(names) < 2:
        return ""
    key = f"study:clusterings:{dataset.id}"
    before = [id for id in st.session_state.get(key, []) if id in names]  # others were deleted
    if st.session_state.get(key, before) != before:
        st.session_state[key] = before
    chosen = st.multiselect(
        "Clusterings that the seeds take in turn",
        list(names),
        format_func=names.__getitem__,
        key=key,
        placeholder="the one above",
        persist_state="session",
        help="So that another proxy, or another cut of the same one, counts among what may differ. "
        "The first seed draws from the first",
    )
    return ",".join(chosen)


def _offered(dataset: Artifact, named: Artifact | None) -> dict[str, str]:
    """Return id -> name of a dataset's selections, newest first.

    Of those alike but for the seed the oldest stands for all: a study adds younger ones.
    """
    offered: dict[str, Entry] = {}
    entries = state.workspace().made_from(dataset.id, "selection")
    for entry in sorted(entries, key=lambda e: (named is None or e.id != named.id, e.id)):
        if entry.config["strategy"] not in having(cost=True):
            offered.setdefault(arms.identity(arms.how(entry.config)), entry)
    shown = sorted(offered.values(), key=lambda e: e.id, reverse=True)
    return state.distinct({e.id: e.name.removeprefix(f"{dataset.name} · ") for e in shown})


def _by_hand() -> None:
    st.query_params.pop("selection", None)
