"""The option behind a title: a list that also takes what is typed is sent the title it shows.

The server takes a title that no option has any more for typed text, and titles change: a model
comes to this machine, a run ends, a folder is listed anew.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def settle(key: str, titles: Mapping[str, str] | None = None) -> None:
    """Give a list, before it is drawn, the option that the title it holds stood for.

    Args:
        key: Of the list.
        titles: Option -> title, as the list will show them; those of before are remembered.
    """
    known: dict[str, str] = st.session_state.setdefault(f"{key}:titles", {})
    known |= {title: option for option, title in (titles or {}).items()}
    held = st.session_state.get(key)
    if held in known and known[held] != held and held not in known.values():
        st.session_state[key] = known[held]
