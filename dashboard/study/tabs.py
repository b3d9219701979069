"""The details of a study, a function a tab: from its runs and items to how it compares."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from core import study
from core.finetune import metrics
from core.study import comparison, findings, item_clusters, items, pairs, results
from core.study.artifact import StudySummary, all_lines, base_of
from core.study.sentences import seen_of
from dashboard.charts import study as study_charts
from dashboard.clusters import preview
from dashboard.escape import plain
from dashboard.frame import state, widgets
from dashboard.study import leakage
from dashboard.study.view import BY_ITEM, View, runs_of

NAMES = ("Runs", "Sources", "Clusters", "Items", "Data size", "Leakage", "Method")
SHOWN = 500
"""Items that are listed, at most."""


def show(view: View) -> None:
    """Draw the tab that is open."""
    parts = st.tabs(NAMES, on_change="rerun", key="study:tab")
    draw = (by_run, by_source, by_cluster, by_item, by_size, leakage.show, method)
    for part, function in zip(parts, draw, strict=True):
        if part.open:
            with part:
                function(view)


def by_run(view: View) -> None:
    """List the fine-tunes, the untuned base first."""
    artifact, table, _, test = view
    usable = metrics.known(table)
    columns = ["arm", "seed", "budget", "rows", "steps", "response_tokens", *usable, "right"]
    columns += ["decoded", "covered", "sources", "ran_on", "at_limit", "no_gold", "seconds"]
    columns += ["failed"] if (table["failed"] != "").any() else []
    lines = all_lines(artifact, test)
    if lines["budget"].nunique() < 2:
        columns.remove("budget")
    frame = pd.concat(
        [pd.DataFrame([{"arm": study.BASE, **base_of(artifact, test)}]), lines], ignore_index=True
    )
    st.dataframe(
        frame[[c for c in columns if c in frame]],
        hide_index=True,
        column_config={
            "arm": st.column_config.TextColumn(width="medium"),
            **widgets.metric_columns(),
            "rows": st.column_config.NumberColumn(format="localized"),
            "response_tokens": st.column_config.NumberColumn("response tokens", format="localized"),
            "ran_on": st.column_config.NumberColumn("ran on", help="Went on after their answer"),
            "at_limit": st.column_config.NumberColumn("cut", help="Ended at the length limit"),
            "no_gold": st.column_config.NumberColumn("no answer", help="Items without a gold"),
            "seconds": st.column_config.NumberColumn(format="localized"),
        },
    )


def _groups(view: View, groups: pd.Series, what: str) -> None:
    """Show each arm by groups of test items, with S2L minus random."""
    artifact, table, key, test = view
    measure = BY_ITEM.get(key, key)
    metric = metrics.METRICS[measure]
    runs = dict(runs_of(artifact.id, test))
    if (untuned := items.of_base(artifact, test)) is not None:
        runs = {(study.BASE, 0): untuned, **runs}
    shown = items.by_group(runs, measure, groups)
    if shown.empty:
        st.caption("The fine-tunes of this study did not keep their items, or none was answered.")
        return
    if {pairs.OURS, "random"} <= set(shown):
        apart = metric.scale * (shown[pairs.OURS] - shown["random"])
        shown.insert(1, "S2L minus random", apart)
    share = st.column_config.NumberColumn(format="percent" if "%" in metric.form else "%.3f")
    arms = {str(c): share for c in shown if c not in ("items", "S2L minus random")}
    st.dataframe(
        shown.reset_index(names=what),
        hide_index=True,
        column_config={
            **arms,
            "S2L minus random": st.column_config.NumberColumn(
                f"S2L minus random ({metric.short})", format="%+.3f"
            ),
        },
    )
    called = plain(metric.called(seen_of(table)))
    st.caption(
        f"{called} ({metric.unit}) of each {what}, mean over seeds. Small groups differ by "
        "chance; nothing here was planned beforehand, so it is exploratory."
    )


def by_source(view: View) -> None:
    """Show each arm by source."""
    artifact, _, _, test = view
    runs = runs_of(artifact.id, test)
    _groups(view, items.sources_of(runs) if runs else pd.Series(dtype=str), "source")


@st.cache_data(max_entries=8, show_spinner="Finding the cluster that each item is most like")
def clusters_of(id: str, test: str) -> pd.Series:
    """Return item id -> name of the cluster whose rows it is most like."""
    artifact = state.workspace().open(id, "study")
    clusters = artifact.open(artifact.parents["clusters"])
    run = next(artifact.open(i) for i in all_lines(artifact)["finetune"] if i)
    tested = artifact.open(items.tested_on(artifact, run, test))
    split = "all" if artifact.config["eval"] or test else "holdout"
    clusters_by_item = item_clusters.nearest(clusters, tested, split)
    table = preview.kept(clusters.id).table.set_index("cluster")["name"]
    return clusters_by_item.map(lambda c: f"{c} · {table.get(c, '')}")


def by_cluster(view: View) -> None:
    """Show each arm by the cluster that a test item is most like."""
    artifact, _, _, test = view
    _groups(view, clusters_of(artifact.id, test), "cluster")
    st.caption(
        "A test item has no trajectory: it counts with the cluster of the pool row whose question "
        "has the most words in common with it (TF-IDF), which is a guess."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def apart(id: str, seed: int, test: str) -> pd.DataFrame:
    """Return the items that some arms have right and others wrong."""
    return items.disagreements(state.workspace().open(id, "study"), seed, test)


def by_item(view: View) -> None:
    """Read where the arms disagree: question, gold, each arm's answer, verdict and reason."""
    artifact, _, _, test = view
    seeds = [int(s) for s in artifact.summary_as(StudySummary)["seeds"]]
    seed = st.segmented_control("Seed", seeds, default=seeds[0], required=True, key="study:seed")
    seed = int(seed if seed is not None else seeds[0])
    for line in items.discordant(runs_of(artifact.id, test), pairs.OURS, "random"):
        if line.seed == seed:
            st.caption(
                f"Of {line.items:,} items only S2L has {line.only_arm:,} right and only random "
                f"{line.only_other:,} (McNemar's exact p = {line.p:.2g}). Their verdicts agree on "
                f"{line.agreement:.0%}, which is {line.beyond_chance:.0%} of what is possible "
                "beyond chance."
            )
    pairs_apart = apart(artifact.id, seed, test)
    if pairs_apart.empty:
        st.caption("All arms have the same items right, or none was answered.")
        return
    shown = f"; the first {SHOWN:,} are listed" if len(pairs_apart) > SHOWN else ""
    st.caption(f"{len(pairs_apart):,} items that some arms have right and others wrong{shown}.")
    st.dataframe(pairs_apart.head(SHOWN), hide_index=True)


