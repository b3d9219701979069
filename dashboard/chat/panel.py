"""Talk to a fine-tune: side by side with its base and others, or blind, to vote."""

from __future__ import annotations

import streamlit as st

from core import chat
from core.workspace.artifact import Artifact
from dashboard.chat import prompts, vote
from dashboard.chat.conversation import Round, redraw, rounds, stream
from dashboard.escape import plain
from dashboard.frame import forms, reader, state

FORM = "chat"
MOST = 4
WAYS = ("Side by side", "Blind vote")


def draw(made: Artifact) -> None:
    """Show the chat; it redraws itself, not the page."""
    st.fragment(_draw)(made)


def _draw(made: Artifact) -> None:
    names = titles(made)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = st.segmented_control(
            "How", WAYS, default=WAYS[0], key="chat:way", required=True, persist_state="session"
        )
        keys = _ask_models(made, names) if way == WAYS[0] else vote.ask_pair(made, names)
        with st.popover("Temperature, length, seed", icon=":material/tune:"):
            sampling = forms.form(chat.Sampling, FORM, fixed={})
    for job in chat.busy(state.workspace())[:1]:
        st.caption(
            f":material/schedule: {plain(job.title)} is running on {plain(job.device)}: answers "
            "take longer meanwhile, and the memory is shared with it."
        )
    if sampling is None or not keys:
        return
    if way == WAYS[1]:
        vote.draw(made, keys, sampling)
        return
    asked = rounds(made.id)
    for one in asked:
        _show(one, keys, names)
    now = _new_round(made, sampling)
    if now is not None:
        asked.append(now)
        _answer(asked[:-1], now, keys, names, sampling)
    if asked and st.button("New conversation", icon=":material/restart_alt:", type="tertiary"):
        asked.clear()
        redraw()


def titles(made: Artifact) -> dict[str, str]:
    """Name all that can be asked: this run, its base, then the other fine-tunes, newest first."""
    workspace = state.workspace()
    base = chat.base_of(made)
    names = {base: chat.title(chat.of(workspace, base)), made.id: f"this run: {made.name}"}
    others = {e.id: e.name for e in state.sealed("finetune")[:50] if e.id != made.id}
    return names | state.distinct(others)


def _ask_models(made: Artifact, names: dict[str, str]) -> list[str]:
    return st.multiselect(
        "Who answers",
        list(names),
        default=[chat.base_of(made), made.id],
        max_selections=MOST,
        format_func=names.__getitem__,
        key=f"chat:who:{made.id}",
        width=520,
    )


def _new_round(made: Artifact, sampling: chat.Sampling) -> Round | None:
    """Ask for a prompt of one's own, or one of the test set."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        own = st.chat_input("Ask all of them", key=f"chat:own:{made.id}")
        test = st.button("A question of the test set", icon=":material/quiz:")
    if own:
        return Round([{"role": "user", "content": own}], "", sampling.seed)
    if test:
        now = prompts.next_question(made, sampling.seed)
        if now is None:
            st.info("This fine-tune's test set has no question to ask.")
        return now
    return None


def _answer(
    before: list[Round], now: Round, keys: list[str], names: dict[str, str], sampling: chat.Sampling
) -> None:
    _asked(now)
    st.button("Stop", icon=":material/stop:", key="chat:stop")  # any click ends the answer
    columns = st.columns(len(keys))
    for column, key in zip(columns, keys, strict=True):
        column.caption(plain(names[key]))
    places = [column.empty() for column in columns]
    for key, place in zip(keys, places, strict=True):
        stream(before, now, key, sampling, place)
    redraw()


def _show(one: Round, keys: list[str], names: dict[str, str]) -> None:
    _asked(one)
    for column, key in zip(st.columns(len(keys)), keys, strict=True):
        column.caption(plain(names[key]))
        if key not in one.answers:
            column.caption("Was not asked this.")
            continue
        column.code(reader.said(one.answers[key]), language=None, wrap_lines=True)
        column.caption(plain(one.notes[key]))


def _asked(one: Round) -> None:
    with st.chat_message("user"):
        st.text(reader.cut(one.prompt))
        if one.gold:
            with st.expander("The answer that the test expects"):
                st.code(reader.cut(one.gold), language=None, wrap_lines=True)
