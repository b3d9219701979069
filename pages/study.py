import dataclasses

import pandas as pd
import streamlit as st

from core import jobs, study
from core.dataset.overlap import describe
from core.finetune import metrics
from core.study import arms, comparison
from core.study.artifact import StudySummary
from core.study.artifact import table as table_of
from core.study.results import INTERVAL_FROM
from core.study.sentences import near_floor, seen_of
from core.workspace.artifact import Artifact
from dashboard.charts import study as study_charts
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


def answer(artifact: Artifact, table: pd.DataFrame, key: str) -> None:
    """Say in one sentence whether the selection did as well, and how surely; then what else."""
    found = comparison.registered(table, key)
    first, *others = [comparison.sentence(c, metrics.METRICS[key]) for c in found] or [""]
    if first:
        st.subheader(first, anchor=False)
    margin = artifact.config.get(f"margin_{metrics.METRICS[key].short}")
    full = comparison.as_good(table, key, comparison.OURS, float(margin)) if margin else ""
    told = [*others, full, comparison.place_among_random(table, key)]
    for line in filter(None, told):
        st.markdown(line)


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
        format_func=lambda key: usable[key].called(seen),
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
    items = int(table["decoded"].max()) if "decoded" in table else int(table["items"].max())
    own = "; saved selections: their own" if s.get("exploratory") else ""
    st.caption(
        f"Every arm: the same base model, {s['steps']:,} steps, budget {s['budget']} (full: all "
        f"rows{own}), tested on {items:,} rows of {job_card.plain(s['test'])}. Dots are seeds "
        f"({len(s['seeds'])}): draw and training seed vary together; proxy and clusters do not. "
        f"{BARS if len(s['seeds']) >= INTERVAL_FROM else ''}"
        "Equal steps saves data, not the target's computing time."
    )
    if s.get("exploratory"):  # none in a study made before there were any
        st.caption(job_card.plain(study.caution(s["exploratory"])))
    if low := near_floor(table):
        st.caption(low)
    if len(s["seeds"]) < INTERVAL_FROM:
        more_draws(artifact)
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
            "arm": st.column_config.TextColumn(width="medium" if own else None),
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
