"""What the dots of a map are coloured by: the cluster, a quantity of ours, a column of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core import search
from core.artifact import Artifact
from dashboard import data, picking, state, theme
from dashboard.data import Preview

QUANTITIES = {
    "Final loss": "final_loss",
    "Loss drop": "drop",
    "First loss": "first_loss",
    "Forgetting": "forgetting",
    "Confidence": "confidence",
    "Variability": "variability",
    "Response tokens": "n_response",
}
OTHERS = ("Cluster", "Source", "Mark")
MARKS = ("measured", "truncated", "excluded", "pinned")
CATEGORIES = 40
"""Categories of a column that get a colour; the others are grey."""


class Colour(NamedTuple):
    """Colours of all rows of a map."""

    values: npt.NDArray[Any]
    """Category 0..k-1 (-1 grey) or quantity of each row (n_rows,)."""
    mode: str
    """category or value."""
    k: int
    title: str
    names: Mapping[int, str] | None
    """Category -> name, for a key beside the map."""
    palette: tuple[str, ...]
    by_cluster: bool
    clusters: npt.NDArray[np.int32]


def ask(artifact: Artifact, made: Preview, chosen: int | None) -> Colour:
    """Ask what to colour by, and return the colours."""
    dataset = state.workspace().ancestor(artifact, "dataset")
    own = [*OTHERS[:2], *QUANTITIES, OTHERS[2]]
    inputs = [f"{c.name} (input)" for c in picking.columns(dataset.id) if c.kind != "text"]
    if st.session_state.get("clusters:colour") not in own + inputs:
        st.session_state["clusters:colour"] = own[0]
    by = st.selectbox(
        "Colour", own + inputs, key="clusters:colour", persist_state="session",
        label_visibility="collapsed", width=220, format_func="Colour: {}".format,
    )  # fmt: skip
    if by == "Cluster":
        return _clusters(made, chosen)
    if by in QUANTITIES:
        return _quantity(data.flags(artifact.id)[QUANTITIES[by]].to_numpy(), by.lower(), made)
    if by == "Source":
        source = data.flags(artifact.id)["source"].cat
        return _categories(source.codes.to_numpy(), list(source.categories), "source", made)
    if by == "Mark":
        return _categories(marks(artifact), list(MARKS), "mark", made)
    name = by.removesuffix(" (input)")
    kind = next(c.kind for c in picking.columns(dataset.id) if c.name == name)
    values = column(dataset.id, name)
    if kind == "number":
        return _quantity(values.to_numpy(float, na_value=np.nan), name, made)
    coded = values.astype(str).astype("category").cat
    return _categories(coded.codes.to_numpy(), list(coded.categories), name, made)


@st.cache_resource(max_entries=4, show_spinner=False)
def column(dataset: str, name: str) -> pd.Series:
    """Return a column of the input for every row."""
    return search.values_of(state.workspace().open(dataset, "dataset"), name)


def marks(artifact: Artifact) -> npt.NDArray[np.int64]:
    """Return what is known or was decided of each row, as an index into MARKS."""
    edited = data.edits(state.workspace().ancestor(artifact, "dataset").id)
    out = data.flags(artifact.id)["truncated"].to_numpy().astype(np.int64)
    out[edited.excluded], out[edited.pinned] = 2, 3
    return out


def _clusters(made: Preview, chosen: int | None) -> Colour:
    colours = theme.cluster_colours(made.k)
    if colours is None and chosen is None:  # so many have no colours of their own
        means = made.table.set_index("cluster")["final_loss"].reindex(range(made.k)).to_numpy()
        values = np.where(made.labels >= 0, means[made.labels], np.nan)
        return Colour(values, "value", made.k, "cluster's mean final loss", None, (), True,
                      made.labels)  # fmt: skip
    palette = colours or (theme.ACCENT,) * made.k
    return Colour(made.labels, "category", made.k, "cluster", None, palette, True, made.labels)


def _quantity(values: npt.NDArray[Any], title: str, made: Preview) -> Colour:
    return Colour(values, "value", 0, title, None, (), False, made.labels)


def _categories(
    codes: npt.NDArray[Any], names: list[Any], title: str, made: Preview
) -> Colour:
    """Number categories by their rows, most first; those beyond the palette are grey."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(names) + 1, np.int64)
    place[order] = np.arange(len(names))
    place[-1] = -1
    values = place[codes]
    k = min(len(names), CATEGORIES)
    values[values >= k] = -1
    shown = {i: str(names[order[i]]) for i in range(k)}
    if len(names) > k:
        shown[-1] = f"{len(names) - k} others"
    return Colour(values, "category", k, title, shown, theme.cluster_colours(k) or (), False,
                  made.labels)  # fmt: skip
