"""Jobs on a page: launch one, watch it, stop it. A job lives without this server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core import jobs
from core.errors import InputError
from core.jobs import devices
from core.jobs.progress import duration
from core.jobs.record import Job
from core.settings import specs, to_argv
from core.workspace.artifact import Kind
from core.workspace.store import Workspace
from dashboard.escape import plain
from dashboard.frame import access, state
from dashboard.frame.page_words import plain_words, said

STATES = {
    "queued": ("Waiting", ":material/hourglass_empty:"),
    "running": ("Running", ":material/play_circle:"),
    "stopping": ("Stopping: finishing the step and saving", ":material/pause_circle:"),
    "done": ("Done", ":material/check_circle:"),
    "failed": ("Failed", ":material/error:"),
    "stopped": ("Stopped", ":material/stop_circle:"),
    "lost": ("Lost: its process is gone", ":material/help:"),
}
PROBLEM = "job_card:problem"
"""In the session: why something was not deleted, to be said once."""
BEGUN = "job_card:begun"
AGAIN = "Try again"
"""What going on with a failed run is called."""
MAIN_STAGES = ("train proxy", "train target")


def launch(
    noun: str, settings: Any, title: str, form: str, *flags: str, device: str = devices.AUTO
) -> str:
    """Start what the command line would start; the form's nonce keeps a double click single.

    All that the settings name must be what a page may name. The device is chosen by itself: that
    with the fewest jobs, where none is given.
    """
    try:
        argv = [noun, *to_argv(access.checked(settings)), *flags]
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        st.stop()
    key = f"{form}:{state.nonce(form)}:{' '.join(argv)}"
    try:
        if device == devices.AUTO:
            device = jobs.device_for(jobs.jobs(state.workspace()), noun, settings)
        id = jobs.submit(state.workspace(), argv, title=title, device=device, key=key)
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        st.stop()
    except OSError as e:
        st.error(f"The job could not be started: {plain_words(e)}", icon=":material/error:")
        st.stop()
    state.spend(form)
    st.session_state[BEGUN] = True
    return id


def just_begun() -> bool:
    """Return, once, whether a job was just launched: its card is to come into view."""
    return bool(st.session_state.pop(BEGUN, False))


def command(noun: str, settings: Any) -> None:
    """Show the command that does the same in a terminal."""
    with st.popover("Command line", icon=":material/terminal:", type="tertiary"):
        st.caption("The button starts exactly this; it can be run in a terminal as well.")
        st.code(
            jobs.command(state.workspace(), [noun, *to_argv(settings)]),
            language="bash",
            wrap_lines=True,
        )


def arrive(job: Job | None, kind: Kind) -> None:
    """Turn the page to what a job has made, once, if this browser saw the job at work.

    A link that names something older is left alone.
    """
    key = f"watched:{kind}"
    if job is not None and job.state in jobs.ACTIVE:
        st.session_state[key] = job.id
    elif job is not None and job.state == "done" and st.session_state.get(key) == job.id:
        del st.session_state[key]
        st.query_params[kind] = job.result
        st.rerun()


def card(job: Job) -> None:
    """Show a job: what it does, how far it is, what can be done; redraws itself while it runs."""
    if problem := st.session_state.pop(PROBLEM, ""):
        st.error(plain_words(problem), icon=":material/error:")
    every = 1.0 if job.state in jobs.ACTIVE else None
    _card(job.id, every)


def _card(id: str, every: float | None) -> None:
    st.fragment(_card_body, run_every=every)(id, every is not None)


def _card_body(id: str, was_active: bool) -> None:
    try:
        job = jobs.status(state.workspace(), id)
    except InputError:
        st.info("This job's record was deleted.")
        return
    if was_active and job.state not in jobs.ACTIVE:
        st.rerun()  # the page shows the result
    words, icon = STATES[job.state]
    with st.container(border=True):
        if job.state in jobs.ACTIVE:
            _active(job, words)
        else:
            ended(job, words, icon)
        with st.expander("Log", icon=":material/notes:"):
            st.code(
                jobs.log_tail(state.workspace(), id, 60) or "(nothing yet)",
                language=None,
                wrap_lines=True,
                height=260,
            )


def _active(job: Job, words: str) -> None:
    left, right = st.columns([4, 1.2], vertical_alignment="center")
    if job.state == "queued":
        ahead = f"; {job.ahead:,} before it" if job.ahead else ""
        left.progress(0.0, text=f"{plain(job.title)}  \n{words}{ahead}")
    else:
        share, text = headline(job)
        left.progress(share, text=f"{plain(job.title)}  \n{text}")
    if job.message:
        left.warning(plain_words(job.message), icon=":material/help:")
    right.button(
        "Stop",
        key=f"stop:{job.id}",
        icon=":material/stop:",
        disabled=job.state == "stopping",
        help="Finish the step, save, and end; it can be resumed",
        on_click=jobs.stop,
        args=(state.workspace(), job.id),
        width="stretch",
    )


def headline(job: Job) -> tuple[float, str]:
    """Return how far a job is (0 to 1) and a line about it."""
    last: dict[str, dict[str, Any]] = {}
    newest: dict[str, Any] = {}
    for newest in jobs.recent_progress(state.workspace(), job.id):
        last[newest["stage"]] = newest
    if not last:
        return 0.0, "starting (loading the libraries takes some seconds)"
    main = next(
        (last[s] for s in MAIN_STAGES if s in last and newest["stage"].startswith(("record", s))),
        newest,
    )
    parts = [f"{plain(main['stage'])}: {main['step']:,} of {main['total']:,}"]
    if (
        isinstance(main.get("loss"), int | float) and newest is main
    ):  # else it stands still, and the line gets too long
        parts.append(f"loss {main['loss']:.3f}")
    if job.message:
        parts.append("not responding")
    elif main.get("left"):
        parts.append(f"about {duration(main['left'])} left")
    if newest is not main:
        parts.append(f"{plain(newest['stage'])}, {newest['step'] / max(1, newest['total']):.0%}")
    return max(0.0, min(1.0, main["step"] / max(1, main["total"]))), " · ".join(parts)


def ended(job: Job, words: str, icon: str) -> None:
    """Say how a job ended and what to do now."""
    took = "" if job.seconds is None else duration(job.seconds)
    how = f"{plain(words.partition(':')[0])}{f' after {took}' if took else ''}"
    line = f"{how} · {plain(job.title)}"
    if job.state == "done":
        st.success(line, icon=icon)
        return
    show = st.warning if job.state == "stopped" else st.error
    known = jobs.FAILURES.get(job.failure)
    why = plain_words(job.message)
    if job.state == "failed":  # perhaps before there was anything to go on with
        why = why.replace("“Resume”", f"“{AGAIN}”")
    if known is None:
        show(f"{line}  \n{why}", icon=icon)
    else:
        why += f"  \n{known.cause} {plain_words(known.remedy)}"
        show(f"**{known.title}** · {line}  \n{why}", icon=icon)
    if jobs.can_resume(job):
        _go_on(job, known is not None)
    elif st.button(
        "Discard",
        icon=":material/delete:",
        key=f"discard:{job.id}",
        help="Delete this record: there is nothing to go on with",
    ):
        discard(job)
        st.rerun(scope="app")


def _go_on(job: Job, known: bool) -> None:
    """Offer the ways on from a run that did not end well, the likeliest first."""
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        step = jobs.saved_step(state.workspace(), job.id)
        failed = job.state == "failed"
        label = AGAIN if failed else f"Resume from step {step:,}" if step else "Resume"
        mend = jobs.fixed(job) if known else None
        changes = _changes(job, mend)
        mended = changes and st.button(
            "Retry with the fix",
            icon=":material/build:",
            key=f"fix:{job.id}",
            type="primary",
            help=f"Starts it with {plain(changes)}",
        )
        resumed = st.button(
            label,
            icon=":material/resume:",
            key=f"resume:{job.id}",
            help="From the last saved checkpoint" + (", if there is one" if failed else ""),
        )
        dropped = st.button(
            "Discard",
            icon=":material/delete:",
            key=f"discard:{job.id}",
            help="Delete what it has made so far, and this record",
        )
        if changes:
            st.caption(f"The fix: {plain(changes)}")
    if mended or resumed:
        place.info("Starting it again", icon=":material/hourglass_top:")
        again = (mend, jobs.retry) if mended else (jobs.settings_of(job), jobs.resume)
        _start_again(job, *again)
    if dropped:
        discard(job)
    if mended or resumed or dropped:
        st.rerun(scope="app")  # not on_click: it would redraw this card, of the old job, alone


def _changes(job: Job, mend: Any) -> str:
    """Say which settings differ in the run that mends a failure."""
    asked = jobs.settings_of(job)
    if mend is None or asked is None:
        return ""
    differ = [s for s in specs(type(asked)) if getattr(mend, s.name) != getattr(asked, s.name)]
    return ", ".join(f"{s.label.lower()} {_value(getattr(mend, s.name))}" for s in differ)


def _value(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def discard(job: Job) -> None:
    """Delete what a run has made so far; one at work is stopped first, by who looks after it."""
    try:
        if job.state in jobs.ACTIVE:
            jobs.stop(state.workspace(), job.id, discard=True)
        else:
            jobs.discard(state.workspace(), job.id)
    except (InputError, OSError) as e:
        st.session_state[PROBLEM] = said(e)


def _start_again(job: Job, settings: Any, how: Callable[[Workspace, str], str]) -> None:
    try:
        access.checked(settings, again=True)
        how(state.workspace(), job.id)
    except (InputError, OSError) as e:
        st.error(plain_words(e), icon=":material/error:")
        st.stop()
