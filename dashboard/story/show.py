"""The frame of the story: five steps, arrow keys, large type, nothing that launches anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from core.dataset.privacy import is_private
from core.report.project import last
from core.workspace.artifact import Entry
from dashboard.frame import lacking, report
from dashboard.story import bill, kinds, noticed, steps
from dashboard.story.project import newest

STYLE = """<style>
[data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"],
[data-testid="stSidebarCollapsedControl"] {display: none}
[data-testid="stMain"]:focus-visible {outline: none}
[data-testid="stMainBlockContainer"] {padding: 0.8rem 4vw 0.5rem; max-width: 1800px}
[data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] {gap: 0.6rem}
[data-testid="stMainBlockContainer"] h2 {font-size: clamp(1.8rem, 2.6vw, 3.4rem)}
[data-testid="stMainBlockContainer"] h4 {font-size: clamp(1.2rem, 1.7vw, 2.2rem)}
[data-testid="stMainBlockContainer"] p, [data-testid="stMainBlockContainer"] [data-testid="stHtml"],
[data-testid="stMainBlockContainer"] [data-testid="stSelectbox"] * {
  font-size: clamp(1rem, 1.2vw, 1.6rem)}
[data-testid="stMainBlockContainer"] [data-testid="stSliderThumbValue"] p,
[data-testid="stMainBlockContainer"] [data-testid="stSliderTickBar"] p {font-size: 1rem}
[data-testid="stMainBlockContainer"] p span[style*="0.875rem"] {
  font-size: clamp(0.875rem, 0.95vw, 1.25rem) !important}
[data-testid="stMainBlockContainer"] [data-testid="stCheckbox"] label {align-items: center}
[data-testid="stMainBlockContainer"] [data-testid="stMetricValue"] * {
  font-size: clamp(1.8rem, 3vw, 4rem); line-height: 1.3}
[class*="st-key-story-text"] [data-testid="stText"] {
  font-size: clamp(1rem, 1.15vw, 1.5rem); line-height: 1.4}
.js-plotly-plot .main-svg text, #js-plotly-tester text {
  font-size: clamp(15px, 1.1vw, 21px) !important}
.js-plotly-plot .slider-labels {display: none}
[class*="st-key-strip-story-map"] .annotation * {cursor: pointer !important}
.st-key-story-names {display: none}
[data-testid="stMainBlockContainer"]:has(.st-key-story-speaker) {--notes: max(4.4rem, 4.6vw)}
[class*="st-key-strip-story-"] {min-height: 0}
[class*="st-key-strip-story-"], [class*="st-key-strip-story-"] > div:has(.stPlotlyChart) {
  height: max(300px, 100vh - max(14rem, 12.6vw) - var(--notes, 0px))}
[class*="st-key-strip-story-kept"], [class*="st-key-strip-story-kept"] > div:has(.stPlotlyChart),
[class*="st-key-strip-story-shares"],
[class*="st-key-strip-story-shares"] > div:has(.stPlotlyChart) {
  height: max(300px, 100vh - max(19.2rem, 20vw) - var(--notes, 0px))}
[class*="st-key-strip-story-arms"], [class*="st-key-strip-story-arms"] > div:has(.stPlotlyChart) {
  height: max(300px, 100vh - max(24.8rem, 25.4vw) - var(--notes, 0px))}
</style>"""
"""Type that is read on a projector, in charts too: they grow with the window, as words do."""

SWIPE = """<script>
if (!window.storySwipe) {
  window.storySwipe = true
  let from = null
  addEventListener("touchstart", e => {
    const own = e.target.closest(".js-plotly-plot, [data-testid=stSlider], input, textarea")
    from = e.touches.length === 1 && !own ? e.touches[0] : null
  }, {passive: true})
  addEventListener("touchend", e => {
    if (!from) return
    const x = e.changedTouches[0].clientX - from.clientX
    const y = e.changedTouches[0].clientY - from.clientY
    if (Math.abs(x) < 60 || Math.abs(x) < 2 * Math.abs(y)) return
    document.querySelector(`.st-key-story-${x < 0 ? "Next" : "Back"} button:enabled`)?.click()
  })
  const pressed = {ArrowLeft: "Back", ArrowRight: "Next", Escape: "leave", n: "notes", t: "timer"}
  addEventListener("click", e => {
    const name = e.target.closest("[class*=st-key-strip-story-map] .annotation")
    if (name) document.querySelector(`.st-key-story-name-${name.dataset.index} button`)?.click()
  }, true)
  addEventListener("keydown", e => {
    if (!e.target.matches("input[type=checkbox]") || !(e.key in pressed)) return
    document.querySelector(`.st-key-story-${pressed[e.key]} button:enabled`)?.click()
  }, true)
}
</script>"""
"""A swipe presses Next or Back; what is drawn or typed in keeps its own gestures. A switch that was
just turned holds the focus, and Streamlit's own shortcuts do not reach past an input: these do.
A click on a name of the map, which Streamlit does not tell of, presses the name's hidden button."""


