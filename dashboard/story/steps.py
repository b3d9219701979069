"""Steps 4 and 5 of the story: what is kept, and whether it held."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import selection
from core.errors import InputError
from core.finetune.metrics import METRICS, known
from core.study import comparison, findings, pairs, worth
from core.study.artifact import StudySummary
from core.study.artifact import table as study_table
from core.study.sentences import seen_of
from dashboard.charts import selection as selection_charts
from dashboard.charts import study as study_charts
from dashboard.escape import plain
from dashboard.frame.page_words import plain_words
from dashboard.selection import preview
from dashboard.story import screen
from dashboard.story.project import Project


def keep(project: Project, *, masked: bool) -> None:
    """The budget as a slider: how many of each cluster are kept, and the shares of the sources."""
    if project.clusters is None:
        st.info("There are no clusters yet: make them on the Clusters page.")
        return
    share = st.slider(
        "Keep this share of the examples", 1, 100, 11, format="%d%%", key="story:share"
    )
    settings = selection.Settings(parent=project.clusters.id, budget=f"{share}%", edits=0)
    try:
        made = preview.allocation(settings)
    except InputError as e:
        st.error(plain_words(str(e)))
        return
    k = int(made.clusters["cluster"].max()) + 1
    bars, shares = st.columns([1.5, 1]) if len(made.sources) > 1 else (st.container(), None)
    with bars:
        if words := preview.too_few(made.clusters):
            st.caption(plain(f"{words}: {preview.NO_BARS}"))
        else:
            figure = selection_charts.allocation(made.clusters, k, narrow=True)
            figure.update_xaxes(showticklabels=False)
            whole = int((made.clusters["taken"] == made.clusters["size"]).sum())
            alt = f"Examples kept of each cluster, largest first; {whole:,} are kept whole"
            screen.chart(figure, "kept", alt)
    if shares is not None:
        with shares:
            st.markdown("**Share of each source, before and after**")
            figure = selection_charts.share_change(made.sources, 8)
            screen.chart(figure, "shares", _moved(made.sources))
    alone = "" if shares is not None else " One source only: its share is 100% before and after."
    st.caption(
        f"{len(made.chosen):,} of {made.pool:,} examples, spread evenly over {len(made.clusters)} "
        f"clusters: small kinds are kept, large ones thinned. "
        f"{plain(project.clusters.id)}.{alone}"
    )


def outcome(project: Project, *, masked: bool) -> None:
    """The study's answer, its figure, what each arm cost, and what would settle what is open."""
    if project.study is None:
        st.info("It was not compared yet: start a study on the Study page.")
        return
    table = study_table(project.study)
    key = next(iter(known(table)), None)
    if key is None:
        st.info("No training of this study gave a number: see the Study page.")
        return
    row = METRICS[key]
    s = project.study.summary_as(StudySummary)
    said = findings.sentences(project.study, table, key)
    if short := findings.in_short(project.study, table, key):
        st.markdown(f"#### {plain(short)}")
    words = " ".join([*said[:1], *_as_good(said)])
    chances = findings.in_probabilities(table, key, s["base"].get(key))
    price = float(st.session_state.get("story:price") or 0)
    if worth_it := worth.sentence(project.study, table, key, price):
        st.markdown(plain(worth_it))
    st.caption(plain(f"{words or 'S2L was not compared with random.'} {chances}"))
    full = table.loc[table["arm"] == "full", key]
    by_arm = table.groupby("arm")
    figure = study_charts.study_figure(
        table,
        key,
        row.axis(seen_of(table)),
        row.lower_is_better,
        s["base"].get(key),
        float(full.mean()) if len(full) else None,
        seconds=by_arm["train_seconds"].median() if "train_seconds" in table else None,
    )
    alt = "; ".join(
        f"{study_charts.arm_title(str(arm))} {row.form.format(mean)}"
        for arm, mean in by_arm[key].mean().items()
    )
    screen.chart(figure, "arms", f"{row.called(seen_of(table))} of each arm, mean: {alt}")
    st.caption(
        f"{plain(comparison.place_among_random(table, key))} "
        f"Study {plain(project.study.id)}, {len(table)} fine-tunes of up to "
        f"{int(table['rows'].max()):,} examples."
    )


def _as_good(said: list[str]) -> list[str]:
    """Return the sentence on all the data, of those of a study."""
    ours = comparison.title(pairs.OURS)
    return [x for x in said[1:] if x.startswith(ours) and comparison.TITLES[pairs.FULL] in x]


def _moved(sources: pd.DataFrame) -> str:
    """Say in words which source gains most and which loses most."""
    change = 100 * (sources["selected_share"] - sources["pool_share"]).to_numpy()
    names = sources["source"].tolist()
    most, least = int(change.argmax()), int(change.argmin())
    return (
        f"Share of each source before and after; {plain(names[most])} gains most, "
        f"{change[most]:+.1f} points, {plain(names[least])} loses most, {change[least]:+.1f}"
    )
