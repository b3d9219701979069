"""Which rows the page is about: a cluster, an area or a finding, narrowed by search and filters.

All of it is plain data in the session (`clusters:*`), so that a link can carry it: see `links`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.arrays import Ints
from core.dataset import search
from core.dataset.search import Condition, FilterColumn
from core.errors import InputError
from core.trajectories.row_scores import labels
from core.workspace.artifact import Artifact
from dashboard.clusters import area as clusters_area
from dashboard.clusters import map as maps
from dashboard.clusters.preview import ClustersPreview
from dashboard.escape import plain
from dashboard.frame import data, state
from dashboard.frame.page_words import plain_words

OWN = labels("n_response", "first_loss", "final_loss", "drop", "forgetting")
"""Quantities of ours that rows can be filtered by."""
FILTERS = "clusters:filters"


class Picked(NamedTuple):
    """The rows to read and to act on."""

    rows: Ints
    """In order of row; empty if nothing is picked."""
    words: str
    """What they are, as people and data name it; empty if nothing is picked."""
    drawn: bool
    """Whether more than a cluster decides: then the map lights them up."""


def pick(artifact: Artifact, made: ClustersPreview, findings: dict[str, Ints]) -> Picked:
    """Return the rows picked on the page."""
    rows, words = _base(artifact, made, findings)
    narrowed = False
    for more, said in (_searched(artifact), _filtered(artifact, made)):
        if more is None:
            continue
        rows = more if rows is None else np.intersect1d(rows, more, assume_unique=True)
        words = f"{words}, {said}" if words else said
        narrowed = True
    if rows is None:
        return Picked(np.zeros(0, np.int64), "", False)
    drawn = narrowed or not words.startswith("in cluster")
    return Picked(rows, f"{len(rows):,} rows {words}", drawn)


def _base(
    artifact: Artifact, made: ClustersPreview, findings: dict[str, Ints]
) -> tuple[Ints | None, str]:
    area, finding = (st.session_state.get(f"clusters:{k}") for k in ("area", "finding"))
    if area:
        hit = _drawn(artifact, area)
        if hit is not None and len(hit) == len(made.labels):
            return np.flatnonzero(hit & (made.labels >= 0)), "in the area drawn on the map"
        st.session_state["clusters:area"] = None
        st.warning(
            "The map on which this area was drawn is not there for these trajectories any more, so "
            "no area is picked. Draw it again on a map of this page.",
            icon=":material/link_off:",
        )
    if finding in findings:
        return findings[finding], f"found: {finding}"
    cluster = st.session_state.get("clusters:cluster")
    if cluster is None:
        return None, ""
    name = made.table.set_index("cluster")["name"][cluster]
    return np.flatnonzero(made.labels == cluster), f"in cluster {cluster} ({name})"


def _drawn(artifact: Artifact, area: dict[str, Any]) -> npt.NDArray[np.bool_] | None:
    """Say which rows lie in an area; None where its map is gone."""
    try:
        return inside(artifact.id, area["map"], json.dumps(area, sort_keys=True))
    except (InputError, FileNotFoundError):
        return None


@st.cache_resource(max_entries=8, show_spinner=False)
def inside(id: str, map: str, area: str) -> npt.NDArray[np.bool_]:
    """Say which rows lie in an area (JSON) drawn on a map."""
    return clusters_area.inside(maps.points_of(id, map), json.loads(area))


def search_bar(artifact: Artifact, made: ClustersPreview) -> None:
    """Ask for a search, filters and a row to jump to."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Search all texts",
            key="clusters:search",
            type="search",
            live="500ms",
            placeholder="Search all texts",
            icon=":material/search:",
            label_visibility="collapsed",
            persist_state="session",
        )
        st.toggle(
            "Expression",
            key="clusters:regex",
            persist_state="session",
            help="Read the search as a regular expression (RE2); case does not count",
        )
        n = len(st.session_state.get(FILTERS, []))
        with st.popover(f"Filter ({n})" if n else "Filter", icon=":material/filter_alt:"):
            _filters(artifact, made)
    if problem := search_problem(artifact):
        st.error(plain_words(problem), icon=":material/error:")


def search_problem(artifact: Artifact) -> str:
    """Say what is wrong with the search, if anything is."""
    text, regex = (st.session_state.get(f"clusters:{k}") for k in ("search", "regex"))
    try:
        matches(artifact.ancestor("dataset").id, text or "", bool(regex))
    except InputError as e:
        return str(e)
    return ""


def _searched(artifact: Artifact) -> tuple[Ints | None, str]:
    text = st.session_state.get("clusters:search") or ""
    if not text or search_problem(artifact):
        return None, ""
    regex = bool(st.session_state.get("clusters:regex"))
    dataset = artifact.ancestor("dataset")
    kind = "matching" if regex else "with"
    return matches(dataset.id, text, regex), f"{kind} “{text}”"


