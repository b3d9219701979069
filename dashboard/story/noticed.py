"""Step 2: what the small model noticed, replayed, with three examples followed by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Float32s, Ints
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.artifact import Artifact
from dashboard.charts.replay import COLOURS, replay
from dashboard.escape import plain
from dashboard.frame import data
from dashboard.story import screen, texts
from dashboard.story.project import Project

FOLLOWED = ("learned at once", "learned late", "never learned")


def followed(losses: Float32s, start: bool) -> Ints:
    """Return three rows to follow: learned at once, late, and never; -1 for none.

    At once: the lowest loss at the first recording after training began, of those that end low.
    Late: the largest fall in the second half. Never: the highest loss at the end.

    Args:
        losses: Nats per response token (n_rows, n_checkpoints), NaN where not measured.
        start: Whether the first recording is from before training.
    """
    measured = np.isfinite(losses).all(1)
    if losses.shape[1] < 2 + start or not measured.any():
        return np.array([-1, -1, -1])
    low = measured & (losses[:, -1] <= np.nanmedian(losses[measured, -1]))
    first, middle = losses[:, int(start)], losses[:, losses.shape[1] // 2]
    at_once = int(np.argmin(np.where(low, first, np.inf)))
    late = int(np.argmax(np.where(low, middle - losses[:, -1], -np.inf)))
    never = int(np.argmax(np.where(measured, losses[:, -1], -np.inf)))
    return np.array([at_once, late, never])


@st.cache_data(max_entries=6, show_spinner=False)
def _followed(id: str) -> Ints:
    return followed(data.losses(id), data.steps(id)[0] == 0)


def draw(project: Project, *, masked: bool) -> None:
    """Replay the recordings; below it the three examples that are followed."""
    trajectories = project.trajectories
    if trajectories is None:
        st.info("Nothing is recorded yet: train a proxy on the Trajectories page.")
        return
    quantiles, sample = data.overview(trajectories.id)
    rows = _followed(trajectories.id)
    losses = data.losses(trajectories.id)
    named = {w: np.asarray(losses[r]) for w, r in zip(FOLLOWED, rows, strict=True) if r >= 0}
    figure = replay(data.steps(trajectories.id), quantiles, sample, named)
    left, right = st.columns([1.9, 1])
    with left:
        screen.chart(figure, "replay", said(quantiles, named))
    with right:
        _examples(project.dataset, dict(zip(FOLLOWED, rows.tolist(), strict=True)), masked=masked)
    s = trajectories.summary_as(TrajectoriesSummary)
    st.caption(
        f"{s['measured']:,} examples, {s['checkpoints']:,} recordings of a model of "
        f"{_parameters(trajectories)} parameters; grey: {len(sample)} of them drawn at "
        f"random, and dashed the middle of all. {plain(trajectories.id)}."
    )


def said(quantiles: pd.DataFrame, named: dict[str, Float32s]) -> str:
    """Say in words what the picture shows: where the middle and each named example end."""
    middle = quantiles["q50"]
    ends = "; ".join(f"{words} ends at {values[-1]:.2f}" for words, values in named.items())
    return (
        f"Loss of {len(named)} followed examples and of the middle one over {len(middle)} "
        f"recordings: the middle falls from {middle.iloc[0]:.2f} to {middle.iloc[-1]:.2f} nats"
        + (f"; {ends}" if ends else "")
    )


def _parameters(trajectories: Artifact) -> str:
    n = trajectories.summary_as(TrajectoriesSummary).get("parameters")
    return f"{n / 1e6:.1f} million" if n else "unknown"


def _examples(dataset: Artifact, rows: dict[str, int], *, masked: bool) -> None:
    known = {words: row for words, row in rows.items() if row >= 0}
    if not known:
        return
    examples = data.examples(dataset.id, list(known.values()), "row, prompt, response")
    for colour, (words, row) in zip(COLOURS, known.items(), strict=False):
        dot = f'<span style="color: {colour}">●</span>'
        st.html(f"<strong>{dot} {words}</strong>")
        texts.draw(examples.loc[row], words, masked=masked, longest=200, lines=5)
