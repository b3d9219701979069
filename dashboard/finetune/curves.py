"""What a run's files say of its way, finished or not."""

from __future__ import annotations

import pathlib

import pandas as pd
import streamlit as st

from core.training.reporting import load_metrics
from core.training.watch import load_looks
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


def _kept(frame: pd.DataFrame) -> list[str]:
    always = ("step", "loss", "held_out")
    return [c for c in NUMBERS if c in always or frame[c].notna().any()]


@st.cache_data(max_entries=32, show_spinner=False)
def of_sealed(id: str) -> pd.DataFrame:
    """Return the curves of a finished fine-tune."""
    return read(state.workspace().find(id))
