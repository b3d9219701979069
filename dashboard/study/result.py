"""A study's result: one sentence first, one figure, what it took, then the details in tabs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core import study
from core.dataset.overlap import describe
from core.errors import InputError
from core.finetune import metrics
from core.finetune.metrics import Metric
from core.study import comparison, costs, findings, items, pairs, worth
from core.study.artifact import Partial, StudySummary, all_lines, base_of, partial
from core.study.artifact import table as table_of
from core.study.results import INTERVAL_FROM
from core.study.sentences import near_floor, seen_of
from core.workspace.artifact import Artifact
from dashboard.charts import study as study_charts
from dashboard.charts import theme
from dashboard.escape import plain
from dashboard.frame import job_card, overlap, state, widgets
from dashboard.frame.page_words import plain_words
from dashboard.study import form, tabs, take
from dashboard.study.view import BY_ITEM, View

BARS = "Bars are 95% intervals of the mean over seeds, the band is random's. "
TOGETHER = "draw and training seed vary together; proxy and clusters do not"
MOST_SEEDS = 20
"""More seeds than this are not offered by a button."""


def launch(settings: study.Settings) -> None:
    """Start the comparison as a job."""
    job_card.launch("study", settings, f"Study at {settings.budget}", form.FORM)


@st.cache_data(max_entries=32, show_spinner="Drawing items and seeds again")
def item_interval(id: str, key: str, test: str) -> items.ItemDifference | None:
    """Return s2l's difference from random over the items of a study."""
    if key in BY_ITEM:  # no mean of single items
        return None
    runs = items.by_run(state.workspace().open(id, "study"), test)
    return items.interval(runs, key, pairs.OURS, pairs.REGISTERED[0])


def over_items(artifact: Artifact, key: str, test: str) -> str:
    """Say the difference over the test items themselves; empty where they were not kept."""
    interval = item_interval(artifact.id, key, test)
    if interval is None or interval.items < 2:
        return ""
    metric = metrics.METRICS[key]
    seeds = "one draw each" if interval.seeds == 1 else f"{interval.seeds} seeds"
    return (
        f"Over {interval.items:,} test items that both answered ({seeds}): S2L minus random "
        f"{interval.mean:+.3g} {metric.short}, 95% interval {interval.low:+.3g} to "
        f"{interval.high:+.3g}."
    )


def show(artifact: Artifact) -> None:
    """Draw a finished study: the sentence, the figure, then what else is said."""
    s = artifact.summary_as(StudySummary)
    top = st.container()
    test = _test(artifact)
    table, base = table_of(artifact, test), base_of(artifact, test)
    seen, usable = seen_of(table), metrics.known(table)
    if not usable:
        st.info("Nothing of this test was measured.", icon=":material/help:")
        return
    key = _measure(usable, seen, f"study:metric:{artifact.id}")
    first, *others = findings.sentences(artifact, table, key, test) or [""]
    if first:
        top.subheader(plain(first), anchor=False)
    figure = _figure(table, key, usable[key], base, seen)
    figure.update_layout(modebar={"bgcolor": "rgba(0,0,0,0)", "color": theme.MUTED})
    config = take.picture_options(artifact.id, key)
    with widgets.lead("arms"):
        alt = first or "What each arm scored"
        st.plotly_chart(figure, config=config, height="stretch", alt=alt)
    _caption(artifact, table, s, key, test)
    _offers(artifact, table, key)
    _warnings(artifact, table)
    worthy = worth.sentence(artifact, table, key)
    said = filter(None, [worthy, *others, over_items(artifact, key, test)])
    st.markdown("\n".join(f"- {plain(line)}" for line in said))
    _costs(artifact, s)
    tabs.show(View(artifact, table, key, test))
    take.downloads(artifact)


def _warnings(artifact: Artifact, table: pd.DataFrame) -> None:
    """Say what weakens the result: failed runs, other items, test rows that were given away."""
    s = artifact.summary_as(StudySummary)
    for line in s.get("failed", []):
        st.warning(f"Failed, and counts as worst: {plain(line)}", icon=":material/error:")
    if unlike := findings.different_items(table):
        st.warning(plain(unlike), icon=":material/difference:")
    shared = s.get("overlap", {})
    overlap.tell(describe(shared, "rows of the pool"), warns=shared.get("given_away", 0) > 0)


def _test(artifact: Artifact) -> str:
    """Let one of the tests be chosen, where there are several; return its key."""
    s = artifact.summary_as(StudySummary)
    others = s.get("tests", {})
    if not others:
        return ""
    titles = {"": s["test"]} | {key: one["title"] for key, one in others.items()}
    chosen = st.selectbox(
        "Test", list(titles), format_func=titles.__getitem__, key=f"study:test:{artifact.id}"
    )
    return chosen or ""


def _measure(usable: dict[str, Metric], seen: int, key: str) -> str:
    chosen = st.segmented_control(
        "Measure",
        list(usable),
        default=next(iter(usable)),
        required=True,
        format_func=lambda name: plain(usable[name].called(seen)),
        label_visibility="collapsed",
        key=key,
    )
    return chosen or next(iter(usable))


def _figure(table: pd.DataFrame, key: str, metric: Metric, base: dict[str, Any], seen: int) -> Any:
    full = table.loc[table["arm"] == "full", key].dropna()
    floors = {}
    if key == "exact_match" and base.get("commonest") is not None and base.get("decoded"):
        floors["commonest answers"] = base["commonest"] / base["decoded"]
    return study_charts.study_figure(
        table,
        key,
        metric.axis(seen),
        metric.lower_is_better,
        base.get(key),
        float(full.mean()) if len(full) else None,
        floors,
    )


