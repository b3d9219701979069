"""What the last change of a quota did."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from core.arrays import Ints, Labels
from core.selection.s2l_options import by_hand
from dashboard.clusters.preview import ClustersPreview
from dashboard.frame import reader
from dashboard.selection import quota_bars


def changes(
    clusters: str, dataset: str, tried: quota_bars.QuotaTrial, known: ClustersPreview
) -> None:
    """Say which rows the last change of the settings let in and which it put out.

    Where it was a quota set by hand, its cluster comes first.
    """
    made = tried.made
    now = Shown(clusters, made.key, made.chosen, tried.quotas)
    was: Shown | None = st.session_state.get("selection:shown")
    if was is None or was.clusters != clusters:
        st.session_state["selection:before"] = None
    elif was.key != now.key:
        st.session_state["selection:before"] = was
    st.session_state["selection:shown"] = now
    before: Shown | None = st.session_state["selection:before"]
    if before is None:
        return
    came, went = np.setdiff1d(now.chosen, before.chosen), np.setdiff1d(before.chosen, now.chosen)
    if not len(came) and not len(went):
        return
    moved = moved_by_hand(before.quotas, now.quotas)
    words = by_cluster(moved, known.labels[came], known.labels[went])
    st.caption(
        f"{words}Since the last change {len(came):,} rows came in and {len(went):,} went out; "
        f"{len(made.chosen) - len(came):,} stayed."
    )
    which = st.segmented_control(
        "Read", ["came in", "went out"], key="selection:changes", label_visibility="collapsed"
    )
    if which:
        rows = came if which == "came in" else went
        rows = rows[np.argsort(~np.isin(known.labels[rows], moved), kind="stable")]
        reader.reader(dataset, rows.tolist(), f"selection:{which}")


class Shown(NamedTuple):
    """A choice that the page showed."""

    clusters: str
    key: str
    """As of the allocation."""
    chosen: Ints
    quotas: str


def moved_by_hand(before: str, now: str) -> list[int]:
    """Return the clusters for which two texts of quotas do not say the same."""
    (fixed, caps), (fixed_now, caps_now) = by_hand(before), by_hand(now)
    return sorted(
        {c for c, _ in {*fixed.items()} ^ {*fixed_now.items()}}
        | {c for c, _ in {*caps.items()} ^ {*caps_now.items()}}
    )


def by_cluster(moved: list[int], came: Labels, went: Labels) -> str:
    """Say how many rows more or fewer the clusters moved by hand have, and all others.

    Args:
        came: Cluster of each row that came in.
        went: Cluster of each row that went out.
    """
    if not moved:
        return ""
    more = int(np.isin(came, moved).sum()) - int(np.isin(went, moved).sum())
    others = len(came) - len(went) - more
    which = f"Cluster {moved[0]:,}" if len(moved) == 1 else f"{len(moved):,} clusters"
    unit = "row" if abs(more) == 1 else "rows"
    return f"{which}: {more:+,} {unit}, the others {others:+,}. ".replace("-", "\u2212")
