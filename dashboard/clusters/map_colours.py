"""What the dots of a map are coloured by: the cluster, a quantity of ours, a column of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.dataset import search
from core.trajectories.row_scores import QUANTITIES, labels
from core.workspace.artifact import Artifact
from dashboard.charts import scales, theme
from dashboard.clusters.preview import ClustersPreview
from dashboard.frame import data, state

SHOWN = labels(
    "final_loss", "drop", "first_loss", "forgetting", "confidence", "variability", "n_response"
)
OTHERS = ("Cluster", "Source", "Mark")
MARKS = ("measured", "truncated", "excluded", "pinned")


class Colour(NamedTuple):
    """Colours of all rows of a map."""

    values: npt.NDArray[Any]
    """Category 0..k-1 (-1 grey) or quantity of each row (n_rows,)."""
    title: str
    colours: list[str] | None = None
    """`#rrggbb` of each category; None for a quantity."""
    names: dict[int, str] | None = None
    """Category -> name, for a key beside the map."""
    by_cluster: bool = False

    @property
    def mode(self) -> str:
        return "value" if self.colours is None else "category"


def ask(artifact: Artifact, made: ClustersPreview) -> Colour:
    """Ask what to colour by, and return the colours."""
    dataset = artifact.ancestor("dataset")
    own = [*OTHERS[:2], *SHOWN, OTHERS[2]]
    inputs = [f"{c.name} (input)" for c in data.columns(dataset.id) if c.kind != "text"]
    if st.session_state.get("clusters:colour") not in own + inputs:
        st.session_state["clusters:colour"] = own[0]
    by = st.selectbox(
        "Colour",
        own + inputs,
        key="clusters:colour",
        persist_state="session",
        label_visibility="collapsed",
        width=220,
        format_func="Colour: {}".format,
    )
    if by == "Cluster":
        return of_clusters(made)
    if by in SHOWN:
        name = SHOWN[by]
        return Colour(data.flags(artifact.id)[name].to_numpy(), QUANTITIES[name].axis)
    if by == "Source":
        return _categories(data.flags(artifact.id)["source"], "source", made)
    if by == "Mark":
        coded = pd.Categorical.from_codes(marks(artifact), pd.Index(MARKS))
        return _categories(pd.Series(coded), "mark", made)
    name = by.removesuffix(" (input)")
    kind = next(c.kind for c in data.columns(dataset.id) if c.name == name)
    values = column(dataset.id, name)
    if kind == "number":
        return Colour(values.to_numpy(float, na_value=np.nan), name)
    return _categories(values, name, made)


def of_clusters(made: ClustersPreview) -> Colour:
    """Colour by cluster; so many that no colours tell them apart, by their mean final loss."""
    if made.k <= theme.CLUSTER_LIMIT:
        return Colour(made.labels, "cluster", palette(made), by_cluster=True)
    final = made.table.set_index("cluster")["final_loss"].reindex(range(made.k)).to_numpy()
    values = np.where(made.labels >= 0, final[made.labels], np.nan)
    return Colour(values, "cluster's mean final loss (nats)", by_cluster=True)


def palette(made: ClustersPreview) -> list[str]:
    """Return the colour of every cluster, the same on all charts."""
    final = made.table.set_index("cluster")["final_loss"].reindex(range(made.k))
    return theme.palette(made.k, final.tolist())


@st.cache_resource(max_entries=4, show_spinner=False)
def column(dataset: str, name: str) -> pd.Series:
    """Return a column of the input for every row."""
    return search.values_of(state.workspace().open(dataset, "dataset"), name)


def marks(artifact: Artifact) -> npt.NDArray[np.int64]:
    """Return what is known or was decided of each row, as an index into MARKS."""
    edited = data.edits(artifact.ancestor("dataset").id)
    out = data.flags(artifact.id)["truncated"].to_numpy().astype(np.int64)
    out[edited.excluded], out[edited.pinned] = 2, 3
    return out


def _categories(values: pd.Series, title: str, made: ClustersPreview) -> Colour:
    """Colour by the commonest names among the clustered rows."""
    categories = scales.categories(values, made.labels >= 0)
    return Colour(categories.codes, title, categories.colours, categories.names)
