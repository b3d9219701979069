import dataclasses
from typing import Any

import pandas as pd
import streamlit as st

from core import jobs, study
from core.dataset.overlap import describe
from core.finetune import metrics
from core.selection.strategies.catalog import STRATEGIES
from core.study import arms, comparison, items
from core.study.artifact import StudySummary
from core.study.artifact import table as table_of
from core.study.results import INTERVAL_FROM
from core.study.sentences import near_floor, seen_of
from core.workspace.artifact import Artifact
from dashboard.charts import study as study_charts
from dashboard.escape import plain
from dashboard.frame import forms, job_card, overlap, state, widgets
from dashboard.study import saved_arms

FORM = "study"
BARS = "Bars are 95% intervals of the mean over seeds, the band is random's. "


def launch(settings: study.Settings) -> None:
    """Start the comparison as a job."""
    job_card.launch("study", settings, f"Study at {settings.budget}", FORM)


def more_draws(artifact: Artifact) -> None:
    """Offer what would make a walk-through evidence: the same study over five seeds."""
    names = {f.name for f in dataclasses.fields(study.Settings)} - {"resume", "name"}
    config = {"edits": 0} | {k: v for k, v in artifact.config.items() if k in names}
    named = [*arms.strategies(study.Settings(**config)), "random_per_source"]
    strategies = ",".join(dict.fromkeys(named))
    wanted = study.Settings(**{**config, "seeds": "0,1,2,3,4", "strategies": strategies})
    st.button(
        "Run more draws in the background (seeds 0 to 4)",
        icon=":material/casino:",
        on_click=launch,
        args=(wanted,),
        help="Fine-tunes that exist are reused; random over the sources is added as a baseline",
    )


@st.cache_data(max_entries=32, show_spinner="Drawing items and seeds again")
def item_interval(id: str, key: str) -> items.Interval | None:
    """Return s2l's difference from random over the items of a study."""
    if key not in ("loss", "exact_match"):
        return None
    runs = items.by_run(state.workspace().open(id, "study"))
    return items.interval(runs, key, comparison.OURS, comparison.REGISTERED[0])


