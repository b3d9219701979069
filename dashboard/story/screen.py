"""What a chart needs to be read from afar."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

LARGER = 1.45
"""Type on a projector is so much larger than on a page, and so is the room kept for it."""
UNDER = 24
"""Pixels more under a chart that has an axis there."""


def chart(figure: go.Figure, name: str, alt: str, **more: Any) -> None:
    """Draw a chart as high as its step has room for, with room for large type."""
    margin = figure.layout.margin
    wide = {side: LARGER * (margin[side] or 0) for side in ("l", "r", "t", "b")}
    if wide["b"]:
        wide["b"] += UNDER
        figure.update_xaxes(title_standoff=16)
    figure.update_layout(height=None, margin=wide)
    with st.container(key=f"strip-story-{name}"):
        st.plotly_chart(figure, height="stretch", config={"displayModeBar": False}, alt=alt, **more)
