"""What several pages share: title, chips that name and change the inputs, next steps."""

from __future__ import annotations

import io
import pathlib
import zipfile
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.finetune.metrics import METRICS
from core.jobs import ACTIVE
from core.jobs.record import Job
from core.workspace.artifact import KINDS, Artifact, Kind
from core.workspace.locks import network_problem
from dashboard.escape import plain
from dashboard.frame import glossary, job_card, sidebar_jobs, state, who
from dashboard.frame.page_words import plain_words

STYLE = """<style>
[data-testid="stHeader"] {height: 2rem; min-height: 2rem; background: none; pointer-events: none}
[data-testid="stHeader"] * {pointer-events: auto}
[data-testid="stMainBlockContainer"] {padding: 0.5rem 1.5rem 2rem}
[class*="st-key-lead-"], [class*="st-key-strip-"] {flex: none; height: auto}
[class*="st-key-lead-"] [data-testid="stSkeleton"],
[class*="st-key-strip-"] [data-testid="stSkeleton"] {height: 100%}
[class*="st-key-lead-"] {min-height: max(440px, 66vh)}
[class*="st-key-lead-"] > div:has(.stPlotlyChart, [data-testid="stSkeleton"]) {
  height: max(440px, 66vh)}
[data-testid="stMain"]:has(.st-key-bar-panel) .st-key-lead-bars {
  min-height: max(300px, 66vh - 190px)}
[data-testid="stMain"]:has(.st-key-bar-panel) .st-key-lead-bars
> div:has(.stPlotlyChart, [data-testid="stSkeleton"]) {height: max(300px, 66vh - 190px)}
[class*="st-key-strip-"] {min-height: max(300px, 66vh - 110px)}
[class*="st-key-strip-"] > div:has(.stPlotlyChart, [data-testid="stSkeleton"]) {
  height: max(300px, 66vh - 110px)}
[data-testid="stBaseButton-primary"]:enabled,
[data-testid="stBaseButton-primaryFormSubmit"]:enabled,
[data-testid="stMultiSelect"] [data-tag] {
  background-color: #4361d8; border-color: #4361d8; color: #fff}
.stGraphVizChart text {fill: currentColor}
[data-testid="stFileUploaderDropzoneInstructions"] {display: none}
[data-variant="pills"], [data-variant="pills"] span, [data-variant="pills"] p {
  height: auto; white-space: normal !important; text-align: left}
@media (max-width: 1100px) {
  [data-testid="stSidebar"][data-collapsed="false"] {
    min-width: 9.5rem; width: 9.5rem !important}
  [data-testid="stSidebarContent"] {padding: 0 0.25rem}
  [data-testid="stMainBlockContainer"] {padding-left: 1rem; padding-right: 1rem}
  [data-variant="segmented_control"] {padding: 0 0.35rem}
}
[data-testid="stMain"]:focus-visible {outline: 2px solid #7c8ff0; outline-offset: -2px}
[data-testid="stSidebarNavLink"]:focus-visible {outline: 2px solid; outline-offset: -2px}
</style>"""
"""No blank band above the title, leading pictures that grow with the screen and leave room for the
panel of a chosen bar, a narrow sidebar in a narrow window, white on one blue in both schemes: the
dark one's accent is light, to be read as text (docs/accessibility.md)."""
BESIDE = (1, 3.05)
"""Widths of a form and of the leading picture beside it, which takes 60% of the screen."""
CHART: dict[str, Any] = {"displaylogo": False, "scrollZoom": True}


def sidebar() -> None:
    """Show who is signed in, the workspace and what runs now."""
    who.badge()
    st.caption("Workspace")
    st.text(str(state.workspace().root))
    if problem := network_problem(state.workspace().root):
        st.warning(plain_words(problem), icon=":material/lan:")
    st.caption("Jobs")
    sidebar_jobs.draw()


TERMS = {
    "S2L Studio": ("proxy", "loss", "cluster", "target"),
    "Dataset": ("example", "held-out rows", "pool", "response tokens"),
    "Trajectories": ("proxy", "loss", "nat", "recording", "loss trajectory"),
    "Clusters": ("cluster", "loss trajectory", "recording"),
    "Selection": ("selection", "budget", "quota", "pool"),
    "Fine-tune": ("target", "balanced loss", "exact match", "epoch"),
    "Study": ("arm", "seed", "interval", "balanced loss"),
}
"""Page -> the words explained under its title."""


