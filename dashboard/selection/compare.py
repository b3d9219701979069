"""What a selection did: against the pool and chance, against others, why a row, at what cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core import selection
from core.dataset import search
from core.review import before_after, comparison, facets, stability
from core.review import cost as costs
from core.review import why_row as why
from core.selection import budget, choose, s2l_options
from core.selection.pool import Pool
from core.trajectories import cost as proxy_cost
from core.workspace.artifact import Artifact
from dashboard.charts import review as review_charts
from dashboard.charts import selection as selection_charts
from dashboard.frame import data, job_card, reader, state
from dashboard.frame.data import CLUSTERING, Ints
from dashboard.selection import preview
from dashboard.selection.preview import Allocation

DRAWS = 20
WHY = "selection:why"
FIXED = choose.OWN_SIZE
"""Strategies whose size no budget changes."""


@st.cache_resource(max_entries=6, show_spinner=False)
def frame(clusters: str, edited: int) -> pd.DataFrame:
    """Return what is known of every row that can be selected."""
    workspace = state.workspace()
    offered = preview.pool(clusters, edited).rows
    known = facets.load(workspace, workspace.open(clusters), offered)
    return known[known["row"].isin(offered)].reset_index(drop=True)


def before(clusters: str, edited: int, made: Allocation) -> None:
    """Compare the selection with the pool and with random draws of its size."""
    found = compared(clusters, edited, made.chosen, made.key)
    st.markdown(job_card.plain(found.sentence()))
    st.plotly_chart(review_charts.facet_distances(found.facets, found.draws, found.rows))
    st.plotly_chart(review_charts.facet_panels(found.facets, found.shares))
    st.caption(
        "Grey: the pool. Bars: where 20 random draws of the same size lie. Dots: this selection. "
        "Distances are total variation for categories, Kolmogorov-Smirnov for numbers."
    )
    st.markdown("**Sources**")
    st.plotly_chart(selection_charts.share_change(made.sources))
    st.caption("Share of each source in the pool and in the selection.")


@st.cache_resource(max_entries=12, show_spinner="Comparing with random draws")
def compared(clusters: str, edited: int, _chosen: Ints, key: str) -> before_after.BeforeAfter:
    """Return how far a selection is from the pool, beside random draws; `key` tells it apart."""
    return before_after.compare(frame(clusters, edited), _chosen, draws=DRAWS)


def others(clusters: str, edited: int, dataset: Artifact) -> None:
    """Compare saved selections, their differences first."""
    workspace = state.workspace()
    names = state.distinct(
        {
            e.id: e.name.removeprefix(f"{dataset.name} · ")
            for e in state.sealed("selection")
            if workspace.ancestor(workspace.open(e.id), "dataset").id == dataset.id
        }
    )
    if not names:
        st.caption("Save this selection and another one to compare them here.")
        return
    if len(names) < 2:
        st.caption("One selection of this dataset is saved; a second one makes a comparison.")
        st.button("Save a random draw of its size", icon=":material/casino:",
                  on_click=_draw_beside, args=(clusters, edited, *names))  # fmt: skip
        return
    chosen = st.multiselect(
        "Selections", list(names), list(names)[:2], format_func=names.__getitem__,
        key="selection:compare", max_selections=8,
    )  # fmt: skip
    if len(chosen) < 2:
        st.caption("Choose at least two.")
        return
    sets = comparison.read(workspace, chosen)
    a, b = chosen[:2]
    st.markdown(job_card.plain(comparison.sentence(sets[a], sets[b], len(frame(clusters, edited)))))
    st.plotly_chart(review_charts.overlap_matrix(comparison.jaccard(sets), names))
    known = comparison.settings({id: workspace.open(id).config for id in chosen})
    st.dataframe(known.table.astype(str).rename(columns=names), hide_index=True)
    st.caption(f"Settings that differ; {known.equal} are equal.")
    try:
        _differences(frame(clusters, edited), sets, a, b, names)
    except ValueError as e:  # rows that are not in this clustering's pool
        st.caption(job_card.plain(str(e)))
    pair = comparison.pair(sets[a], sets[b])
    only = st.segmented_control(
        "Read rows only in", [a, b], format_func=names.__getitem__, default=a, required=True,
        key="selection:only",
    )  # fmt: skip
    rows = pair.only_a if only == a else pair.only_b
    reader.reader(dataset.id, rows.tolist(), f"selection:only:{only}")


def _draw_beside(clusters: str, edited: int, other: str) -> None:
    """Save a random draw that is as large as another selection."""
    workspace = state.workspace()
    rows = workspace.open(other).summary["rows"]
    selection.run(
        workspace,
        selection.Settings(parent=clusters, strategy="random", budget=str(rows), edits=edited),
    )


def _differences(
    known: pd.DataFrame, sets: dict[str, Ints], a: str, b: str, names: dict[str, str]
) -> None:
    """Show in what size, facets, sources and clusters selections differ most."""
    found, sums = comparison.facets(known, sets), comparison.totals(known, sets)
    units = found.table["unit"].map(lambda unit: f" ({unit})" if unit else "")
    table = pd.DataFrame(
        {"mean of": found.table["label"] + units, "distance": found.table["distance"]}
        | {names[id]: found.table[id].map(lambda x: "" if np.isnan(x) else f"{x:,.3g}")
           for id in sets}
    )  # fmt: skip
    bar = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
    st.dataframe(table, hide_index=True, column_config={"distance": bar})
    st.caption(
        "Facets that differ, furthest apart first (0 the same, 1 nothing in common); "
        f"{found.equal} do not differ."
    )
    if len(sums.table):
        totals = sums.table.drop(columns="difference").rename(columns=names)
        whole = st.column_config.NumberColumn(format="localized")
        st.dataframe(totals, hide_index=True, column_config={names[id]: whole for id in sets})
        st.caption("What they cost a target to train on, an epoch.")
    for facet in ("source", "cluster"):
        part = comparison.allocation(known, sets, facet)
        if len(part.table):
            st.markdown(f"**Rows by {facet}**")
            st.plotly_chart(review_charts.difference_bars(part.table, a, b, names))


def how_stable(clusters: Artifact, edited: int, share: float, seed: int) -> None:
    """Say, on demand, how much of the selection hangs on each switch."""
    st.caption(
        "Would another seed, K, feature or half of the recordings select the same rows? Eleven "
        "clusterings are compared: some seconds at 3,000 rows, half a minute at 15,000."
    )
    key = (clusters.id, edited, round(share, 6), seed)
    if st.session_state.get("stability:for") != key:
        if st.button("See how stable it is", icon=":material/balance:"):
            st.session_state["stability:for"] = key
            st.rerun()
        return
    with st.spinner("Clustering in eleven ways…", show_time=True):
        found = stabilities(*key)
    st.markdown(f"**{job_card.plain(found.headline())}**")
    st.plotly_chart(review_charts.stability_figure(found.table, found.switches, found.chance))
    where = "" if found.rows == found.of else f", on a sample of {found.rows:,} of {found.of:,}"
    st.caption(
        f"Agreement of the rows' chances of being selected (weighted Jaccard{where}); the dotted "
        "line is what a plain random draw has."
    )


@st.cache_resource(max_entries=6, show_spinner=False)
def stabilities(clusters: str, edited: int, share: float, seed: int) -> stability.Stability:
    """Return how stable the selection from a clustering is."""
    config = state.workspace().open(clusters).config
    pool = preview.pool(clusters, edited)
    pool = pool.take(np.flatnonzero(pool.labels >= 0))
    with CLUSTERING:
        return stability.stability(
            pool.losses, pool.ids, int(config["k"]), config["features"],
            include_start=pool.include_start, seed=int(config["seed"]), share=share,
            draw_seed=seed,
        )  # fmt: skip


def why_row(clusters: str, made: Allocation, settings: selection.Settings) -> None:
    """Say of any row whether it was selected, and what would change that."""
    dataset = state.workspace().ancestor(state.workspace().open(clusters), "dataset")
    pool, staying = preview.prepared(settings)
    if WHY not in st.session_state:
        st.session_state[WHY] = f"{made.chosen[0]}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input("Row number or id", key=WHY).strip()
        left_out = np.setdiff1d(pool.rows, made.chosen)
        for label, rows in (("One that is in", made.chosen), ("One left out", left_out)):
            st.button(label, icon=":material/casino:", on_click=_any, args=(rows,),
                      disabled=not len(rows))  # fmt: skip
    if not wanted:
        st.caption("Give a row to learn why it was selected or not.")
        return
    found_row = search.row_of(dataset, wanted)
    if found_row is None:
        st.warning(f"No row has the number or id {job_card.plain(wanted)}.", icon=":material/help:")
        return
    row = found_row
    chosen = np.flatnonzero(np.isin(pool.rows, made.chosen))
    kept = np.flatnonzero(made.chosen == row)
    reason = made.reasons[kept[0]] if len(kept) else ""

    def draw(n: int) -> Ints:
        choice = choose.choose(
            pool, settings.strategy, budget.parse(str(n)), settings.seed, staying.stay,
            s2l_options.of(settings),
        )  # fmt: skip
        return choice.positions

    try:
        with st.spinner("Looking for the budget it needs…"):
            found = why.explain(
                pool, chosen, row, None if settings.strategy in FIXED else draw, reason=reason,
                guess=_guess(pool, row, settings), stays=len(staying.stay.positions),
            )  # fmt: skip
    except ValueError as e:
        st.warning(job_card.plain(f"{e}{_outside(clusters, row)}"), icon=":material/help:")
        return
    for line in found.sentences():
        st.markdown(job_card.plain(line))
    nearest = [found.nearest.row] if found.nearest else []
    reader.reader(dataset.id, [row, *nearest], "selection:why-rows")


def _any(rows: Ints) -> None:
    """Ask about a row drawn at random."""
    st.session_state[WHY] = f"{np.random.default_rng().choice(rows)}"


def _guess(pool: Pool, row: int, settings: selection.Settings) -> int:
    here = settings.strategy == "s2l" and (pool.rows == row).any()
    return why.by_cluster(pool, row, settings.seed) if here else 0


def _outside(clusters: str, row: int) -> str:
    workspace = state.workspace()
    flags = data.flags(workspace.ancestor(workspace.open(clusters), "trajectories").id)
    flag = str(flags["flag"].iloc[row]) if 0 <= row < len(flags) else ""
    return f". {why.outside(row, flag)}" if flag in why.OUTSIDE else ""


def cost(clusters: Artifact, chosen: Sequence[int] | Ints) -> None:
    """Set what was done before against the target training that the selection saves."""
    workspace = state.workspace()
    try:
        done = proxy_cost.proxy(workspace, clusters)
    except (ValueError, KeyError) as e:
        st.caption(f"The cost of these trajectories is not known: {job_card.plain(str(e))}")
        return
    left, right = st.columns(2)
    size = left.number_input(
        "Target, million parameters", 0.1, 1e6, 2_700.0, key="selection:target",
        persist_state="session", help="Phi-2, one of the paper's targets, has 2,700",
    )  # fmt: skip
    epochs = right.number_input(
        "Epochs of the target", 0.1, 100.0, 3.0, key="selection:target-epochs",
        persist_state="session",
    )  # fmt: skip
    trajectories = workspace.ancestor(clusters, "trajectories")
    tokens = proxy_cost.tokens(trajectories, chosen)
    bill = costs.operations(done, tokens, 1e6 * float(size or 1), float(epochs or 1))
    st.markdown(job_card.plain(bill.sentence()))
    st.plotly_chart(review_charts.cost_bars(bill.table(), bill.unit))
    tuned = _finetuned(trajectories)
    if tuned is not None:
        seconds = costs.measured(done, tuned, tokens.share, float(epochs or 1))
        st.markdown(
            f"As measured with a target of {tuned.parameters / 1e6:,.1f} million parameters: "
            f"{job_card.plain(seconds.sentence())}"
        )
        st.plotly_chart(review_charts.cost_bars(seconds.table(), seconds.unit))
    else:
        st.markdown(
            f"{job_card.plain(done.sentence())} Fine-tune a target on a selection to see here how "
            "many seconds it saves."
        )
    st.caption(costs.EQUAL_STEPS)


def _finetuned(trajectories: Artifact) -> costs.Target | None:
    """Return the newest fine-tune on a selection of these trajectories."""
    workspace = state.workspace()
    for entry in state.sealed("finetune"):
        artifact = workspace.open(entry.id)
        try:
            if workspace.ancestor(artifact, "trajectories").id == trajectories.id:
                return costs.target(workspace, artifact)
        except (ValueError, KeyError):  # on other data, or of a version that did not count
            continue
    return None
