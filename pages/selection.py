import dataclasses
from typing import Any

import streamlit as st

from core import budget as budgets
from core import edits, export, finetune, selection, selectors
from core.artifact import EXTENDS, Artifact
from core.settings import specs
from dashboard import (
    allocating,
    bars,
    charts_selection,
    consequences,
    data,
    extending,
    figure,
    forms,
    reader,
    running,
    state,
    taking,
    widgets,
)

WORDS = {
    "s2l": "S2L: evenly over the clusters",
    "s2l_per_source": "S2L inside each source",
    "random": "Random",
    "random_per_source": "Random, evenly over the sources",
    "full": "Everything",
    "least_confidence": "Largest final loss",
    "middle_perplexity": "Middle final loss",
    "high_learnability": "Largest loss drop",
    "low_final_loss": "Smallest final loss",
    "forgetting": "Most often forgotten",
    "cartography_ambiguous": "Most ambiguous on the data map",
    "facility_location": "Facility location: together like all rows",
    "k_center": "K-center: as far apart as can be",
    "d4": "D4: neither repeated nor typical",
    "random_token_matched": "Random, as many tokens as another selection",
    "random_cost_matched": "Random, for the cost of another selection",
}

EPOCHS, BATCH = 3, 32  # of a fine-tune with the default settings
AT_ONCE = 5_000  # rows up to which selectors that compare all with all choose at once


