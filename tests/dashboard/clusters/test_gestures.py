"""What stays of an area that was drawn on a map."""

import streamlit as st

from dashboard.clusters import gestures


def test_a_lasso_is_kept_as_geometry_with_its_map(monkeypatch):
    shape = {"x": ["0", 1], "y": [2, 3]}
    state = {"map:Texts": {"selection": {"box": [], "lasso": [shape]}}}
    monkeypatch.setattr(st, "session_state", state)
    gestures.remember("map:Texts", "layout:x")
    kept = {"map": "layout:x", "lasso": [{"x": [0.0, 1.0], "y": [2.0, 3.0]}]}
    assert state["clusters:area"] == kept
