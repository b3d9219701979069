import streamlit as st

from core import jobs
from core.study.artifact import partial
from dashboard.frame import advice, job_card, lacking, state, widgets
from dashboard.study import form, result

widgets.title(
    "Study",
    "One target, the same training, different rows: did the small selection do as well as all?",
)
if "clusters" not in st.query_params:  # a saved selection can be compared on other clusters
    state.settle(("clusters", "selection"))
inputs = widgets.chips("clusters", "study")
clusters, artifact = inputs["clusters"], inputs["study"]
if clusters is None:
    lacking.draw("A study compares selections from clusters.", "clusters")
    st.stop()
job = jobs.newest(state.workspace(), "study", clusters=clusters.id)
active = job is not None and job.state in jobs.ACTIVE
left, right = st.columns(widgets.BESIDE)
with left, st.container(border=True):
    st.markdown("**Compare selections**")
    settings = form.ask(clusters)
    forecast = form.forecast(clusters, settings) if settings is not None else None
    if settings is not None and forecast is not None:
        if st.button(
            "Start study", type="primary", width="stretch", disabled=active
        ):  # not on_click: its arguments would be those before a last edit
            result.launch(settings)
            st.rerun()
        job_card.command("study", settings)
with right:
    if job is not None and job.state != "done":
        job_card.card(job)
    job_card.arrive(job, "study")
    half = partial(state.workspace(), clusters.id)
    if half is not None and (active or artifact is None or half.entry.id > artifact.id):
        with st.container(border=True):
            result.watch(clusters.id, active=active)
    if artifact is not None:
        widgets.former(artifact, job)
        result.show(artifact)
    elif job is None and half is None:
        st.info(
            "A dot per run will appear here: S2L, random, source-balanced random and full, beside "
            "the untuned base. Press Start study.",
            icon=":material/compare_arrows:",
        )
with left:  # last, since it may take seconds the first time
    advice.panel(clusters.ancestor("dataset"), clusters.ancestor("trajectories"))
