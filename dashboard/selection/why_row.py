"""The tab "Why a row"."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import selection
from core.arrays import Ints
from core.dataset import search
from core.errors import InputError
from core.review import why_row as why
from core.selection import budget, choose, s2l_options
from core.selection.pool import Pool
from core.selection.strategies.catalog import STRATEGIES
from dashboard.escape import plain
from dashboard.frame import data, reader, state
from dashboard.selection import preview
from dashboard.selection.preview import Allocated

WHY = "selection:why"


def why_row(clusters: str, made: Allocated, settings: selection.Settings) -> None:
    """Say of any row whether it was selected, and what would change that."""
    dataset = state.workspace().open(clusters).ancestor("dataset")
    pool, staying = preview.prepared(settings)
    if WHY not in st.session_state:
        st.session_state[WHY] = f"{made.chosen[0]}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input("Row number or id", key=WHY).strip()
        left_out = np.setdiff1d(pool.rows, made.chosen)
        for label, rows in (("One that is in", made.chosen), ("One left out", left_out)):
            st.button(
                label, icon=":material/casino:", on_click=_any, args=(rows,), disabled=not len(rows)
            )
    if not typed:
        st.caption("Give a row to learn why it was selected or not.")
        return
    found_row = search.row_of(dataset, typed)
    if found_row is None:
        st.warning(f"No row has the number or id {plain(typed)}.", icon=":material/help:")
        return
    row = found_row
    chosen = np.flatnonzero(np.isin(pool.rows, made.chosen))
    kept = np.flatnonzero(made.chosen == row)
    reason = made.reasons[kept[0]] if len(kept) else ""

    def draw(n: int) -> Ints:
        choice = choose.choose(
            pool,
            settings.strategy,
            budget.parse(str(n)),
            settings.seed,
            staying.stay,
            s2l_options.of(settings),
        )
        return choice.positions

    try:
        with st.spinner("Looking for the budget it needs…"):
            by_budget = STRATEGIES[settings.strategy].size == "budget"
            reasons = why.explain(
                pool,
                chosen,
                row,
                draw if by_budget else None,
                reason=reason,
                guess=_guess(pool, row, settings),
                stays=len(staying.stay.positions),
            )
    except InputError as e:
        st.warning(plain(_outside(pool, clusters, row) or f"{e}."), icon=":material/help:")
        return
    for line in reasons.sentences():
        st.markdown(plain(line))
    nearest = [reasons.nearest.row] if reasons.nearest else []
    reader.reader(dataset.id, [row, *nearest], "selection:why-rows")


def _any(rows: Ints) -> None:
    """Ask about a row drawn at random."""
    st.session_state[WHY] = f"{np.random.default_rng().choice(rows)}"


def _guess(pool: Pool, row: int, settings: selection.Settings) -> int:
    here = STRATEGIES[settings.strategy].quotas and (pool.rows == row).any()
    return why.by_cluster(pool, row, settings.seed) if here else 0


def _outside(pool: Pool, clusters: str, row: int) -> str:
    if (pool.rows == row).any():
        return ""
    flags = data.flags(state.workspace().open(clusters).ancestor("trajectories").id)
    if not 0 <= row < len(flags):
        return ""
    flag, reason = str(flags["flag"].iloc[row]), str(flags["reason"].iloc[row])
    return why.outside(pool, row, flag, reason) if flag in why.OUTSIDE else ""
