"""The frame around every page: navigation in pipeline order, the workspace, what runs now."""

from __future__ import annotations

import streamlit as st

from dashboard import state, widgets

ICONS = {
    "overview": ("Overview", ":material/home:"),
    "dataset": ("Dataset", ":material/table_rows:"),
    "trajectories": ("Trajectories", ":material/show_chart:"),
    "clusters": ("Clusters", ":material/bubble_chart:"),
    "selection": ("Selection", ":material/filter_alt:"),
    "finetune": ("Fine-tune", ":material/model_training:"),
    "study": ("Study", ":material/compare_arrows:"),
}

st.set_page_config(
    page_title="S2L Studio",
    page_icon=":material/scatter_plot:",
    layout="wide",
    initial_sidebar_state=220,
)
page = st.navigation(
    [
        st.Page(
            state.page(name),
            title=title,
            icon=icon,
            url_path="" if name == "overview" else name,
            default=name == "overview",
        )
        for name, (title, icon) in ICONS.items()
    ]
)
with st.sidebar:
    widgets.sidebar()
page.run()