def over_items(artifact: Artifact, key: str) -> str:
    """Say the difference over the test items themselves; empty where they were not kept."""
    found = item_interval(artifact.id, key)
    if found is None:
        return ""
    metric = metrics.METRICS[key]
    seeds = "one draw each" if found.seeds == 1 else f"{found.seeds} seeds"
    return (
        f"Over {found.items:,} test items that both answered ({seeds}): S2L minus random "
        f"{found.mean:+.3g} {metric.short}, 95% interval {found.low:+.3g} to {found.high:+.3g}."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def apart(id: str, seed: int) -> pd.DataFrame:
    """Return the items that some arms have right and others wrong."""
    return items.disagreements(state.workspace().open(id, "study"), seed)


def by_item(artifact: Artifact) -> None:
    """Read where the arms disagree: question, gold, each arm's answer."""
    seeds = [int(s) for s in artifact.summary["seeds"]]
    seed = st.segmented_control("Seed", seeds, default=seeds[0], required=True, key="study:seed")
    found = apart(artifact.id, int(seed if seed is not None else seeds[0]))
    if found.empty:
        st.caption("All arms have the same items right, or none was answered.")
        return
    st.caption(f"{len(found):,} items that some arms have right and others wrong.")
    st.dataframe(found, hide_index=True)


def answer(artifact: Artifact, table: pd.DataFrame, key: str) -> None:
    """Say in one sentence whether the selection did as well, and how surely; then what else."""
    found = comparison.registered(table, key)
    first, *others = [comparison.sentence(c, metrics.METRICS[key]) for c in found] or [""]
    if first:
        st.subheader(plain(first), anchor=False)
    margin = artifact.config.get(f"margin_{metrics.METRICS[key].short}")
    full = comparison.as_good(table, key, comparison.OURS, float(margin)) if margin else ""
    told = [*others, full, over_items(artifact, key), comparison.place_among_random(table, key)]
    for line in filter(None, told):
        st.markdown(plain(line))


def picture(artifact: Artifact) -> None:
    """Draw the arms side by side."""
    table, s = table_of(artifact), artifact.summary_as(StudySummary)
    base = s["base"]
    usable = metrics.known(table)
    shared, seen = s.get("overlap", {}), seen_of(table)
    overlap.tell(describe(shared, "rows of the pool"), warns=shared.get("given_away", 0) > 0)
    chosen = st.segmented_control(
        "Measure",
        list(usable),
        default=next(iter(usable)),
        required=True,
        format_func=lambda key: plain(usable[key].called(seen)),
        label_visibility="collapsed",
        key=f"study:metric:{artifact.id}",
    )
    key = chosen or next(iter(usable))
    full = table.loc[table["arm"] == "full", key]
    answer(artifact, table, key)
    st.plotly_chart(
        study_charts.study_figure(
            table,
            key,
            f"{usable[key].called(seen)} ({usable[key].unit})",
            usable[key].lower_is_better,
            base.get(key),
            float(full.mean()) if len(full) else None,
        )
    )
    tested = int(table["decoded"].max()) if "decoded" in table else int(table["items"].max())
    own = "; saved selections: their own" if s.get("exploratory") else ""
    st.caption(
        f"Every arm: the same base model, {s['steps']:,} steps, budget {plain(s['budget'])} (full: "
        f"all rows{own}), tested on {tested:,} rows of {plain(s['test'])}. Dots are seeds "
        f"({len(s['seeds'])}): draw and training seed vary together; proxy and clusters do not. "
        f"{BARS if len(s['seeds']) >= INTERVAL_FROM else ''}"
        "Equal steps saves data, not the target's computing time."
    )
    if s.get("exploratory"):  # none in a study made before there were any
        st.caption(plain(study.caution(s["exploratory"])))
    if low := near_floor(table):
        st.caption(plain(low))
    if base.get("commonest"):  # not in studies made before it was counted
        st.caption(
            f"Exact match has a floor: each source's commonest answer is right for "
            f"{base['commonest']:,} of {base['decoded']:,} items, the untuned base for "
            f"{base['right']:,}."
        )
    if len(s["seeds"]) < INTERVAL_FROM:
        more_draws(artifact)
    tabs = st.tabs(["Runs", "Items"], on_change="rerun", key="study:tab")
    if tabs[0].open:
        with tabs[0]:
            by_run(table, base, wide=bool(own))
    if tabs[1].open:
        with tabs[1]:
            by_item(artifact)


def by_run(table: pd.DataFrame, base: dict[str, Any], *, wide: bool) -> None:
    """List the fine-tunes, the untuned base first."""
    usable = metrics.known(table)
    columns = [
        "arm",
        "seed",
        "rows",
        "response_tokens",
        *usable,
        "right",
        "decoded",
        "covered",
        "sources",
        "seconds",
    ]
    frame = pd.concat([pd.DataFrame([{"arm": study.BASE, **base}]), table], ignore_index=True)
    st.dataframe(
        frame[[c for c in columns if c in frame]],
        hide_index=True,
        column_config={
            "arm": st.column_config.TextColumn(width="medium" if wide else None),
            **widgets.metric_columns(),
            "rows": st.column_config.NumberColumn(format="localized"),
            "response_tokens": st.column_config.NumberColumn("response tokens", format="localized"),
            "seconds": st.column_config.NumberColumn(format="localized"),
        },
    )


widgets.title(
    "Study",
    "The same target, the same steps, different rows: did the small selection do as well as all?",
)
if "clusters" not in st.query_params:  # a saved selection can be compared on other clusters
    state.settle(("clusters", "selection"))
inputs = widgets.chips("clusters", "study")
clusters, artifact = inputs["clusters"], inputs["study"]
if clusters is None:
    widgets.empty(
        "bubble_chart",
        "A study compares selections from clusters; keep a clustering first.",
        "See the clusters",
        "clusters",
    )
    st.stop()
job = jobs.newest(state.workspace(), "study", clusters=clusters.id)
left, right = st.columns([1.2, 2.6], gap="large")
with left, st.container(border=True):
    st.markdown("**Compare selections**")
    fixed = {"clusters": clusters.id, "selections": saved_arms.saved(clusters)}
    settings = forms.form(study.Settings, FORM, fixed=fixed)
    if settings is not None:
        runs = len(arms.of(clusters, settings)) * len(arms.seeds(settings))
        st.caption(f"{runs} fine-tunes; those that exist already are reused")
        with st.popover("What the arms are", icon=":material/info:", width="stretch"):
            for name in arms.strategies(settings):
                st.markdown(f"**{STRATEGIES[name].title}**: {STRATEGIES[name].sentence}")
        if st.button(
            "Start study",
            type="primary",
            width="stretch",
            disabled=job is not None and job.state in jobs.ACTIVE,
        ):  # not on_click: its arguments would be those before a last edit
            launch(settings)
            st.rerun()
        job_card.command("study", settings)
with right:
    if job is not None and job.state != "done":
        job_card.card(job)
    job_card.arrive(job, "study")
    if artifact is not None:
        picture(artifact)
    elif job is None:
        st.info(
            "A dot per run will appear here: S2L, random, source-balanced random and full, beside "
            "the untuned base. Press Start study.",
            icon=":material/compare_arrows:",
        )
