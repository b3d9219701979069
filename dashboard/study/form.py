"""What is compared: arms as chips, data sizes, seeds and the target, and what it will take."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd
import streamlit as st

from core import study
from core.dataset.artifact import DatasetSummary
from core.errors import InputError
from core.jobs.progress import duration
from core.selection.pool import NO_SOURCE
from core.selection.strategies.catalog import STRATEGIES
from core.study import arms, plan, time_estimate
from core.study.settings import epochs_of
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.finetune import test_set
from dashboard.frame import data, forms, state
from dashboard.frame.page_words import plain_words
from dashboard.study import saved_arms

FORM = "study"
DEFAULT = ("s2l", "random", "random_per_source", "full")
TUCKED = ("budgets", "method", "steps", "equal", "tests")
"""Settings that few change."""
USUAL = ("s2l", "s2l_per_source", "random", "random_per_source", "full")
"""Arms that stand first; the others are below them."""


class StudyForecast(NamedTuple):
    """What a study will take."""

    runs: pd.DataFrame
    """arm, seed, budget, exists."""
    seconds: float
    """Of those that are new; NaN where no run of this target was measured."""
    length: str
    """Of one training of any arm."""


def ask(clusters: Artifact) -> study.Settings | None:
    """Draw the form and return its settings; None, with a sentence, where they are wrong."""
    fixed = {
        "clusters": clusters.id,
        "strategies": ",".join(_chips(clusters)),
        "selections": saved_arms.saved(clusters),
        "clusterings": saved_arms.clusterings(clusters),
    }
    if not fixed["strategies"]:
        st.error("Choose at least one arm: S2L and random, for example.", icon=":material/error:")
        return None
    dataset = clusters.ancestor("dataset")
    return forms.form(
        study.Settings,
        FORM,
        fixed=fixed,
        tucked=TUCKED,
        asked={"eval": lambda spec, key: test_set.pick(spec, key, dataset)},
    )


def _chips(clusters: Artifact) -> list[str]:
    """Let strategies be picked, each with its sentence; return those picked, in their order."""
    dataset = clusters.ancestor("dataset")
    sources = list(dataset.summary_as(DatasetSummary)["sources"]) != [NO_SOURCE]
    offered = [
        name
        for name, row in STRATEGIES.items()
        if (sources or not row.sources) and not row.scores and not row.queries
    ]
    chosen = _pills("Arms", [name for name in offered if name in USUAL], "arms", DEFAULT)
    with st.expander("More arms, and what they are", icon=":material/info:"):
        chosen += _pills("More", [name for name in offered if name not in USUAL], "more", ())
        picked = [name for name in offered if name in chosen]
        for name in picked:
            st.markdown(f"**{STRATEGIES[name].title}**: {STRATEGIES[name].sentence}")
    return picked


def _pills(label: str, names: list[str], key: str, default: tuple[str, ...]) -> list[str]:
    chosen = st.pills(
        label,
        names,
        selection_mode="multi",
        default=[name for name in default if name in names],
        format_func=lambda name: STRATEGIES[name].title,
        key=f"{FORM}:{key}",
        persist_state="session",
        help="Random and everything belong in every comparison. Saved selections are below",
    )
    return list(chosen or [])


def forecast(clusters: Artifact, settings: study.Settings) -> StudyForecast | None:
    """Say how many fine-tunes these settings are, how many exist and how long the others take.

    None, with a sentence, where they cannot be compared.
    """
    workspace = state.workspace()
    newest = [e.id for kind in ("selection", "finetune") for e in workspace.recent(kind)[:1]]
    stamp = (*newest, data.edits(clusters.ancestor("dataset").id).position)
    try:
        foreseen = _forecast(str(workspace.root), settings, stamp)
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return None
    total, new = len(foreseen.runs), int((~foreseen.runs["exists"]).sum())
    st.markdown(f"**{total:,} fine-tunes**, {how_long(new, foreseen.seconds)}")
    if new < total:
        st.caption(f"{total - new:,} of them exist already and are reused.")
    st.caption(plain(foreseen.length))
    with st.expander("Which fine-tunes", icon=":material/checklist:"):
        st.dataframe(
            foreseen.runs,
            hide_index=True,
            column_config={"exists": st.column_config.CheckboxColumn("exists, reused")},
        )
    return foreseen


def how_long(new: int, seconds: float) -> str:
    """Say how long new fine-tunes take on this machine, by those measured."""
    if not new:
        return "none to train"
    if math.isnan(seconds):
        return (
            f"{new:,} to train; how long is not known before the first fine-tune of this target "
            "has run here"
        )
    return f"{new:,} to train, about {duration(seconds)} as those of this target took here"


@st.cache_data(max_entries=32, show_spinner=False)
def _forecast(root: str, settings: study.Settings, stamp: tuple[object, ...]) -> StudyForecast:
    workspace = state.workspace()
    opened = plan.open_study(workspace, settings)
    planned = plan.runs(opened)
    steps = plan.steps_of(opened)
    done = plan.existing(workspace, opened, planned, steps)
    new = [run for run, id in zip(planned, done, strict=True) if not id]
    seconds = time_estimate.seconds_of(workspace, opened, new, steps)
    return StudyForecast(plan.as_frame(planned, done), seconds, length_of(settings, steps))


def length_of(settings: study.Settings, steps: int) -> str:
    """Say what the length that was set means, "auto" too; no steps are as many epochs each."""
    length = f"{steps:,} steps" if steps else f"{epochs_of(settings):g} epochs of its own rows"
    return f"Length: {length}, {settings.batch_size:,} rows a step, for every arm"


def again(artifact: Artifact, **changes: object) -> study.Settings:
    """Return the settings of a study with some changed, its edits included."""
    names = {name for name in artifact.config if name in study.Settings.__dataclass_fields__}
    config = {"edits": 0} | {k: artifact.config[k] for k in names - {"resume", "name"}}
    return study.Settings(**config | changes)


def with_seeds(artifact: Artifact, more: int) -> study.Settings:
    """Return the settings of a study with more seeds, and random over the sources as a baseline."""
    settings = again(artifact)
    seeds = arms.seeds(settings)
    random_seeds = arms.random_seeds(again(artifact, random_draws=len(seeds) + more))
    named = [*arms.strategies(settings), "random_per_source"]
    return again(
        artifact,
        seeds=",".join(map(str, random_seeds)),
        strategies=",".join(dict.fromkeys(named)),
    )
