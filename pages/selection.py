import dataclasses

import streamlit as st

from core import finetune, selection
from core.errors import InputError
from core.selection import budget as budgets
from core.selection.strategies.catalog import STRATEGIES
from core.training import settings as training_settings
from core.workspace.artifact import EXTENDS
from dashboard.charts import figure
from dashboard.charts import selection as selection_charts
from dashboard.clusters import preview as clusters_preview
from dashboard.escape import plain
from dashboard.frame import advice, data, forms, job_card, lacking, reader, state, widgets
from dashboard.frame.page_words import plain_words
from dashboard.selection import (
    before_after,
    compare,
    cost,
    last_change,
    preview,
    quota_bars,
    quota_table,
    saved,
    settings_panel,
    stability,
    why_row,
)

TABS = (
    "Before and after",
    "Quotas",
    "Read the selection",
    "Compare",
    "Stability",
    "Why a row",
    "Cost",
)

AT_ONCE = 5_000  # rows up to which selectors that compare all with all choose at once


def budget_control(pool: int, tokens: int) -> str:
    """Ask for a budget as a share, rows or response tokens."""
    unit = st.segmented_control(
        "Budget in",
        ["Share", "Rows", "Tokens"],
        default="Share",
        key="selection:unit",
        required=True,
        persist_state="session",
    )
    if unit == "Share":
        share = st.slider(
            "Budget", 1, 100, 11, format="%d%%", key="selection:share", persist_state="session"
        )
        return f"{share}%"
    if unit == "Rows":
        rows = st.number_input(
            f"Budget (rows of {pool:,})",
            1,
            max(1, pool),
            max(1, round(0.11 * pool)),
            key="selection:rows",
            persist_state="session",
        )
        return f"{rows}"
    asked = st.number_input(
        f"Budget (response tokens of {tokens:,})",
        1,
        max(1, tokens),
        max(1, tokens // 9),
        key="selection:tokens",
        persist_state="session",
    )
    return f"{asked} tokens"


def facts(made: preview.Allocated, tokens: int) -> None:
    """Show the totals and what a fine-tune would take."""
    rows = len(made.chosen)
    tune = finetune.resolve(forms.kept(finetune.Settings, "finetune", fixed={"selection": "-"}))
    steps = finetune.steps_of(tune, rows)
    epochs = training_settings.epochs_of(rows, steps, tune.batch_size)
    auto = tune.epochs == "auto" and not tune.steps
    whole = int((made.clusters["taken"] == made.clusters["size"]).sum())
    widgets.facts(
        ("Rows", f"{rows:,} of {made.pool:,}"),
        ("Response tokens", f"{made.tokens:,} of {tokens:,}"),
        ("Taken whole", f"{whole} of {len(made.clusters)}"),
        ("Training tokens", f"{round(made.tokens * epochs):,}"),
        ("Steps", f"{steps:,}"),
        helps={
            "Taken whole": "Clusters of which every row is taken",
            "Training tokens": "Response tokens that a fine-tune of so many steps learns from",
            "Steps": f"Of a fine-tune of {plain(finetune.short(tune.model))} as its page "
            f"stands: {epochs:.4g} epochs in batches of {tune.batch_size:,}"
            + (f", at least {finetune.MIN_STEPS:,} steps" if auto else ""),
        },
    )


def sources(made: preview.Allocated) -> None:
    """Show the sources whose share changes most."""
    if len(made.sources) < 2:
        st.caption("One source only: its share is 100% before and after.")
        return
    st.plotly_chart(
        selection_charts.movers(made.sources),
        config=figure.READ_ONLY,
        alt="The three sources whose share changes most",
    )


head = st.container()
state.settle(("dataset", "clusters", "selection"))
inputs = widgets.chips("dataset", "clusters")
shown = saved.opened()
with head:
    row = STRATEGIES[st.session_state.get("selection:strategy", "s2l")]
    widgets.title("Selection", row.sentence)
clusters, dataset = inputs["clusters"], inputs["dataset"]
if clusters is None or dataset is None:
    lacking.draw("A selection is drawn from clusters.", "clusters")
    st.stop()
dataset = clusters.ancestor("dataset")
left, right = st.columns(widgets.BESIDE)
with left, st.container(border=True):
    edited = saved.edits_that_count(dataset, shown)
    pool = preview.pool(clusters.id, edited)
    strategy = st.selectbox(
        "Strategy",
        list(STRATEGIES),
        format_func=lambda name: STRATEGIES[name].title,
        key="selection:strategy",
        persist_state="session",
    )
    row = STRATEGIES[strategy]
    budget = budget_control(len(pool), int(pool.tokens.sum()))
    earlier = settings_panel.keep_choice(clusters) if EXTENDS in clusters.parents else ""
    match = settings_panel.matched(dataset) if row.size == "matched" else ""
    scores = settings_panel.scores() if row.scores else ""
    examples = settings_panel.queries(clusters.ancestor("trajectories")) if row.queries else ""
    with st.popover("Switches, filters, name", icon=":material/tune:", width="stretch"):
        seed = int(
            st.number_input("Seed of the draw", 0, key="selection:seed", persist_state="session")
            or 0
        )
        name = st.text_input("Name", key="selection:name", placeholder="optional")
        st.caption("The paper's values unless you change them; what you change is in the name.")
        fixed = {
            "parent": clusters.id,
            "strategy": strategy,
            "budget": budget,
            "seed": seed,
            "keep": earlier,
            "edits": edited,
            "match": match,
            "scores": scores,
            "queries": examples,
            "name": "",
        }
        chosen = forms.form(
            selection.Settings, "selection", fixed=fixed, leave_out=settings_panel.idle(strategy)
        )
    if chosen is None:
        st.error("A switch or filter is wrong: open them to see why.", icon=":material/error:")
        quota_bars.reset_all("form")
        st.stop()
    settings = dataclasses.replace(chosen, name=name)
    st.caption(f":material/label: {plain(selection.title(settings, dataset))}")
    try:
        pool, staying = preview.prepared(settings)
        if earlier:
            st.caption(f"{plain(staying.sentence())}.")
        if edits_words := selection.edited(pool, staying):
            st.caption(f":material/edit: {plain(edits_words)}")
        unnamed = dataclasses.replace(settings, name="")
        if row.prefix and len(pool) > AT_ONCE:
            settings_panel.on_demand(unnamed)
        tried = quota_bars.allocate(unnamed)
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        st.stop()
    if problem := st.session_state.pop("selection:error", ""):
        st.error(plain_words(problem), icon=":material/error:")
    made = tried.made
    if tried.problem:
        quota_bars.refused(tried)
    elif kept := state.workspace().same("selection", selection.key_of(settings)):
        saved.saved(kept)
    else:
        if st.button("Save this selection", type="primary", width="stretch"):
            saved.save(settings)  # not on_click: its arguments would be those before a last edit
            st.rerun()
    if not tried.problem:
        job_card.command("selection", settings)
    settings = dataclasses.replace(settings, quotas=tried.quotas)
with right:
    known = clusters_preview.named(
        clusters_preview.kept(clusters.id), clusters, data.edits(dataset.id)
    )
    facts(made, int(pool.tokens.sum()))
    settable = row.quotas and budgets.parse(budget).kind != "tokens"
    few = preview.too_few(made.clusters)
    chosen_bars = None
    if few:
        st.info(
            f"{plain(few)}: {preview.NO_BARS} A larger budget shows them.",
            icon=":material/bar_chart:",
        )
    else:
        chosen_bars = quota_bars.chart(clusters.id, tried, box=settable)
    if not row.quotas:
        st.caption(f"{row.sentence} It does not share over these clusters; compare with S2L.")
    elif not settable:
        st.caption("Quotas by hand are rows: for them, give the budget as a share or in rows.")
    quota_bars.panel(chosen_bars, tried, known, dataset.id, settable=settable)
    last_change.changes(clusters.id, dataset.id, tried, known)
    if not few:
        sources(made)
    tabs = dict(zip(TABS, st.tabs(TABS, on_change="rerun", key="selection:tab"), strict=True))
    if tabs["Before and after"].open:
        with tabs["Before and after"]:
            before_after.before(clusters.id, edited, made)
    if tabs["Read the selection"].open:
        with tabs["Read the selection"]:
            reader.reader(dataset.id, made.chosen.tolist(), "selection")
    if tabs["Quotas"].open:
        with tabs["Quotas"]:
            if row.quotas:
                quota_table.quotas(made, known)
            else:
                st.caption("Only S2L shares its budget over clusters.")
    if tabs["Compare"].open:
        with tabs["Compare"]:
            compare.others(clusters.id, edited, dataset)
    if tabs["Stability"].open:
        with tabs["Stability"]:
            stability.how_stable(clusters, edited, len(made.chosen) / made.pool, seed)
    if tabs["Why a row"].open:
        with tabs["Why a row"]:
            why_row.why_row(clusters.id, made, settings)
    if tabs["Cost"].open:
        with tabs["Cost"]:
            cost.cost(clusters, made.chosen)
with left:  # last, since it may take seconds the first time
    advice.panel(dataset, clusters.ancestor("trajectories"))
