"""What was asked and answered so far, for one fine-tune in one browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import chat
from core.errors import InputError
from core.model.conversation import Turn
from core.workspace.store import Workspace
from dashboard.frame import state

ENDED = {
    "length": "ended at the longest answer",
    "next turn": "ran on to a next turn, which is cut off",
    "stopped": "stopped",
}


@dataclasses.dataclass
class Round:
    """One thing that was asked, and who said what to it."""

    turns: list[Turn]
    """What stands before the answers: a person's turn, or more of a test row."""
    gold: str
    """The answer that a test row expects; empty for a person's own words."""
    seed: int
    answers: dict[str, str] = dataclasses.field(default_factory=dict)
    """Who, by key -> text, as far as it was written."""
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    """Who -> how the answer ended, what it took, or what went wrong."""

    @property
    def prompt(self) -> str:
        return str(self.turns[-1]["content"])


def rounds(id: str) -> list[Round]:
    """Return the rounds so far with a fine-tune, to be added to."""
    kept: list[Round] = st.session_state.setdefault(f"chat:rounds:{id}", [])
    return kept


def talk_of(before: list[Round], now: Round, key: str) -> list[Turn]:
    """Return the conversation as one model had it: what it did not answer it never saw."""
    turns: list[Turn] = []
    for one in before:
        if key in one.answers:
            turns += [*one.turns, {"role": "assistant", "content": one.answers[key]}]
    return [*turns, *now.turns]


def redraw() -> NoReturn:
    """Draw the chat anew: it alone, where it alone was drawn."""
    context = get_script_run_ctx()
    alone = context is not None and context.fragment_ids_this_run
    st.rerun(scope="fragment" if alone else "app")


@st.cache_resource(show_spinner=False)
def _talker(root: str) -> chat.Talker:
    return chat.Talker(Workspace(root))


def stream(before: list[Round], now: Round, key: str, sampling: chat.Sampling, place: Any) -> None:
    """Let a model answer, and show the words as they come; what was written so far is kept."""
    now.answers[key] = ""
    now.notes[key] = ENDED["stopped"]
    place.caption("…")
    for event in _events(now, key, talk_of(before, now, key), sampling):
        if event.kind == "load":
            place.caption("Loading the model…")
        elif event.kind == "text":
            now.answers[key] += event.facts["text"]
            place.code(now.answers[key], language=None, wrap_lines=True)
        elif event.kind == "end":
            said = event.facts
            now.answers[key] = said["text"]
            notes = [
                ENDED.get(said["ended"], ""),
                f"{said['tokens']:,} token{'s' if said['tokens'] != 1 else ''}",
            ]
            notes.append(f"{said['seconds']:.1f} s")
            if said["cut"]:
                notes.append(f"the first {said['cut']:,} tokens of the prompt found no place")
            now.notes[key] = " · ".join(t for t in notes if t)


def _events(
    now: Round, key: str, talk: list[Turn], sampling: chat.Sampling
) -> Iterator[chat.Event]:
    asker = _talker(str(state.workspace().root))
    try:
        yield from asker.ask(key, talk, sampling)
    except InputError as e:
        now.notes[key] = str(e)
