"""What a run's files say of its way, finished or not."""

from __future__ import annotations

import pathlib
from typing import Any

import pandas as pd
import streamlit as st

from core.workspace.files import read_jsonl
from dashboard.frame import state

LOOKS = "looks.jsonl"
"""Of each look at the model on the way: step, loss (held out), answers to fixed prompts."""
NUMBERS = ("step", "loss", "lr", "grad_norm", "tokens/s", "memory", "tokens", "seconds", "held_out")


def read(folder: pathlib.Path) -> pd.DataFrame:
    """Return a line a logged step with the NUMBERS there are; a look that has no line has one."""
    frame = pd.DataFrame(list(read_jsonl(folder / "metrics.jsonl")))
    frame = frame.reindex(columns=list(NUMBERS)).astype(float)
    seen = {float(look["step"]): look.get("loss") for look in looks(folder)}
    if not seen:
        return frame.dropna(axis=1, how="all").reindex(columns=_kept(frame))
    missing = [step for step in seen if step not in set(frame["step"])]
    frame = pd.concat([frame, pd.DataFrame({"step": missing})]).sort_values("step")
    frame["held_out"] = frame["held_out"].fillna(frame["step"].map(seen).astype(float))
    return frame.reindex(columns=_kept(frame)).reset_index(drop=True)


def _kept(frame: pd.DataFrame) -> list[str]:
    always = ("step", "loss", "held_out")
    return [c for c in NUMBERS if c in always or frame[c].notna().any()]


def looks(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Return what was seen on the way, in order; nothing of runs that were not looked at."""
    return [look for look in read_jsonl(folder / LOOKS) if isinstance(look.get("step"), int)]


@st.cache_data(max_entries=32, show_spinner=False)
def of_sealed(id: str) -> pd.DataFrame:
    """Return the curves of a finished fine-tune."""
    return read(state.workspace().find(id))
