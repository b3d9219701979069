import streamlit as st

from core import jobs
from core.edits import labels
from core.errors import InputError
from core.workspace.artifact import KINDS, Entry
from dashboard.escape import plain
from dashboard.frame import advice, job_card, lacking, sidebar_jobs, state, widgets
from dashboard.frame.page_words import plain_words
from dashboard.story import home, lineage, project, recent, show, tour, welcome

workspace = state.workspace()
entries = workspace.recent()
usable = [e for e in entries if e.state == "sealed"]
if show.requested():
    show.present(usable)
    st.stop()
widgets.title(
    "S2L Studio",
    "A small proxy learns the whole dataset; examples whose losses fall alike form clusters; the "
    "target is trained on an even draw from them.",
)


def unusable(entries: list[Entry]) -> None:
    """List unfinished and damaged work, each with what can be done."""
    for entry in entries:
        left, right = st.columns([6, 1], vertical_alignment="center")
        words = f"{plain(entry.kind)} {plain(entry.id)} · {plain(entry.name)}"
        if entry.state == "damaged":
            left.error(f"{words}: {plain(entry.problem)}", icon=":material/broken_image:")
        else:
            left.warning(f"{words}: unfinished; resume it on its page", icon=":material/pending:")
        if right.button("Delete", key=f"delete:{entry.id}", icon=":material/delete:"):
            try:
                workspace.delete(entry.id)
                st.rerun()
            except InputError as e:
                st.error(plain_words(str(e)))


demo_job = jobs.newest(state.workspace(), "demo")
if demo_job is not None and demo_job.state in jobs.ACTIVE:
    st.markdown("**The demo is running.** The steps below fill as it goes.")
    job_card.card(demo_job)
elif not usable:
    welcome.draw()
    if demo_job is not None and demo_job.state != "done":
        job_card.card(demo_job)
given = labels.read(workspace)
current = project.newest(usable)
if current is not None:
    home.draw(current)
    above = st.container()
    with st.container(horizontal=True):
        show.offer()
        tour.offer(current)
        if st.button("Bring another dataset", icon=":material/upload:", type="tertiary"):
            state.go("dataset")
    with st.expander("What was made from what", expanded=True):
        st.graphviz_chart(
            lineage.dot(usable, given), width="stretch", alt="Artifacts and their parents"
        )
        st.caption(f"The newest {lineage.SHOWN} at most; a click opens one.")
    running = jobs.active(workspace)
    if running and (demo_job is None or demo_job.state not in jobs.ACTIVE):
        st.subheader("Running now", anchor=False)
        sidebar_jobs.draw()
    recent.draw(usable, given)
    with above:  # last, since it may take seconds the first time
        advice.panel(current.dataset, current.trajectories)

leftovers = [e for e in entries if e.state != "sealed"]
busy = {j.id for j in jobs.active(workspace)}
if leftovers and not busy:
    st.subheader("Needs attention", anchor=False)
    unusable(leftovers[:20])

if usable:
    words, key = f"Everything in this workspace ({len(usable):,})", "overview:everything"
    everything = st.expander(words, key=key, on_change="rerun")
    if everything.open:  # thousands of lines, which few look at
        everything.dataframe(
            [
                {
                    "kind": e.kind,
                    "name": given[e.id].name or e.name if e.id in given else e.name,
                    "tags": list(given[e.id].tags) if e.id in given else [],
                    "created (UTC)": e.created[:16].replace("T", " "),
                    "id": e.id,
                }
                for e in sorted(usable, key=lambda e: (KINDS.index(e.kind), e.id))
            ],
            hide_index=True,
        )
past = [j for j in jobs.jobs(workspace) if j.state not in jobs.ACTIVE][:20]
if past:
    failed = sum(job.state == "failed" for job in past)
    count = f"{len(past):,}, {failed:,} failed" if failed else f"{len(past):,}"
    with st.expander(plain(f"Past jobs ({count})"), expanded=past[0].state == "failed"):
        for job in past:
            words, icon = job_card.STATES[job.state]
            st.markdown(f"{icon} {words} · {plain(job.title)} · {plain(job.created[:16])}")
            if job.message:
                st.caption(plain_words(job.message))
if usable and not any(e.kind == "study" for e in usable):
    st.button("Run the embedded demo", on_click=lacking.start_demo, type="tertiary")
