"""What pages read from artifacts, cached by id: sealed artifacts never change."""

from __future__ import annotations

import pathlib
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core import edits as edit_log
from core import layout
from core.arrays import Ints
from core.clusters import statistics
from core.dataset import search
from core.dataset.artifact import examples_file
from core.edits.state import Edits
from core.layout.artifact import load_xy
from core.model import tokenizers
from core.training.reporting import load_metrics
from core.trajectories import artifact as recorded
from core.trajectories import row_scores
from dashboard.frame import state

CLUSTERING = threading.Lock()
"""k-means uses every core: one at a time in this server."""
SAMPLES = 50
POINTS = 20_000
"""Points drawn one by one; above, a raster of all rows."""


@st.cache_resource(max_entries=6, show_spinner=False)
def losses(id: str) -> npt.NDArray[np.float32]:
    """Return the losses (n_rows, n_checkpoints) of a trajectories artifact."""
    return np.asarray(recorded.load_losses(state.workspace().open(id)))


@st.cache_resource(max_entries=6, show_spinner=False)
def flags(id: str) -> pd.DataFrame:
    """Return the flags of a trajectories artifact, and what each row's losses amount to.

    Source and flag are categories: comparing a million texts would take longer than drawing them.
    """
    frame = recorded.load_flags(state.workspace().open(id))
    frame[["source", "flag"]] = frame[["source", "flag"]].astype("category")
    return pd.concat([frame, row_scores.scores(losses(id), start=steps(id)[0] == 0)], axis=1)


@st.cache_data(max_entries=64, show_spinner=False)
def span(id: str, column: str) -> tuple[float, float]:
    """Return the smallest and the largest known value of a quantity of the flags."""
    values = flags(id)[column]
    low, high = float(values.min()), float(values.max())
    return (low, high) if np.isfinite([low, high]).all() else (0.0, 0.0)


@st.cache_resource(max_entries=4, show_spinner=False)
def cartography(id: str) -> npt.NDArray[np.float32]:
    """Return the data map of a trajectories artifact: variability, confidence (n_rows, 2)."""
    return flags(id)[["variability", "confidence"]].to_numpy(np.float32)


def edits(dataset: str) -> Edits:
    """Return what people excluded, pinned, noted and named; read again when the log changed."""
    log = state.workspace().root / "edits" / f"{dataset}.jsonl"
    now = log.stat() if log.exists() else None
    return _edits(dataset, (now.st_size, now.st_mtime_ns, now.st_ino) if now else ())


@st.cache_resource(max_entries=12, show_spinner=False)
def _edits(dataset: str, version: tuple[int, ...]) -> Edits:
    return edit_log.read(state.workspace(), dataset)


@st.cache_data(max_entries=6, show_spinner=False)
def steps(id: str) -> list[int]:
    """Return the recorded steps of a trajectories artifact."""
    return [int(s) for s in recorded.load_steps(state.workspace().open(id))]


@st.cache_resource(max_entries=4, show_spinner="Loading the proxy's tokenizer")
def tokenizer(id: str) -> Any:
    """Return the tokenizer of a trajectories artifact's proxy."""
    return tokenizers.load_tokenizer(str(state.workspace().open(id).path / "proxy"))


def examples(dataset: str, rows: Ints | list[int], columns: str = "*") -> pd.DataFrame:
    """Fetch the texts of a page of rows, in the order given."""
    return search.fetch(state.workspace().open(dataset, "dataset"), rows, columns)


@st.cache_data(max_entries=8, show_spinner=False)
def lengths(dataset: str) -> pd.DataFrame:
    """Return the characters of every row's prompt and response, its source and split."""
    path = examples_file(state.workspace().open(dataset, "dataset"))
    with search.connect() as sql:
        return sql.execute(
            "select row, source, split, length(prompt) as prompt, length(response) as response "
            "from read_parquet(?) order by row",
            [str(path)],
        ).df()


@st.cache_data(max_entries=6, show_spinner=False)
def columns(dataset: str) -> list[search.FilterColumn]:
    """Return the columns of the input that rows can be filtered and coloured by."""
    return search.columns(state.workspace().open(dataset, "dataset"))


@st.cache_data(max_entries=6, show_spinner=False)
def overview(id: str) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Return loss quantiles over all measured rows a step, and up to 50 sampled trajectories."""
    values = losses(id)
    measured = np.flatnonzero(np.isfinite(values).all(1))
    # a column at a time: in one call a million rows took half again as long, and a copy of all
    q = [np.quantile(column[measured], statistics.QUANTILES) for column in values.T]
    rng = np.random.default_rng(0)
    sample = values[measured[np.sort(rng.permutation(len(measured))[:SAMPLES])]]
    return pd.DataFrame(q, columns=["q10", "q25", "q50", "q75", "q90"]), sample


@st.cache_data(max_entries=6, show_spinner=False)
def by_source(id: str, most: int = 12) -> tuple[pd.DataFrame, pd.Series]:
    """Return mean loss per source and step for the largest sources, and the sources' rows."""
    frame, values = flags(id), losses(id)
    measured = np.isfinite(values).all(1)
    source = frame["source"][measured].astype(str)
    counts = source.value_counts()
    if len(counts) > most:
        rest = counts.index[most - 1 :]
        source = source.where(~source.isin(rest), f"{len(rest)} other sources")
        counts = source.value_counts()
    means = pd.DataFrame(values[measured], columns=steps(id)).groupby(source.to_numpy()).mean()
    return means, counts


@st.cache_data(max_entries=6, show_spinner=False)
def range_of_losses(id: str) -> tuple[float, float]:
    """Return where nearly all losses lie: the 0.5th and the 99.5th percentile over all steps."""
    values = losses(id)
    measured = values[:: max(1, len(values) // 50_000)]
    low, high = np.nanquantile(measured, [0.005, 0.995])
    return float(low), float(high)


@st.cache_data(max_entries=6, show_spinner=False)
def pca(id: str, features: str, include_start: bool) -> npt.NDArray[np.float32]:
    """Return a quick map (n_rows, 2) to look at while there is no better one."""
    frame = flags(id)
    xy, _ = layout.place(
        losses(id),
        frame["id"].to_numpy(),
        features,
        include_start=include_start or steps(id)[0] > 0,
        method="pca",
        seed=0,
    )
    return xy


@st.cache_resource(max_entries=6, show_spinner=False)
def points(layout_id: str) -> npt.NDArray[np.float32]:
    """Return the xy of a layout (n_rows, 2)."""
    return load_xy(state.workspace().open(layout_id))


def metrics(folder: pathlib.Path) -> pd.DataFrame:
    """Return the training log of a run, finished or not: step, loss, lr."""
    return pd.DataFrame(load_metrics(folder), columns=["step", "loss", "lr"])
