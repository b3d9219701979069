"""The bars of the allocation as a control: which are chosen, and what is set for them by hand.

A click chooses a cluster; a box the clusters under it and a number of rows, its top edge. Both are
kept here: a chart that is drawn anew forgets what was selected on it. What is set goes into the one
setting `quotas`, so that form, table, manifest and command line agree.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd
import streamlit as st

from core.arrays import Ints
from core.errors import InputError
from core.selection.s2l_options import by_hand, put
from core.selection.settings import Settings
from dashboard.charts import selection as selection_charts
from dashboard.clusters.preview import ClustersPreview
from dashboard.escape import plain
from dashboard.frame import reader, widgets
from dashboard.selection import preview
from dashboard.selection.preview import Allocated

QUOTAS = "selection:quotas"
CHOSEN = "selection:bar"
WORKED = "selection:quotas-worked"
CLICK, BOX = "Click a bar", "Draw a box"
CONFIG: dict[str, Any] = {"displaylogo": False, "modeBarButtonsToRemove": ["toImage"]}


class Gesture(NamedTuple):
    """What a gesture on the bars means."""

    clusters: tuple[int, ...]
    level: int | None
    """Rows at the top edge of a box; none of a click."""


class QuotaTrial(NamedTuple):
    """An allocation, and what is wrong with the quotas that are wanted."""

    made: Allocated
    quotas: str
    """Those it was made with: the wanted ones, else the last that worked."""
    problem: str
    """Why the wanted ones cannot be met; empty if they are."""


def allocate(settings: Settings) -> QuotaTrial:
    """Return what settings choose; where quotas by hand cannot be met, what the last ones chose.

    Raises:
        InputError: nothing can be chosen, whatever the quotas.
    """
    try:
        made = preview.allocation(settings)
    except InputError as e:
        if not settings.quotas:
            raise
        for quotas in dict.fromkeys((st.session_state.get(WORKED, ""), "")):
            try:
                shown = preview.allocation(dataclasses.replace(settings, quotas=quotas))
            except InputError:  # the budget changed since
                continue
            return QuotaTrial(shown, quotas, str(e))
        raise
    st.session_state[WORKED] = settings.quotas
    return QuotaTrial(made, settings.quotas, "")


def meant(selection: Mapping[str, Any], order: Sequence[int]) -> Gesture | None:
    """Return what Streamlit's selection of a chart means; nothing if it is empty.

    Args:
        selection: Points with x, the place of a bar; boxes with two x and two y, in rows (also
            where the axis is logarithmic).
        order: Cluster of each bar.
    """
    for box in selection["box"][-1:]:
        left, right = sorted(map(float, box["x"]))
        first, last = max(0, math.ceil(left - 0.5)), math.floor(right + 0.5)
        under = tuple(order[first : max(0, last + 1)])
        return Gesture(under, max(0, round(max(box["y"])))) if under else None
    for point in selection["points"][:1]:
        return Gesture((order[int(point["x"])],), None)
    return None


def chart(clusters: str, tried: QuotaTrial, *, box: bool) -> Gesture | None:
    """Draw the bars; return what is chosen on them.

    Args:
        clusters: Id of the clustering.
        box: Whether a box may be drawn.
    """
    table = tried.made.clusters
    fixed, caps = by_hand(tried.quotas)
    chosen = _chosen(clusters, set(table["cluster"]))
    gesture = CLICK
    place = widgets.lead("bars")
    if box:
        with st.container(horizontal=True, vertical_alignment="center"):
            gesture = (
                st.segmented_control(
                    "Gesture",
                    [CLICK, BOX],
                    default=CLICK,
                    key="selection:gesture",
                    required=True,
                    label_visibility="collapsed",
                    persist_state="session",
                )
                or CLICK
            )
            st.caption("Click a bar or draw a box over several, then set their rows below.")
    figure = selection_charts.allocation(
        table,
        int(table["cluster"].max()) + 1,
        fixed,
        caps,
        chosen.clusters if chosen else (),
        chosen.level if chosen else None,
    )
    order = selection_charts.largest_first(table)["cluster"].tolist()
    place.plotly_chart(
        figure,
        key="selection:bars",
        on_select=functools.partial(_picked, clusters, order),
        selection_mode="points" if gesture == CLICK else "box",
        config=CONFIG,
        height="stretch",
        alt=f"Rows taken from each of {len(table):,} clusters: {int(table['taken'].sum()):,} of "
        f"{int(table['size'].sum()):,}",
    )
    return chosen


def _chosen(clusters: str, there: set[int]) -> Gesture | None:
    """Return what is chosen of this clustering, as far as it can be drawn from."""
    kept = st.session_state.get(CHOSEN)
    if kept is None or kept["of"] != clusters:
        return None
    known = tuple(c for c in kept["clusters"] if c in there)
    return Gesture(known, kept["level"]) if known else None


def _picked(clusters: str, order: list[int]) -> None:
    if chosen := meant(st.session_state["selection:bars"]["selection"], order):
        choose(clusters, chosen)


def choose(clusters: str, chosen: Gesture) -> None:
    """Keep what is chosen on the bars of a clustering."""
    st.session_state[CHOSEN] = {"of": clusters, **chosen._asdict()}


def panel(
    chosen: Gesture | None,
    tried: QuotaTrial,
    known: ClustersPreview,
    dataset: str,
    *,
    settable: bool,
) -> None:
    """Show what is chosen on the bars and set it by hand.

    Args:
        chosen: By a click or a box.
        known: The clustering, with the names of its clusters.
        dataset: Id, to read rows of.
        settable: Whether the strategy and the budget have quotas.
    """
    if chosen is None:
        return
    table = tried.made.clusters.set_index("cluster")
    with st.container(border=True, gap="small", key="bar-panel"):
        if chosen.level is not None and settable:
            _several(chosen, table)
        else:
            _one(chosen.clusters[0], table, known, settable=settable)
            _read(chosen.clusters[0], tried.made, known, dataset, open_=not settable)


def reset_all(key: str) -> None:
    """Offer to take back all that is set by hand."""
    if st.session_state.get(QUOTAS):
        st.button(
            "Reset all",
            key=f"selection:reset:{key}",
            on_click=use,
            args=("",),
            icon=":material/undo:",
        )


def refused(tried: QuotaTrial) -> None:
    """Say why the quotas cannot be met and what is shown instead, and offer the way back."""
    shown = "with the last quotas that worked" if tried.quotas else "without quotas"
    words = plain(tried.problem[:1].upper() + tried.problem[1:])
    st.error(f"{words}. Shown {shown}; nothing is saved.", icon=":material/error:")
    with st.container(horizontal=True):
        st.button("Undo", on_click=use, args=(tried.quotas,), icon=":material/undo:")
        if st.session_state.get(CHOSEN) is None:  # else it stands in the panel of the bar
            reset_all("refused")


def _one(cluster: int, table: pd.DataFrame, known: ClustersPreview, *, settable: bool) -> None:
    """Name one cluster; move its bar where it may be moved."""
    text = st.session_state.get(QUOTAS) or ""
    fixed, caps = by_hand(text) if settable else ({}, {})
    size, taken = int(table["size"][cluster]), int(table["taken"][cluster])
    now = fixed.get(cluster, taken)
    name = known.table.set_index("cluster")["name"][cluster]
    how = ", set by hand" if cluster in fixed else ""
    how = f", at most {caps[cluster]:,} by hand" if cluster in caps else how
    _head(f"**Cluster {cluster}** ({plain(name)}): taken {taken:,} of {size:,}{how}")
    if not settable:
        return
    key = f"selection:rows:{cluster}"
    if st.session_state.get(key) != min(now, size):  # sent back, it would undo a later key press
        st.session_state[key] = min(now, size)
    st.slider(
        f"Rows of cluster {cluster}",
        0,
        size,
        key=key,
        on_change=_slid,
        args=(cluster, key),
        label_visibility="collapsed",
    )
    with st.container(horizontal=True):
        _setter(f"Lock at {now:,}", text, "=", {cluster: now})
        _setter(f"Cap at {now:,}", text, "<=", {cluster: now})
        _setter("Leave out", text, "=", {cluster: 0})
        if cluster in fixed or cluster in caps:
            _setter("Reset this one", text, "", {cluster: 0})
        reset_all("panel")


def _several(chosen: Gesture, table: pd.DataFrame) -> None:
    """Offer to set or cap the clusters under a box at its top edge."""
    text = st.session_state.get(QUOTAS) or ""
    level, n = int(chosen.level or 0), len(chosen.clusters)
    part = table.loc[list(chosen.clusters)]
    which = f"these {n}" if n > 1 else "this one"
    smaller = " (smaller ones: whole)" if (part["size"] < level).any() else ""
    _head(
        f"**{n:,} cluster{'s' if n > 1 else ''}** under the box: taken "
        f"{int(part['taken'].sum()):,} of {int(part['size'].sum()):,}, "
        f"top edge {level:,}{smaller}"
    )
    with st.container(horizontal=True):
        rows = {c: min(level, int(part["size"][c])) for c in chosen.clusters}
        _setter(f"Set {which} to {level:,}", text, "=", rows)
        _setter(f"Cap {which} at {level:,}", text, "<=", dict.fromkeys(rows, level))
        fixed, caps = by_hand(text)
        if any(c in fixed or c in caps for c in rows):
            _setter(f"Reset {which}", text, "", rows)
        reset_all("panel")


def _head(words: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(words, width="stretch")
        st.button("Close", icon=":material/close:", type="tertiary", on_click=_forget)


def _setter(label: str, text: str, sign: Literal["=", "<=", ""], rows: dict[int, int]) -> None:
    st.button(label, on_click=use, args=(put(text, sign, rows),))


def _read(
    cluster: int, made: Allocated, known: ClustersPreview, dataset: str, *, open_: bool
) -> None:
    """Read the rows of a cluster that are taken."""
    rows = taken_of(cluster, made.chosen, known)
    if not open_ and not st.toggle("Read the rows taken", key="selection:read-bar"):
        return
    st.caption(f"Taken of cluster {cluster}, in order of rank:")
    reader.reader(dataset, rows.tolist(), f"selection:bar:{cluster}")


def taken_of(cluster: int, chosen: Ints, known: ClustersPreview) -> Ints:
    """Return the chosen rows of a cluster, in order of rank."""
    of_it: Ints = chosen[known.labels[chosen] == cluster]
    return of_it


def _slid(cluster: int, key: str) -> None:
    use(put(st.session_state.get(QUOTAS) or "", "=", {cluster: int(st.session_state[key])}))


def use(text: str) -> None:
    """Set the quotas; call it from a callback, before the form is drawn."""
    st.session_state[QUOTAS] = text


def _forget() -> None:
    st.session_state[CHOSEN] = None