def title(text: str, sentence: str) -> None:
    """Draw the line of title, with its words explained, and the sentence on the picture."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(text, anchor=False, width="content")
        st.caption(sentence, help=glossary.help_for(*TERMS[text]), width="content")


def to_top(page: str) -> None:
    """Scroll to the top of a page that was just turned to, or on which a job was just begun.

    The script is the same always but for a count: one that is unchanged would not run again.
    """
    place = st.empty()  # there in every run, so that nothing below it moves
    before = st.session_state.get("frame:page", page)
    st.session_state["frame:page"] = page
    begun = job_card.just_begun()
    if begun or before != page:
        turns = st.session_state["frame:turns"] = st.session_state.get("frame:turns", 0) + 1
        place.html(
            f"<script>/* {turns:d} */document.querySelector('[data-testid=stMain]')"
            "?.scrollTo({top: 0})</script>",
            unsafe_allow_javascript=True,
        )


def lead(name: str) -> DeltaGenerator:
    """Return the place of a page's leading picture, to be drawn with height="stretch"."""
    return st.container(key=f"lead-{name}".replace(" ", "-"))


def chips(*kinds: Kind) -> dict[Kind, Artifact | None]:
    """Name the inputs of the page; each chip opens a list to change it."""
    lineage: dict[Kind, Artifact | None] = {}
    state.settle(kinds)
    above: Artifact | None = None
    with st.container(horizontal=True, vertical_alignment="center"):
        for kind in kinds:
            artifact = state.current(kind, above)
            lineage[kind] = above = artifact
            entries = state.sealed(kind)
            if artifact is None or not entries:
                continue
            label = f"{kind}: {plain(state.title_of(artifact))}"
            with st.popover(label, icon=":material/swap_horiz:"):
                ids = [e.id for e in entries]
                given = state.names(entries)
                names = state.distinct(
                    {
                        e.id: f"{given[e.id]}  ({e.created[:16].replace('T', ' ')} UTC)"
                        for e in entries
                    }
                )
                st.selectbox(
                    f"Change the {kind}",
                    ids,
                    index=ids.index(artifact.id) if artifact.id in ids else 0,
                    format_func=names.__getitem__,
                    key=f"chip:{kind}:{artifact.id}",
                    on_change=_changed,
                    args=(kind, f"chip:{kind}:{artifact.id}"),
                )
                st.caption(plain(artifact.id))
    return lineage


def _changed(kind: Kind, key: str) -> None:
    st.query_params[kind] = st.session_state[key]
    for below in KINDS[KINDS.index(kind) + 1 :]:  # what was made from the old choice no longer fits
        st.query_params.pop(below, None)


def next_step(label: str, page: str, *, primary: bool = False, **ids: str) -> None:
    """Offer the next page of the pipeline; primary where nothing else on the page is."""
    if st.button(
        label,
        type="primary" if primary else "secondary",
        icon=":material/arrow_forward:",
        icon_position="right",
        width="stretch",
    ):
        state.go(page, **ids)


def former(artifact: Artifact, job: Job | None) -> None:
    """Say that what stands below a run that did not end well is not of it."""
    if job is not None and job.state not in ("done", *ACTIVE):
        st.markdown(f"**Not of that run:** below is {plain(artifact.name)}, as it was.")


def facts(*pairs: tuple[str, str], helps: dict[str, str] | None = None) -> None:
    """Show a few numbers in a row, each as wide as it needs; `helps` explains some, by label."""
    with st.container(horizontal=True, gap="small"):
        for label, value in pairs:
            st.metric(label, value, width="content", help=(helps or {}).get(label))


def download(label: str, data: Any, **named: Any) -> None:
    """Offer a file to editors; viewers see that there is one, and their page holds nothing of it.

    Args:
        data: As `st.download_button` takes it.
        **named: The rest of it.
    """
    if who.may_edit():
        st.download_button(label, data, **named)
    else:
        help = "Only an editor may export"
        st.download_button(label, "", **{**named, "disabled": True, "help": help})


def download_folder(folder: pathlib.Path, *, smaller: bool = True) -> None:
    """Offer a folder as a ZIP, made when the button is pressed; weights do not get `smaller`."""

    def zipped() -> bytes:
        out = io.BytesIO()
        how = zipfile.ZIP_DEFLATED if smaller else zipfile.ZIP_STORED
        with zipfile.ZipFile(out, "w", how) as archive:
            for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
                archive.write(path, path.relative_to(folder.parent))
        return out.getvalue()

    download(
        "Download as ZIP",
        zipped,
        file_name=f"{folder.name}.zip",
        mime="application/zip",
        icon=":material/download:",
        width="stretch",
        on_click="ignore",
    )


def metric_columns() -> dict[str, Any]:
    """Return how a table shows each metric."""
    return {
        key: st.column_config.NumberColumn(
            metric.title.lower(), format="percent" if "%" in metric.form else "%.3f"
        )
        for key, metric in METRICS.items()
    }