class Step(NamedTuple):
    """A step of the story."""

    title: str
    words: str
    """In plain words."""
    term: str
    """The field's word for it."""
    draw: Callable[..., None]
    notes: str
    """For the speaker."""


STEPS = (
    Step(
        "The bill",
        "What it takes to train on everything, and on a small part.",
        "data selection",
        bill.draw,
        "Say what the data is and who pays for the training. The question: is a part enough?",
    ),
    Step(
        "What the small model noticed",
        "A small model learns everything once; we watch how hard each example is for it.",
        "loss trajectories of a proxy",
        noticed.draw,
        "Press Play. Some examples are learned at once, some late, some never: a fingerprint.",
    ),
    Step(
        "Kinds of examples",
        "Examples that are learned alike lie together.",
        "k-means clusters of loss trajectories",
        kinds.draw,
        "Pick two clusters and read an example of each. Islands on the map are no proof.",
    ),
    Step(
        "What we keep",
        "The same number of every kind, so that rare kinds stay.",
        "equal quotas (S2L, Algorithm 1)",
        steps.keep,
        "Move the slider. Large kinds are thinned first; small ones are kept whole.",
    ),
    Step(
        "Was it as good?",
        "The same model, the same steps, other examples: chance is the one to beat.",
        "controlled comparison",
        steps.outcome,
        "Read the sentence as it stands. Where it says 'not evidence', say so, and what would be.",
    ),
)


def present(usable: list[Entry]) -> None:
    """Show the story of the newest project, at the step of the address."""
    st.html(STYLE)
    st.html(SWIPE, unsafe_allow_javascript=True)
    project = newest(usable)
    at = _step()
    if project is None:
        with lacking.box("slideshow", "There is nothing to present yet: there is no dataset."):
            _leave()
        return
    step = STEPS[at]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(f"{at + 1} · {step.title}", anchor=False, width="stretch")
        private = is_private(project.dataset)
        masked = private | st.toggle(
            "Hide texts",
            value=True,
            key="story:masked",
            persist_state="session",
            disabled=private,
            help="This dataset is private: its texts are never shown here" if private else None,
        )
        notes = _switch("Notes", "n")
        _timer()
        _move("Back", at - 1, "Left", disabled=at == 0)
        _move("Next", at + 1, "Right", disabled=at == len(STEPS) - 1)
        if at == len(STEPS) - 1:
            report.offer(last(project), "story:report")
        _leave()
    st.markdown(f"{step.words}  \n:small[:gray[In the field's words: {step.term}]]")
    if notes:
        with st.container(key="story-speaker"):
            st.info(step.notes, icon=":material/speaker_notes:")
    step.draw(project, masked=masked)


def _step() -> int:
    """Return the step of the address, from 0; anything else is the first."""
    text = st.query_params.get("step", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 1
    return min(max(number, 1), len(STEPS)) - 1


def _move(label: str, to: int, key: str, *, disabled: bool) -> None:
    def go() -> None:
        st.query_params["step"] = str(to + 1)

    st.button(label, on_click=go, shortcut=key, disabled=disabled, key=f"story:{label}")


def _leave() -> None:
    def leave() -> None:
        for name in ("present", "step"):
            st.query_params.pop(name, None)

    st.button("Leave", on_click=leave, shortcut="Escape", key="story:leave")


def _switch(label: str, key: str) -> bool:
    """Show a button that a key presses too; return whether it is on."""
    name = f"story:{label.lower()}"
    on = bool(st.session_state.get(f"{name}:on"))

    def turn() -> None:
        st.session_state[f"{name}:on"] = not on

    words = f"{label}: on" if on else label
    st.button(words, on_click=turn, shortcut=key, key=name, type="tertiary")
    return on


@st.fragment(run_every=1.0)
def _clock(began: float) -> None:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    st.text(f"{minutes}:{seconds:02d}")


def _timer() -> None:
    """Count the minutes from when it was switched on."""
    if not _switch("Timer", "t"):
        st.session_state.pop("story:began", None)
        return
    _clock(st.session_state.setdefault("story:began", time.monotonic()))


def requested() -> bool:
    """Return whether the address asks for the story."""
    return st.query_params.get("present") == "1"


def offer() -> None:
    """Offer the story, on the home page."""

    def start() -> None:
        st.query_params["present"] = "1"

    st.button("Present", icon=":material/slideshow:", on_click=start, key="story:start")
