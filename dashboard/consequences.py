"""What a selection did: against the pool and chance, against others, why a row, at what cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core import (
    before_after,
    budget,
    costs,
    facets,
    overlap,
    selection,
    selectors,
    stability,
    switches,
    why,
)
from core.artifact import Artifact
from core.selectors import Pool
from dashboard import charts_compare, charts_selection, data, reader, running, state
from dashboard.data import CLUSTERING, Allocation, Ints

DRAWS = 20
FIXED = selectors.OWN_SIZE
"""Strategies whose size no budget changes."""


@st.cache_resource(max_entries=6, show_spinner=False)
def frame(clusters: str, edited: int) -> pd.DataFrame:
    """Return what is known of every row that can be selected."""
    workspace = state.workspace()
    offered = data.pool(clusters, edited).rows
    known = facets.load(workspace, workspace.open(clusters), offered)
    return known[known["row"].isin(offered)].reset_index(drop=True)


def before(clusters: str, edited: int, made: Allocation) -> None:
    """Compare the selection with the pool and with random draws of its size."""
    found = compared(clusters, edited, made.chosen, made.key)
    st.markdown(running.plain(found.sentence()))
    st.plotly_chart(charts_compare.facet_distances(found.facets, found.draws, found.rows))
    st.plotly_chart(charts_compare.facet_panels(found.facets, found.shares))
    st.caption(
        "Grey: the pool. Bars: where 20 random draws of the same size lie. Dots: this selection. "
        "Distances are total variation for categories, Kolmogorov-Smirnov for numbers."
    )
    st.markdown("**Sources**")
    st.plotly_chart(charts_selection.share_change(made.sources))
    st.caption("Share of each source in the pool and in the selection.")


@st.cache_resource(max_entries=12, show_spinner="Comparing with random draws")
def compared(clusters: str, edited: int, _chosen: Ints, key: str) -> before_after.BeforeAfter:
    """Return how far a selection is from the pool, beside random draws; `key` tells it apart."""
    return before_after.compare(frame(clusters, edited), _chosen, draws=DRAWS)


def others(clusters: str, edited: int, dataset: str) -> None:
    """Compare saved selections, their differences first."""
    workspace = state.workspace()
    names = state.distinct(
        {
            e.id: e.name
            for e in state.sealed("selection")
            if workspace.ancestor(workspace.open(e.id), "dataset").id == dataset
        }
    )
    if len(names) < 2:
        st.caption("Save two selections of this dataset to compare them here.")
        return
    chosen = st.multiselect(
        "Selections", list(names), list(names)[:2], format_func=names.__getitem__,
        key="selection:compare", max_selections=8,
    )  # fmt: skip
    if len(chosen) < 2:
        st.caption("Choose at least two.")
        return
    sets = overlap.read(workspace, chosen)
    a, b = chosen[:2]
    st.markdown(running.plain(overlap.sentence(sets[a], sets[b], len(frame(clusters, edited)))))
    left, right = st.columns([1, 1.4], gap="large")
    left.plotly_chart(charts_compare.overlap_matrix(overlap.jaccard(sets), names))
    with right:
        known = overlap.settings({id: workspace.open(id).config for id in chosen})
        shown = known.table.astype(str).rename(columns=names)
        st.dataframe(shown, hide_index=True)
        st.caption(f"Settings that differ; {known.equal} are equal.")
    try:
        _differences(frame(clusters, edited), sets, a, b, names)
    except ValueError as e:  # rows that are not in this clustering's pool
        st.caption(running.plain(str(e)))
    pair = overlap.pair(sets[a], sets[b])
    only = st.segmented_control(
        "Read rows only in", [a, b], format_func=names.__getitem__, default=a, required=True,
        key="selection:only",
    )  # fmt: skip
    rows = pair.only_a if only == a else pair.only_b
    reader.reader(dataset, rows.tolist(), f"selection:only:{only}")


def _differences(
    known: pd.DataFrame, sets: dict[str, Ints], a: str, b: str, names: dict[str, str]
) -> None:
    """Show in which facets, sources and clusters selections differ most."""
    found = overlap.facets(known, sets)
    st.dataframe(
        found.table.drop(columns=["facet", "kind"]).rename(columns=names).round(3),
        hide_index=True,
    )
    st.caption(f"Facets that differ, furthest apart first; {found.equal} do not differ.")
    for facet in ("source", "cluster"):
        part = overlap.allocation(known, sets, facet)
        if len(part.table):
            st.markdown(f"**Rows by {facet}**")
            st.plotly_chart(charts_compare.difference_bars(part.table, a, b, names))


def how_stable(clusters: Artifact, edited: int, share: float, seed: int) -> None:
    """Say, on demand, how much of the selection hangs on each switch."""
    st.caption(
        "Would another seed, K, feature or half of the recordings select the same rows? Eleven "
        "clusterings are compared, which takes about half a minute."
    )
    key = (clusters.id, edited, round(share, 6), seed)
    if st.session_state.get("stability:for") != key:
        if st.button("See how stable it is", icon=":material/balance:"):
            st.session_state["stability:for"] = key
            st.rerun()
        return
    with st.spinner("Clustering in eleven ways…", show_time=True):
        found = stabilities(*key)
    st.plotly_chart(charts_compare.stability_figure(found.table, found.switches, found.chance))
    where = "" if found.rows == found.of else f", on a sample of {found.rows:,} of {found.of:,}"
    st.caption(
        f"Agreement of the rows' chances of being selected (weighted Jaccard{where}); the dotted "
        "line is what a plain random draw has."
    )


@st.cache_resource(max_entries=6, show_spinner=False)
def stabilities(clusters: str, edited: int, share: float, seed: int) -> stability.Stability:
    """Return how stable the selection from a clustering is."""
    config = state.workspace().open(clusters).config
    pool = data.pool(clusters, edited)
    pool = pool.take(np.flatnonzero(pool.labels >= 0))
    with CLUSTERING:
        return stability.stability(
            pool.losses, pool.ids, int(config["k"]), config["features"],
            include_start=pool.include_start, seed=int(config["seed"]), share=share,
            draw_seed=seed,
        )  # fmt: skip


def why_row(clusters: str, made: Allocation, settings: selection.Settings) -> None:
    """Say of any row whether it was selected, and what would change that."""
    wanted = st.text_input("Row number", key="selection:why", placeholder="Row number").strip()
    if not wanted:
        st.caption("Give a row to learn why it was selected or not.")
        return
    digits = wanted.replace(",", "")
    row = int(digits) if digits.isdigit() else -1
    pool, staying = data.prepared(settings)
    chosen = np.flatnonzero(np.isin(pool.rows, made.chosen))
    kept = np.flatnonzero(made.chosen == row)
    reason = made.reasons[kept[0]] if len(kept) else ""

    def draw(n: int) -> Ints:
        choice = selectors.choose(
            pool, settings.strategy, budget.parse(str(n)), settings.seed, staying.stay,
            switches.of(settings),
        )  # fmt: skip
        return choice.positions

    try:
        with st.spinner("Looking for the budget it needs…"):
            found = why.explain(
                pool, chosen, row, None if settings.strategy in FIXED else draw, reason=reason,
                guess=_guess(pool, row, settings), stays=len(staying.stay.positions),
            )  # fmt: skip
    except ValueError as e:
        st.warning(running.plain(f"{e}{_outside(clusters, row)}"), icon=":material/help:")
        return
    for line in found.sentences():
        st.markdown(running.plain(line))
    dataset = state.workspace().ancestor(state.workspace().open(clusters), "dataset").id
    rows = [row, *([found.nearest.row] if found.nearest else [])]
    reader.reader(dataset, rows, "selection:why-rows")


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
        done = costs.proxy(workspace, clusters)
    except (ValueError, KeyError) as e:
        st.caption(f"The cost of these trajectories is not known: {running.plain(str(e))}")
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
    share = costs.share(workspace, trajectories, chosen)
    bill = costs.operations(done, share, 1e6 * float(size or 1), float(epochs or 1))
    st.markdown(running.plain(bill.sentence()))
    st.plotly_chart(charts_compare.cost_bars(bill.table(), bill.unit))
    tuned = _finetuned(trajectories)
    if tuned is not None:
        seconds = costs.measured(done, tuned, share, float(epochs or 1))
        st.markdown(
            f"As measured with a target of {tuned.parameters / 1e6:,.1f} million parameters: "
            f"{running.plain(seconds.sentence())}"
        )
        st.plotly_chart(charts_compare.cost_bars(seconds.table(), seconds.unit))
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
