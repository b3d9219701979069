import numpy as np
import streamlit as st

from core.trajectories.artifact import why_left_out
from dashboard.clusters import (
    edit_bar,
    health,
    k_sweep,
    map_colours,
    picked_rows,
    preview,
    profile,
    ribbons,
    row_cards,
    settings_panel,
    table,
)
from dashboard.clusters import link as links
from dashboard.clusters import map as maps
from dashboard.escape import plain
from dashboard.frame import data, lacking, state, widgets

TABS = ("Read examples", "Ribbons", "Clusters", "Profile", "How many?", "Health")

state.settle(("dataset", "trajectories", "clusters"))
links.restore()
widgets.title("Clusters", maps.sentence())
inputs = widgets.chips("dataset", "trajectories")
artifact = inputs["trajectories"]
if artifact is None:
    lacking.draw("Clusters are made of recorded trajectories.", "trajectories")
    st.stop()
dataset = artifact.ancestor("dataset").id
left, right = st.columns(widgets.BESIDE)
with left, st.container(border=True):
    settings, kept = settings_panel.panel(artifact, settings_panel.opened(artifact))
with right:
    made = settings_panel.shown(artifact, settings, kept)
made = preview.named(made, kept, data.edits(dataset))
with left:
    chosen = settings_panel.choose(made)
    left_out = made.labels < 0
    why = why_left_out(data.flags(artifact.id), left_out)
    st.caption(
        f"{len(made.table)} clusters of {int((~left_out).sum()):,} rows"
        + (f"; in none: {plain(why)}" if why else "")
    )
findings = {}
if st.session_state.get("clusters:finding"):
    findings = {f.title: f.rows for f in health.findings(artifact.id)}
with right:
    with st.container(horizontal=True, vertical_alignment="center"):
        view = maps.ask(artifact)
        colour = map_colours.ask(artifact, made)
        both = maps.beside(artifact, view)
    picked = picked_rows.pick(artifact, made, findings)
    lit = None
    if picked.drawn:
        lit = np.zeros(len(made.labels), bool)
        lit[picked.rows] = True
    views = [view, both] if both else [view]
    for place, shown in zip(st.columns(len(views)), views, strict=True):
        map = maps.of(shown, artifact, settings)
        if both:
            place.caption(maps.LABELS.get(shown, shown))
        with place, widgets.lead(shown):
            if not maps.missing(map):
                maps.draw(artifact, made, map, chosen, lit, colour, f"map:{shown}")
    picked_rows.search_bar(artifact, made)
edit_bar.bar(dataset, picked)
tabs = dict(zip(TABS, st.tabs(TABS, on_change="rerun", key="clusters:tab"), strict=True))
if tabs["Read examples"].open:
    with tabs["Read examples"]:
        row_cards.pane(artifact, made, settings, picked)
if tabs["Ribbons"].open:
    with tabs["Ribbons"]:
        ribbons.ribbons(artifact, made, settings, chosen)
if tabs["Clusters"].open:
    with tabs["Clusters"]:
        table.clusters(artifact, made, kept, chosen)
if tabs["Profile"].open:
    with tabs["Profile"]:
        profile.profile(artifact, made, picked, chosen)
if tabs["How many?"].open:
    with tabs["How many?"]:
        k_sweep.which_k(artifact, settings)
if tabs["Health"].open:
    with tabs["Health"]:
        health.health(artifact, dataset)
links.publish()