def _caption(artifact: Artifact, table: pd.DataFrame, s: StudySummary, key: str, test: str) -> None:
    base = base_of(artifact, test)
    called = base["title"] if test else s["test"]
    good = table[table["failed"] == ""]
    counted = "decoded" if key == "coverage" else metrics.METRICS[key].of
    tested = good[counted if counted in good else "items"].max()
    own = "; saved selections: their own" if s.get("exploratory") else ""
    epochs = s.get("epochs", 0)
    equal = (
        f"{epochs:g} epochs each (as many passes over its own rows)"
        if epochs
        else f"{s['steps']:,} steps each"
    )
    st.caption(
        f"Every arm: the same base model, {equal}, budget {plain(s['budget'])} (full: all rows"
        f"{own}), tested on {tested:,.0f} rows of {plain(called)}. Dots are seeds "
        f"({len(s['seeds'])}): {plain(s.get('varied', TOGETHER))}. "
        f"{BARS if len(s['seeds']) >= INTERVAL_FROM else ''}"
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
    if base.get("no_gold"):
        st.caption(f"{base['no_gold']:,} items have no answer that can be compared.")


def _offers(artifact: Artifact, table: pd.DataFrame, key: str) -> None:
    """Offer what would settle it: more seeds, more random draws."""
    each = (
        table.groupby("arm")["seconds"].median() if "seconds" in table else pd.Series(dtype=float)
    )
    more, draws = findings.more_seeds(table, key), comparison.missing_draws(table)
    with st.container(horizontal=True):
        if 0 < more <= MOST_SEEDS:
            settings = form.with_seeds(artifact, more)
            st.button(
                f"Run {more:,} more seeds{_taking(more * _seconds_a_seed(artifact))}",
                icon=":material/casino:",
                on_click=launch,
                args=(settings,),
                help="In the background. Fine-tunes that exist are reused; random over the sources "
                "is a baseline",
            )
        if draws and "random" in set(table["arm"]) and pairs.OURS in set(table["arm"]):
            total = draws + int((table["arm"] == "random").sum())
            st.button(
                f"Run {draws:,} more random draws{_taking(draws * float(each['random']))}",
                icon=":material/shuffle:",
                on_click=launch,
                args=(form.again(artifact, random_draws=total),),
                help="Then S2L has a place among the random draws, not beside their range",
            )


def _seconds_a_seed(artifact: Artifact) -> float:
    """Return what one more seed of `form.with_seeds` takes: each arm at each data size."""
    lines = all_lines(artifact)
    if "seconds" not in lines:
        return 0.0
    each = lines.groupby(["arm", "budget"])["seconds"].median()
    arms = [*dict.fromkeys(lines["arm"])]
    if "random_per_source" not in arms:  # it is added, and takes as long as random
        arms.append("random")
    return float(sum(each[arm].sum() for arm in arms if arm in each.index))


def _taking(seconds: float) -> str:
    """Write how long something takes, as a part of a label; empty where it is not known."""
    long = plain(comparison.about(seconds))
    return f" ({long})" if long else ""


def _costs(artifact: Artifact, s: StudySummary) -> None:
    """Draw what a fine-tune of each arm took, and the proxy."""
    by_arm = costs.by_arm(artifact)
    if by_arm.empty or by_arm["training"].isna().all():
        return
    st.markdown("**What it took**, in seconds of one fine-tune on this machine")
    st.plotly_chart(
        study_charts.cost_bars(by_arm), config={"displayModeBar": False}, alt="Seconds of each arm"
    )
    st.caption(plain(costs.sentence(by_arm, epochs=s.get("epochs", 0))))


def watch(clusters: str, *, active: bool) -> None:
    """Draw the unfinished study of a clustering, again and again while it runs."""
    st.fragment(_watch, run_every=5.0 if active else None)(clusters, active)


def _watch(clusters: str, active: bool) -> None:
    half = partial(state.workspace(), clusters)
    if half is not None:
        _partial(half, active=active)


def _discard(id: str) -> None:
    try:
        state.workspace().delete(id)
    except InputError as e:  # a process is at work on it
        st.toast(plain_words(str(e)))


def _partial(half: Partial, *, active: bool) -> None:
    """Draw a study that is not finished: the arms so far."""
    done = len(half.lines)
    words = "running" if active else "not finished; start it again and what is done is kept"
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.markdown(f"**{done:,} of {half.planned:,} fine-tunes**, {words}")
    if not active:
        right.button(
            "Discard",
            icon=":material/delete:",
            on_click=_discard,
            args=(half.entry.id,),
            help="Take it off this page; its fine-tunes stay and are reused",
        )
    if half.lines.empty:
        st.caption("The untuned base is tested first; a dot appears with each fine-tune.")
        return
    lines = half.lines[half.lines["budget"] == half.entry.config["budget"]]
    for line in pairs.failed_runs(half.lines).to_dict("records"):
        st.warning(
            f"Failed: {plain(line['arm'])} seed {line['seed']:,}: {plain(line['failed'])}",
            icon=":material/error:",
        )
    usable = metrics.known(lines)
    if not usable or lines[next(iter(usable))].isna().all():
        return
    seen = seen_of(lines)
    key = _measure(usable, seen, f"study:metric:{half.entry.id}")
    if said := comparison.verdict(lines, key):
        st.markdown(f"So far: {plain(said)}")
    st.plotly_chart(
        _figure(lines, key, usable[key], half.base, seen),
        config={"displayModeBar": False},
        alt="What each arm scored so far",
    )
