import streamlit as st

from core import demo, jobs
from core.errors import InputError
from core.nouns import DURATION
from core.workspace.artifact import KINDS, Entry
from dashboard.escape import plain
from dashboard.frame import job_card, state, widgets
from dashboard.story import show

STEPS = {
    "dataset": ("Dataset", "Bring the examples", ":material/table_rows:"),
    "trajectories": ("Trajectories", "Train a proxy, record every loss", ":material/show_chart:"),
    "clusters": ("Clusters", "See which examples learn alike", ":material/bubble_chart:"),
    "selection": ("Selection", "Set the budget", ":material/filter_alt:"),
    "finetune": ("Fine-tune", "Train the target on it", ":material/model_training:"),
    "study": ("Study", "Compare with random and full", ":material/compare_arrows:"),
}

workspace = state.workspace()
entries = workspace.recent()
usable = [e for e in entries if e.state == "sealed"]
if show.wanted():
    show.present(usable)
    st.stop()
widgets.title(
    "S2L Studio",
    "A small proxy learns the whole dataset; examples whose losses fall alike form clusters; the "
    "target is trained on an even draw from them.",
)


def start_demo() -> None:
    """Launch the embedded demo as a job."""
    job_card.launch("demo", demo.Settings(), "Embedded demo", "demo")


def pipeline() -> None:
    """Draw the six steps with what exists, and mark the next one."""
    counts = {kind: [e for e in usable if e.kind == kind] for kind in STEPS}
    following = next((kind for kind in STEPS if not counts[kind]), "study")
    columns = [c for _ in range(2) for c in st.columns(3)]
    for number, (column, (kind, (name, words, icon))) in enumerate(
        zip(columns, STEPS.items(), strict=True), 1
    ):
        made = counts[kind]
        with column.container(border=True, height=190):
            st.markdown(f"**{number} {icon} {name}**")
            if made:
                plural = f"{len(made):,} made" if len(made) > 1 else "1 made"
                st.caption(f"{plural}; newest: {plain(made[0].name[:48])}")
            else:
                st.caption(words)
            label = "Open" if made else "Begin" if kind == following else "Later"
            primary = kind == following and bool(usable)
            if st.button(
                label,
                key=f"open:{kind}",
                width="stretch",
                type="primary" if primary else "secondary",
                disabled=not made and kind != following,
            ):
                state.go(kind)


def unusable(found: list[Entry]) -> None:
    """List unfinished and damaged work, each with what can be done."""
    for entry in found:
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
                st.error(plain(str(e)))


demo_job = jobs.newest(state.workspace(), "demo")
if demo_job is not None and demo_job.state in jobs.ACTIVE:
    st.markdown("**The demo is running.** The steps below fill as it goes.")
    job_card.card(demo_job)
elif not usable:
    with st.container(border=True, horizontal_alignment="center"):
        st.space("small")
        st.markdown("#### See it work on embedded data", text_alignment="center", width="stretch")
        st.markdown(demo.WHAT, text_alignment="center", width="stretch")
        st.caption(f"It takes {DURATION}.", text_alignment="center", width="stretch")
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.button(
                "Run the demo",
                type="primary",
                icon=":material/play_arrow:",
                on_click=start_demo,
            )
            if st.button("Bring my own dataset", icon=":material/upload:"):
                state.go("dataset")
        st.space("small")
    if demo_job is not None and demo_job.state != "done":
        job_card.card(demo_job)
if any(e.kind == "trajectories" for e in usable):
    show.offer()
pipeline()

studies = [e for e in usable if e.kind == "study"]
if studies:
    widgets.next_step(f"See the comparison: {plain(studies[0].name)}", "study", study=studies[0].id)

leftovers = [e for e in entries if e.state != "sealed"]
busy = {j.id for j in jobs.active(workspace)}
if leftovers and not busy:
    st.subheader("Needs attention", anchor=False)
    unusable(leftovers[:20])

if usable:
    with st.expander(f"Everything in this workspace ({len(usable):,})"):
        st.dataframe(
            [
                {
                    "kind": e.kind,
                    "name": e.name,
                    "created (UTC)": e.created[:16].replace("T", " "),
                    "id": e.id,
                }
                for e in sorted(usable, key=lambda e: (KINDS.index(e.kind), e.id))
            ],
            hide_index=True,
        )
past = [j for j in jobs.jobs(workspace) if j.state not in jobs.ACTIVE][:20]
if past:
    with st.expander(f"Past jobs ({len(past)})"):
        for job in past:
            words, icon = job_card.STATES[job.state]
            st.markdown(f"{icon} {words} · {plain(job.title)} · {plain(job.created[:16])}")
            if job.message:
                st.caption(plain(job.message))
if usable and not any(e.kind == "study" for e in usable):
    st.button("Run the embedded demo", on_click=start_demo, type="tertiary")