@st.cache_data(max_entries=8, show_spinner="Searching")
def matches(dataset: str, text: str, regex: bool) -> Ints:
    """Return the rows of a dataset that a search finds."""
    return search.search(state.workspace().open(dataset, "dataset"), text, regex=regex)


@st.cache_data(max_entries=8, show_spinner=False)
def matching(dataset: str, condition: Condition) -> Ints:
    """Return the rows whose column of the input meets a condition."""
    return search.matching(
        state.workspace().open(dataset, "dataset"), [condition], data.columns(dataset)
    )


def filterable(artifact: Artifact, made: ClustersPreview) -> dict[str, FilterColumn]:
    """Return what rows can be filtered by, by its label: our quantities, then the input's."""
    frame = data.flags(artifact.id)
    dataset = artifact.ancestor("dataset")
    sources = frame["source"].cat.categories
    out = {"Source": FilterColumn("source", "category", tuple(map(str, sources)))}
    for label, name in OWN.items():
        low, high = data.span(artifact.id, name)
        out[label] = FilterColumn(name, "number", (), low, high)
    out["Truncated"] = FilterColumn("truncated", "category", ("yes", "no"))
    for column in data.columns(dataset.id):
        out[f"{column.name} (input)"] = column
    return out


def _filters(artifact: Artifact, made: ClustersPreview) -> None:
    known = filterable(artifact, made)
    stale = [f for f in st.session_state.get(FILTERS, []) if f not in known]
    if stale:  # of another dataset
        st.session_state[FILTERS] = [f for f in st.session_state[FILTERS] if f in known]
    chosen = st.multiselect(
        "Filter by", list(known), key=FILTERS, persist_state="session", placeholder="Any column"
    )
    for label in chosen:
        column, key = known[label], value_key(label)
        if column.kind == "category":
            _drop_unknown(key, column.values)
            st.multiselect(plain(label), column.values, key=key, persist_state="session")
        elif column.kind == "number" and column.low < column.high:
            low, high = column.low, column.high
            now = st.session_state.get(key)
            if now and not (low <= now[0] <= now[1] <= high):
                st.session_state[key] = (low, high)
            st.slider(plain(label), low, high, (low, high), key=key, persist_state="session")
        elif column.kind == "text":
            st.text_input(f"{plain(label)} contains", key=key, persist_state="session")


def _drop_unknown(key: str, options: tuple[str, ...]) -> None:
    if any(v not in options for v in st.session_state.get(key, [])):
        st.session_state[key] = [v for v in st.session_state[key] if v in options]


def value_key(label: str) -> str:
    """Name the widget that holds the value of a filter."""
    return f"clusters:filter:{label}"


def _filtered(artifact: Artifact, made: ClustersPreview) -> tuple[Ints | None, str]:
    chosen = st.session_state.get(FILTERS) or []
    known = filterable(artifact, made) if chosen else {}
    frame = data.flags(artifact.id)
    dataset = artifact.ancestor("dataset").id
    hit: npt.NDArray[np.bool_] | None = None
    said = []
    for label in chosen:
        column, value = known.get(label), st.session_state.get(value_key(label))
        if column is None or not value:
            continue
        condition, words = _condition(column, value)
        own = not label.endswith(" (input)")
        if own:
            mask = OWN_TESTS[column.kind](frame[column.name], condition)
        else:
            mask = np.zeros(len(frame), bool)
            mask[matching(dataset, condition)] = True
        hit = mask if hit is None else hit & mask
        said.append(f"{label} {words}")
    return (None, "") if hit is None else (np.flatnonzero(hit), ", ".join(said))


def _condition(column: FilterColumn, value: Any) -> tuple[Condition, str]:
    if column.kind == "category":
        shown = " or ".join(value[:3])
        more = f" or {len(value) - 3} more" if len(value) > 3 else ""
        return Condition(column.name, values=tuple(value)), f"is {shown}{more}"
    if column.kind == "number":
        low, high = map(float, value)
        return Condition(column.name, low=low, high=high), f"from {low:,.6g} to {high:,.6g}"
    return Condition(column.name, text=value), f"contains “{value}”"


def _one_of(values: pd.Series, condition: Condition) -> npt.NDArray[np.bool_]:
    if values.dtype == bool:
        return np.isin(values, [v == "yes" for v in condition.values])
    return values.isin(condition.values).to_numpy()


def _between(values: pd.Series, condition: Condition) -> npt.NDArray[np.bool_]:
    return values.between(condition.low, condition.high).to_numpy()


OWN_TESTS: dict[str, Callable[[pd.Series, Condition], npt.NDArray[np.bool_]]] = {
    "category": _one_of,
    "number": _between,
}
