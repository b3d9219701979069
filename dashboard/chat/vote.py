"""The blind vote: two answers without names, in an order drawn for each prompt."""

from __future__ import annotations

import hashlib

import streamlit as st

from core import chat
from core.chat.votes import Choice, VoteSummary
from core.errors import InputError
from core.workspace.artifact import Artifact
from dashboard.chat import prompts
from dashboard.chat.conversation import Round, redraw, stream
from dashboard.escape import plain
from dashboard.frame import reader, state, widgets
from dashboard.frame.page_words import plain_words

CHOICES: dict[Choice, str] = {
    "first": "The first is better",
    "tie": "Equally good",
    "second": "The second is better",
}


def ask_pair(made: Artifact, names: dict[str, str]) -> list[str]:
    """Ask whom to compare this run with; its own place is drawn."""
    others = [key for key in names if key != made.id]
    other = st.selectbox(
        "Against", others, format_func=names.__getitem__, key=f"chat:against:{made.id}", width=320
    )
    return [made.id, other] if other else []


def draw(made: Artifact, keys: list[str], sampling: chat.Sampling) -> None:
    """Ask a prompt, show two answers, take a vote."""
    tally = chat.Tally(state.workspace(), keys[0], keys[1], sampling, fresh=state.user())
    place = f"chat:vote:{made.id}:{keys[1]}"
    one: Round | None = st.session_state.get(place)
    st.caption(
        "Two answers, without names and in an order that is drawn for each prompt. The names and "
        "the count are shown when the vote ends, and kept with every prompt, answer and vote."
    )
    if one is None:
        one = _ask(made, sampling)
        if one is not None:
            st.session_state[place] = one
            _answer(one, keys, sampling)
    else:
        _judge(tally, one, keys, place)
    _end(tally, made)


def is_swapped(prompt: str, seed: int) -> bool:
    """Draw whether the other's answer stands first: by the prompt, so that it stays so."""
    return hashlib.sha256(f"{seed} {prompt}".encode()).digest()[0] % 2 == 1


def _order(one: Round, keys: list[str]) -> list[str]:
    return keys[::-1] if is_swapped(one.prompt, one.seed) else keys


def _ask(made: Artifact, sampling: chat.Sampling) -> Round | None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        own = st.chat_input("Ask both", key=f"chat:both:{made.id}")
        test = st.button("A question of the test set", icon=":material/quiz:", key="chat:vote:test")
    if own:
        return Round([{"role": "user", "content": own}], "", sampling.seed)
    return prompts.next_question(made, sampling.seed) if test else None


def _answer(one: Round, keys: list[str], sampling: chat.Sampling) -> None:
    with st.chat_message("user"):
        st.text(reader.cut(one.prompt))
    columns = st.columns(2)
    for column, title in zip(columns, ("First", "Second"), strict=True):
        column.caption(title)
    places = [column.empty() for column in columns]
    for key, box in zip(_order(one, keys), places, strict=True):
        stream([], one, key, sampling, box)
    redraw()


def _judge(tally: chat.Tally, one: Round, keys: list[str], place: str) -> None:
    order = _order(one, keys)
    with st.chat_message("user"):
        st.text(reader.cut(one.prompt))
        if one.gold:
            with st.expander("The answer that the test expects"):
                st.code(reader.cut(one.gold), language=None, wrap_lines=True)
    for column, key, title in zip(st.columns(2), order, ("First", "Second"), strict=True):
        column.caption(title)
        text = one.answers.get(key, "")
        column.code(reader.said(text), language=None, wrap_lines=True)
    if any(not one.answers.get(key) and key not in one.answers for key in keys):
        st.warning("Both must have answered to be compared; ask again.")
    with st.container(horizontal=True):
        for choice, words in CHOICES.items():
            if st.button(words, key=f"chat:choice:{choice}"):
                _keep(tally, one, order, choice, swapped=order != keys)
                del st.session_state[place]
                redraw()
        if st.button("Skip", key="chat:choice:skip", type="tertiary"):
            del st.session_state[place]
            redraw()


def _keep(
    tally: chat.Tally, one: Round, order: list[str], choice: Choice, *, swapped: bool
) -> None:
    answers = (one.answers.get(order[0], ""), one.answers.get(order[1], ""))
    try:
        tally.add(one.prompt, answers, choice, swapped=swapped, seed=one.seed, user=state.user())
    except (InputError, OSError) as e:
        st.error(f"The vote could not be kept: {plain_words(e)}", icon=":material/error:")
        st.stop()


def _end(tally: chat.Tally, made: Artifact) -> None:
    n = tally.count()
    if n:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{n:,} prompt{'s' if n != 1 else ''} judged so far.")
            if st.button("End the vote and show the names", icon=":material/visibility:"):
                tally.seal()
                redraw()
    for entry in state.workspace().made_from(made.id, "vote")[:5]:
        _result(entry.summary_as(VoteSummary))


def _result(s: VoteSummary) -> None:
    """Say a sealed tally: who won how often, of how many, and how sure that is."""
    with st.container(border=True):
        st.markdown(f"**{plain(s['model'])}** against **{plain(s['other'])}**")
        if s["rate"] is None or s["low"] is None or s["high"] is None:
            st.caption(f"{s['votes']:,} votes, all of them ties.")
            return
        decided = s["wins"] + s["losses"]
        widgets.facts(
            ("Win rate", f"{s['rate']:.0%} ({s['wins']:,} of {decided:,})"),
            ("95% interval", f"{s['low']:.0%} to {s['high']:.0%}"),
            ("Sign test", f"p = {s['p']:.2g}"),
            ("Ties", f"{s['ties']:,} of {s['votes']:,}"),
        )
        sure = "Which is better is not settled: the interval holds 50%."
        if not s["low"] <= 0.5 <= s["high"]:
            sure = (
                "People prefer the first named."
                if s["rate"] > 0.5
                else ("People prefer the other.")
            )
        st.caption(f"{sure} The answer shown first won {s['first_won']:,} of {s['votes']:,} votes.")
