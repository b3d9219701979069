"""What a person does on a map: an area that is drawn, and zooming to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.frame.data import POINTS


def remember(key: str, name: str) -> None:
    """Keep the geometry of a box or lasso: recolouring the map must not lose it."""
    chart = st.session_state[key]["selection"]
    area: dict[str, Any] = {
        kind: [{axis: list(map(float, shape[axis])) for axis in ("x", "y")} for shape in shapes]
        for kind in ("box", "lasso")
        if (shapes := chart.get(kind))
    }
    if area:
        st.session_state["clusters:area"] = {"map": name, **area}
        st.session_state["clusters:cluster"] = st.session_state["clusters:finding"] = None


def zoom(name: str, window: Any, all: int, seen: int) -> None:
    """Offer to draw the area on the whole map, with every row of it, and to go back."""
    area = st.session_state.get("clusters:area")
    here = area is not None and area["map"] == name
    if not (window or (here and seen > POINTS)):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if here and area is not None:
            st.button(
                "Zoom to the area",
                icon=":material/zoom_in:",
                on_click=_zoom_in,
                args=(name, area),
                key=f"zoom:{name}",
            )
        if window:
            st.button(
                "Whole map",
                icon=":material/zoom_out_map:",
                on_click=_zoom_out,
                args=(name,),
                key=f"whole:{name}",
            )
        how = "each a point" if seen <= POINTS else "drawn as a picture of all of them"
        st.caption(f"{seen:,} of {all:,} rows in sight, {how}")


def _zoom_in(name: str, area: dict[str, Any]) -> None:
    shapes = [s for kind in ("box", "lasso") for s in area.get(kind, [])]
    x, y = ([v for s in shapes for v in s[axis]] for axis in ("x", "y"))
    st.session_state[f"clusters:window:{name}"] = (min(x), max(x), min(y), max(y))


def _zoom_out(name: str) -> None:
    st.session_state.pop(f"clusters:window:{name}", None)
