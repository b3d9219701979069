"""What a budget would take, without keeping it: the rows, and counts that pages show of them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from core import selection
from core.arrays import Ints
from core.selection import budget, choose, quotas, s2l_options
from core.selection import pool as selectors
from core.selection.strategies.catalog import STRATEGIES
from core.settings import specs
from dashboard.frame import data, state


class Allocated(NamedTuple):
    """What a budget would take."""

    chosen: Ints
    """Rows of the dataset, in order of rank."""
    reasons: list[str]
    key: str
    """Equal for equal choices."""
    clusters: pd.DataFrame
    """cluster, size, taken, quota: what sharing the budget alone would take, with nothing set by
    hand, capped, pinned or guarded; equal to taken where the strategy is not s2l."""
    sources: pd.DataFrame
    """source, pool_rows, selected_rows, pool_share, selected_share."""
    pool: int
    tokens: int


def pool(clusters_id: str, edited: int) -> selectors.Pool:
    """Return the rows a clustering offers for selection, with the first edits honoured."""
    return prepared(selection.Settings(parent=clusters_id, edits=edited))[0]


def prepared(settings: selection.Settings) -> tuple[selectors.Pool, selection.Kept]:
    """Return the pool that settings choose from, and what is in before they do.

    Args:
        settings: With a number for their edits; budget, seed and switches do not matter.
    """
    plain = {s.name: s.default for s in specs(s2l_options.Switches)}
    return _prepared(dataclasses.replace(settings, budget="11%", seed=0, name="", **plain))


@st.cache_resource(max_entries=4, show_spinner="Preparing the rows to choose from")
def _prepared(settings: selection.Settings) -> tuple[selectors.Pool, selection.Kept]:
    return selection.prepare(state.workspace(), settings)


NO_BARS = "bars of one row say nothing, so none are drawn."


def too_few(by_cluster: pd.DataFrame) -> str:
    """Say that no cluster gives more than one row, where bars say nothing; else nothing."""
    if len(by_cluster) < 2 or by_cluster["taken"].max() > 1:
        return ""
    clusters, rows = len(by_cluster), int(by_cluster["taken"].sum())
    return (
        f"So small a budget takes {rows:,} row{'s' * (rows != 1)}, at most one of each of "
        f"{clusters:,} clusters"
    )


@st.cache_data(max_entries=24, show_spinner="Choosing")
def allocation(settings: selection.Settings) -> Allocated:
    """Draw a selection without keeping it, and count what it takes from where."""
    offered, kept = prepared(settings)
    with data.CLUSTERING:
        choice = choose.choose(
            offered,
            settings.strategy,
            budget.parse(settings.budget),
            settings.seed,
            kept.stay,
            s2l_options.of(settings),
        )
    taken = np.zeros(len(offered), bool)
    taken[choice.positions] = True
    frame = pd.DataFrame({"cluster": offered.labels, "source": offered.sources, "taken": taken})
    grouped = frame[frame["cluster"] >= 0].groupby("cluster")  # a pinned row may be in no cluster
    by_cluster = grouped["taken"].agg(size="size", taken="sum").reset_index()
    by_cluster["quota"] = by_cluster["taken"]
    if STRATEGIES[settings.strategy].quotas:
        rule = "equal" if settings.allocation == "capped" else settings.allocation
        by_cluster["quota"] = quotas.quotas(
            by_cluster["size"], int(by_cluster["taken"].sum()), allocation=rule
        )
    by_source = (
        frame.groupby("source")["taken"].agg(pool_rows="size", selected_rows="sum").reset_index()
    )
    by_source["pool_share"] = by_source["pool_rows"] / len(offered)
    by_source["selected_share"] = by_source["selected_rows"] / max(1, int(taken.sum()))
    rows = offered.rows[choice.positions]
    tokens = int(offered.tokens[choice.positions].sum())
    key = hashlib.blake2b(rows.tobytes(), digest_size=16).hexdigest()
    return Allocated(rows, choice.reasons, key, by_cluster, by_source, len(offered), tokens)