def by_size(view: View) -> None:
    """Draw the score against the size of the data."""
    artifact, table, key, test = view
    lines = all_lines(artifact, test)
    sized = lines[(lines["arm"] != pairs.FULL) & (lines["failed"] == "")]
    if sized["budget"].nunique() < 2:
        st.caption(
            "This study has one data size. Choose more under Data sizes in the form: the same arms "
            "are trained at each, and the score is drawn against the rows."
        )
        return
    full = table.loc[table["arm"] == pairs.FULL, key].dropna()
    metric, seen = metrics.METRICS[key], seen_of(table)
    st.plotly_chart(
        study_charts.by_size(
            sized,
            key,
            f"{metric.called(seen)} ({metric.unit})",
            float(full.mean()) if len(full) else None,
            base_of(artifact, test).get(key),
        ),
        config={"displayModeBar": False},
        alt="Score against rows trained on",
    )
    better = "lower is better" if metric.lower_is_better else "higher is better"
    epochs = artifact.summary_as(StudySummary).get("epochs")
    equal = "Equal epochs." if epochs else "Equal steps at every size."
    st.caption(f"{plain(metric.called(seen))}: {better}. {equal}")


def method(view: View) -> None:
    """Say how the study compares, and show the comparisons that no plan names."""
    artifact, table, key, test = view
    s = artifact.summary_as(StudySummary)
    noise = findings.noise_of(artifact, key, test)
    metric = metrics.METRICS[key]
    st.markdown(
        "- Planned comparisons: S2L with random and with random over the sources, seed by seed "
        f"(paired t; an interval from {results.INTERVAL_FROM} seeds, p from {results.P_FROM}, "
        "adjusted for being two by Holm).\n"
        "- As good as all the data: one-sided Welch test against a margin that was sealed with the "
        "settings before the first run; the same test is shown for random.\n"
        "- Items: seeds and items drawn again 10,000 times (hierarchical bootstrap); McNemar's "
        "exact test for the answers of one seed.\n"
        f"- {plain(s.get('varied', 'draw and training seed vary together').capitalize())}.\n"
        f"- Noise of the evaluation, by testing one fine-tune twice in other batches: "
        f"{metric.scale * noise:.2g} {metric.short}; arms that differ by no more are tied."
    )
    for other in pairs.REGISTERED:
        if apart := comparison.ranges(table, key, pairs.OURS, other):
            st.caption(plain(apart))
    others = pairs.exploratory(table, key)
    if len(others):
        st.markdown("**Every other pair: exploratory**, p values not adjusted")
        number = st.column_config.NumberColumn(format="%.3f")
        st.dataframe(
            others,
            hide_index=True,
            column_config={
                "difference": st.column_config.NumberColumn(
                    f"difference ({metric.short})", format="%+.3f"
                ),
                "low": number,
                "high": number,
                "p": number,
            },
        )
    with st.expander("Settings", icon=":material/settings:"):
        st.code(json.dumps(artifact.config, indent=2, ensure_ascii=False), language=None)