def budget_control(pool: int, tokens: int) -> str:
    """Ask for a budget as a share, rows or response tokens."""
    unit = st.segmented_control(
        "Budget in", ["Share", "Rows", "Tokens"], default="Share", key="selection:unit",
        required=True, persist_state="session",
    )  # fmt: skip
    if unit == "Share":
        share = st.slider(
            "Budget", 1, 100, 11, format="%d%%", key="selection:share", persist_state="session"
        )
        return f"{share}%"
    if unit == "Rows":
        rows = st.number_input(
            f"Budget (rows of {pool:,})", 1, pool, min(pool, max(1, round(0.11 * pool))),
            key="selection:rows", persist_state="session",
        )  # fmt: skip
        return f"{rows}"
    wanted = st.number_input(
        f"Budget (response tokens of {tokens:,})", 1, max(1, tokens), max(1, tokens // 9),
        key="selection:tokens", persist_state="session",
    )  # fmt: skip
    return f"{wanted} tokens"


def opened() -> Artifact | None:
    """Return the selection that the address names, after letting the form show it once.

    Where it cannot be opened, say so and return none.
    """
    named = st.query_params.get("selection")
    artifact = state.current("selection") if named else None
    if artifact is None or st.session_state.get("selection:opened") == named:
        return artifact
    st.session_state["selection:opened"] = named
    asked = budgets.parse(artifact.config["budget"])
    share = round(100 * asked.value, 6)
    unasked = ("parent", "strategy", "budget", "seed", "keep", "edits", "name", "match")
    form: dict[str, Any] = {k: artifact.config[k] for k in ("strategy", "seed")}
    form |= {
        spec.name: forms.typed(spec, artifact.config.get(spec.name, spec.default))
        for spec in specs(selection.Settings)
        if spec.name not in unasked
    }
    if artifact.config.get("match"):
        form["match"] = artifact.config["match"]
    if asked.kind == "tokens":
        form |= {"unit": "Tokens", "tokens": int(asked.value)}
    elif asked.kind == "share" and share == int(share):  # what the slider can show
        form |= {"unit": "Share", "share": int(share)}
    else:
        form |= {"unit": "Rows", "rows": artifact.summary["rows"]}
    form[f"keep:{artifact.parents.get('clusters', '')}"] = artifact.config.get("keep", "")
    forms.preset("selection", form)
    return artifact


def edits_that_count(dataset: Artifact, shown: Artifact | None) -> int:
    """Return the edits to honour: those of the selection that is shown, else all up to now."""
    now = edits.read(state.workspace(), dataset.id).rows_at
    if shown is None or selection.honoured(shown) == now:
        return now
    st.caption(
        f":material/history: Shown with the edits that {running.plain(shown.name)} was made with; "
        "rows were excluded or pinned since."
    )
    st.button("Use the edits of now", width="stretch", on_click=_leave)
    return selection.honoured(shown)


def _leave() -> None:
    """Turn from the saved selection to a new one with the same settings."""
    st.query_params.pop("selection", None)


def save(settings: selection.Settings) -> None:
    """Seal the selection that is shown, unless somebody did meanwhile."""
    try:
        workspace = state.workspace()
        same = workspace.same("selection", selection.key(workspace, settings))
        made = same.id if same else selection.run(workspace, settings)
    except (ValueError, OSError) as e:
        st.session_state["selection:error"] = str(e)
        return
    st.query_params["selection"] = made


def saved(artifact: Artifact) -> None:
    """Offer what can be done with a saved selection."""
    st.caption(f":material/check_circle: Saved as {running.plain(artifact.name)}")
    if st.button("Fine-tune a target on it", type="primary", width="stretch",
                 icon=":material/arrow_forward:", icon_position="right"):  # fmt: skip
        state.go("finetune", selection=artifact.id)
    st.download_button(
        "Download as JSONL",
        lambda: "".join(export.jsonl_lines(state.workspace(), artifact)).encode(
            errors="backslashreplace"
        ),
        file_name=f"{artifact.id}.jsonl",
        mime="application/x-ndjson",
        icon=":material/download:",
        width="stretch",
        on_click="ignore",
    )
    taking.panel(artifact)
    st.caption("Fingerprint of the chosen ids (SHA-256)")
    st.code(artifact.summary["ids_sha256"], language=None, wrap_lines=True)


def facts(made: data.Allocation, tokens: int) -> None:
    """Show the totals, what a fine-tune would take, and the sources whose share changes most."""
    rows = len(made.chosen)
    steps = max(finetune.MIN_STEPS, budgets.steps_for(rows, EPOCHS, BATCH))
    whole = int((made.clusters["taken"] == made.clusters["size"]).sum())
    left, right = st.columns([1.15, 1])
    with left:
        widgets.facts(
            ("Rows", f"{rows:,} of {made.pool:,}"),
            ("Response tokens", f"{made.tokens:,} of {tokens:,}"),
            ("Taken whole", f"{whole} of {len(made.clusters)}"),
            ("Training tokens", f"{round(made.tokens * steps * BATCH / rows):,}"),
            ("Steps", f"{steps:,}"),
            helps={
                "Taken whole": "Clusters of which every row is taken",
                "Training tokens": "Response tokens that a fine-tune of so many steps learns from",
                "Steps": f"{EPOCHS} epochs in batches of {BATCH}, at least {finetune.MIN_STEPS}",
            },
        )
    with right:
        st.plotly_chart(charts_selection.movers(made.sources), config=figure.READ_ONLY)


widgets.title(
    "Selection",
    "The budget is poured over the clusters like water: small clusters are taken whole, the large "
    "ones share what is left evenly.",
)
state.settle(("dataset", "clusters", "selection"))
inputs = widgets.chips("dataset", "clusters")
shown = opened()
clusters, dataset = inputs["clusters"], inputs["dataset"]
if clusters is None or dataset is None:
    widgets.empty(
        "bubble_chart", "A selection is drawn from clusters; keep a clustering first.",
        "See the clusters", "clusters",
    )  # fmt: skip
    st.stop()
dataset = state.workspace().ancestor(clusters, "dataset")
left, right = st.columns([1.2, 2.6], gap="large")
with left, st.container(border=True):
    edited = edits_that_count(dataset, shown)
    pool = data.pool(clusters.id, edited)
    strategy = st.selectbox(
        "Strategy", list(selectors.SELECTORS), format_func=WORDS.__getitem__,
        key="selection:strategy", persist_state="session",
    )  # fmt: skip
    budget = budget_control(len(pool), int(pool.tokens.sum()))
    seed = int(
        st.number_input("Seed of the draw", 0, key="selection:seed", persist_state="session") or 0
    )
    earlier = extending.keep_choice(clusters) if EXTENDS in clusters.parents else ""
    match = allocating.matched(dataset) if strategy in selectors.MATCHED else ""
    fixed = {
        "parent": clusters.id, "strategy": strategy, "budget": budget, "seed": seed,
        "keep": earlier, "edits": edited, "match": match,
    }  # fmt: skip
    with st.popover("Switches and filters", icon=":material/tune:", width="stretch"):
        st.caption("The paper's values unless you change them; what you change is in the name.")
        chosen = forms.form(selection.Settings, "selection", fixed=fixed | {"name": ""},
                            leave_out=allocating.idle(strategy))  # fmt: skip
    if chosen is None:
        st.error("A switch or filter is wrong: open them to see why.", icon=":material/error:")
        bars.reset_all("form")
        st.stop()
    name = st.text_input("Name", key="selection:name", placeholder="optional")
    settings = dataclasses.replace(chosen, name=name)
    st.caption(f":material/label: {running.plain(selection.title(settings))}")
    try:
        pool, staying = data.prepared(settings)
        if earlier:
            st.caption(f"{staying.sentence()}.")
        if edits_words := selection.edited(pool, staying):
            st.caption(f":material/edit: {edits_words}")
        wanted = dataclasses.replace(settings, name="")
        if strategy in selectors.COMPARES and len(pool) > AT_ONCE:
            allocating.on_demand(wanted)
        tried = bars.allocate(wanted)
    except ValueError as e:
        st.error(running.plain(str(e)), icon=":material/error:")
        st.stop()
    if problem := st.session_state.pop("selection:error", ""):
        st.error(running.plain(problem), icon=":material/error:")
    made = tried.made
    if tried.problem:
        st.caption("The quotas set by hand cannot be met, so nothing can be saved.")
    elif kept := state.workspace().same("selection", selection.key(state.workspace(), settings)):
        saved(kept)
    else:
        if st.button("Save this selection", type="primary", width="stretch"):
            save(settings)  # not on_click: its arguments would be those before a last edit
            st.rerun()
    if not tried.problem:
        running.command("selection", settings)
    settings = dataclasses.replace(settings, quotas=tried.quotas)
with right:
    known = data.named(data.kept(clusters.id), clusters, data.edits(dataset.id))
    facts(made, int(pool.tokens.sum()))
    settable = strategy == "s2l" and budgets.parse(budget).kind != "tokens"
    chosen_bars = bars.chart(clusters.id, tried, box=settable)
    if strategy != "s2l":
        st.caption(f"{WORDS[strategy]} does not look at clusters; compare with S2L.")
    elif not settable:
        st.caption("Quotas by hand are rows: for them, give the budget as a share or in rows.")
    bars.panel(chosen_bars, tried, known, dataset.id, settable=settable)
    allocating.changes(clusters.id, dataset.id, tried, known)
TABS = (
    "Before and after",
    "Quotas",
    "Read the selection",
    "Compare",
    "Stability",
    "Why a row",
    "Cost",
)
tabs = dict(zip(TABS, st.tabs(TABS, on_change="rerun", key="selection:tab"), strict=True))
if tabs["Before and after"].open:
    with tabs["Before and after"]:
        consequences.before(clusters.id, edited, made)
if tabs["Read the selection"].open:
    with tabs["Read the selection"]:
        reader.reader(dataset.id, made.chosen.tolist(), "selection")
if tabs["Quotas"].open:
    with tabs["Quotas"]:
        if strategy == "s2l":
            allocating.quotas(made, known)
        else:
            st.caption("Only S2L shares its budget over clusters.")
if tabs["Compare"].open:
    with tabs["Compare"]:
        consequences.others(clusters.id, edited, dataset)
if tabs["Stability"].open:
    with tabs["Stability"]:
        consequences.how_stable(clusters, edited, len(made.chosen) / made.pool, seed)
if tabs["Why a row"].open:
    with tabs["Why a row"]:
        consequences.why_row(clusters.id, made, settings)
if tabs["Cost"].open:
    with tabs["Cost"]:
        consequences.cost(clusters, made.chosen)
