"""The frame around every page: navigation in pipeline order, the workspace, what runs now."""

from __future__ import annotations

import pathlib

import streamlit as st

from dashboard.frame import state, who, widgets
from dashboard.story import tour

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
    page_icon=str(pathlib.Path(__file__).with_name("icon.png")),  # a named one is fetched from afar
    layout="wide",
    initial_sidebar_state=184,
)
who.sign_in()
PAGES = [
    st.Page(
        state.page(name),
        title=title,
        icon=icon,
        url_path="" if name == "overview" else name,
        default=name == "overview",
    )
    for name, (title, icon) in ICONS.items()
]


def other_address(page: st.Page, address: str) -> st.Page:
    """Return a hidden page that opens another, for who writes its name so; what follows stays."""

    def opened() -> None:
        st.switch_page(page, query_params=st.query_params.to_dict())

    return st.Page(opened, title=page.title, url_path=address, visibility="hidden")


by_name = [
    other_address(page, address)
    for name, page in zip(ICONS, PAGES, strict=True)
    for address in (*(["overview"] if name == "overview" else []), name.capitalize(), name.upper())
]
page = st.navigation([*PAGES, *by_name])
widgets.to_top(page.url_path)
with st.sidebar:
    tour.draw()
    widgets.sidebar()
page.run()
