"""A view of the clusters as an address: what is looked at, and how.

Short settings stand in the address by name; what was drawn, searched and filtered is kept in the
workspace under a short name (`?sel=`). Ids are always spelled out, by `state`.
"""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from core.errors import InputError
from core.workspace import shared_views
from dashboard.clusters import picked_rows
from dashboard.frame import state
from dashboard.frame.page_words import plain_words

PLAIN = {"map": "clusters:view", "colour": "clusters:colour", "tab": "clusters:tab"}
"""Parameter -> the widget whose value it is."""
PICKS: dict[str, Any] = {"area": None, "finding": None, "search": "", "regex": False}
"""What was picked -> its value where nothing was."""


def restore() -> None:
    """Take from the address what this session has not put there; call it before any widget."""
    for name, key in PLAIN.items():
        value = st.query_params.get(name)
        if value and value != st.session_state.get(f"link:{name}"):
            st.session_state[key] = value
    cluster = st.query_params.get("cluster", "")
    if cluster and cluster != st.session_state.get("link:cluster"):
        if re.fullmatch("[0-9]{1,9}", cluster):
            st.session_state["clusters:cluster"] = int(cluster)
        else:
            _refuse("What the address has for cluster is not the number of a cluster.")
    name = st.query_params.get("sel", "")
    if name and name != st.session_state.get("link:sel"):
        if not shared_views.is_name(name):
            _refuse(
                "What the address has for sel is not the name of a view: ask for the link again."
            )
            return
        try:
            view = shared_views.load(state.workspace(), name)
        except InputError as e:
            _refuse(f"The link names something that cannot be opened: {plain_words(e)}")
            return
        for pick, nothing in PICKS.items():
            st.session_state[f"clusters:{pick}"] = view.get(pick, nothing)
        st.session_state[picked_rows.FILTERS] = list(view.get("filters", {}))
        for label, value in view.get("filters", {}).items():
            numbers = isinstance(value, list) and value and isinstance(value[0], float)
            st.session_state[picked_rows.value_key(label)] = tuple(value) if numbers else value


def _refuse(sentence: str) -> None:
    st.error(sentence, icon=":material/link:")


def publish() -> None:
    """Put what is shown into the address; call it when the page is drawn."""
    now = {name: str(st.session_state.get(key) or "") for name, key in PLAIN.items()}
    cluster = st.session_state.get("clusters:cluster")
    now["cluster"] = "" if cluster is None else str(cluster)
    view = _drawn()
    now["sel"] = shared_views.save(state.workspace(), view) if view else ""
    for name, value in now.items():
        st.session_state[f"link:{name}"] = value
        if value:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def _drawn() -> dict[str, Any]:
    view: dict[str, Any] = {}
    for pick in PICKS:
        if value := st.session_state.get(f"clusters:{pick}"):
            view[pick] = value
    filters = {
        label: value
        for label in st.session_state.get(picked_rows.FILTERS) or []
        if (value := st.session_state.get(picked_rows.value_key(label)))
    }
    return view | ({"filters": filters} if filters else {})
