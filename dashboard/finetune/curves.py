"""What a run's files say of its way, finished or not."""

from __future__ import annotations

import collections
import pathlib

import pandas as pd
import streamlit as st

from core.training.reporting import load_metrics
from core.training.watch import load_looks
from dashboard.escape import one_line
from dashboard.frame import state

NUMBERS = ("step", "loss", "lr", "grad_norm", "tokens/s", "memory", "tokens", "seconds", "held_out")


def read(folder: pathlib.Path) -> pd.DataFrame:
    """Return a line a logged step with the NUMBERS there are; a look that has no line has one."""
    frame = pd.DataFrame(load_metrics(folder))
    frame = frame.reindex(columns=list(NUMBERS)).astype(float)
    seen = {float(look["step"]): look.get("loss") for look in load_looks(folder)}
    if not seen:
        return frame.dropna(axis=1, how="all").reindex(columns=_kept(frame))
    missing = [step for step in seen if step not in set(frame["step"])]
    frame = pd.concat([frame, pd.DataFrame({"step": missing})]).sort_values("step")
    frame["held_out"] = frame["held_out"].fillna(frame["step"].map(seen).astype(float))
    return frame.reindex(columns=_kept(frame)).reset_index(drop=True)


def short_names(names: dict[str, str]) -> dict[str, str]:
    """Return what tells runs drawn together apart: the words that all begin with are left out.

    Args:
        names: Id -> name; runs of one name are told apart by the end of their ids.
    """
    words = {id: name.split(" ") for id, name in names.items()}
    same = 0
    while len(words) > 1 and len({tuple(w[: same + 1]) for w in words.values()}) == 1:
        if any(len(w) <= same + 1 for w in words.values()):
            break
        same += 1
    short = {id: " ".join(w[same:]).lstrip("·→ ") for id, w in words.items()}
    counts = collections.Counter(short.values())
    return {
        id: name if counts[name] == 1 else f"{one_line(name, 20)} {id[-4:]}"
        for id, name in short.items()
    }


def _kept(frame: pd.DataFrame) -> list[str]:
    always = ("step", "loss", "held_out")
    return [c for c in NUMBERS if c in always or frame[c].notna().any()]


@st.cache_data(max_entries=32, show_spinner=False)
def of_sealed(id: str) -> pd.DataFrame:
    """Return the curves of a finished fine-tune."""
    return read(state.workspace().find(id))
