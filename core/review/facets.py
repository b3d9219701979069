"""Facets: what every row of a pool is compared by, and how far two sets of rows are apart.

A facet's values become codes 0..m-1 in their own order once, so that every distance between sets of
rows is a few passes over counts, at a million rows too. A new facet is one entry in FACETS.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Float64s, Ints, Losses
from core.clusters.artifact import load_labels
from core.dataset.artifact import examples_file, original_file
from core.dataset.search import columns, connect, quoted
from core.edits.log import Rows
from core.errors import InputError
from core.trajectories.artifact import load_flags, load_losses
from core.trajectories.row_scores import QUANTITIES
from core.workspace.artifact import Artifact

FacetKind = Literal["category", "number"]
BINS = 10
ONCE, COPIED = "once", "has copies"
OWN = "column:"
"""Before the name of a category of the input, so that it is no other facet's."""
OWN_MOST = 4
NO_VALUE = "(none)"


class Known(NamedTuple):
    """What is known of all rows of a dataset; None where the lineage does not go so far."""

    rows: pd.DataFrame
    """row, id, source, prompt (characters) and text, equal for equal prompts and responses."""
    flags: pd.DataFrame | None
    losses: Losses | None
    """Nats per response token (n_rows, n_checkpoints)."""
    labels: pd.Series | None
    """Cluster, missing for none."""


class Facet(NamedTuple):
    """One thing that rows differ in."""

    label: str
    unit: str
    """Of a number; empty for a category."""
    kind: FacetKind
    values: Callable[[Known], Any] = lambda known: None
    """Its value of every row (n_rows,); None where that is not known."""


def _of_losses(values: Callable[[Losses], Any]) -> Callable[[Known], Any]:
    return lambda known: None if known.losses is None else values(known.losses)


def _number(name: str, values: Callable[[Known], Any]) -> Facet:
    return Facet(QUANTITIES[name].title, QUANTITIES[name].unit, "number", values)


FACETS = {
    "source": Facet("sources", "", "category", lambda known: known.rows["source"]),
    "cluster": Facet("clusters", "", "category", lambda known: known.labels),
    "copies": Facet(
        "duplicates",
        "",
        "category",
        lambda known: np.where(known.rows["text"].duplicated(keep=False), COPIED, ONCE),
    ),
    "prompt": Facet("prompt length", "characters", "number", lambda known: known.rows["prompt"]),
    "response": _number(
        "n_response", lambda known: None if known.flags is None else known.flags["n_response"]
    ),
    "first_loss": _number("first_loss", _of_losses(lambda losses: losses[:, 0])),
    "final_loss": _number("final_loss", _of_losses(lambda losses: losses[:, -1])),
    "drop": _number("drop", _of_losses(lambda losses: losses[:, 0] - losses[:, -1])),
    "difficulty": _number(
        "difficulty",
        _of_losses(lambda losses: losses[:, min(1, losses.shape[1] - 1) :].mean(1, dtype=float)),
    ),
}


def of(frame: pd.DataFrame) -> dict[str, Facet]:
    """Return the facets that a frame has; the input's own categories, topics say, after sources."""
    own = {
        n: Facet(n.removeprefix(OWN), "", "category") for n in map(str, frame) if n.startswith(OWN)
    }
    known = {n: f for n, f in FACETS.items() if n in frame}
    return {n: known.pop(n) for n in ("source",) if n in known} | own | known


def load(artifact: Artifact, also: Rows = ()) -> pd.DataFrame:
    """Return what is known of every row that could be selected, in order of id.

    Columns: row, id, text (equal for equal prompts and responses), and of the facets those that the
    artifact and its ancestors have: a selection made from a dataset alone has neither losses nor
    clusters. The first four categories of the input besides the source are facets, too. Rows held
    out or not measured are not in it, but for those named; what such a row does not have, a loss or
    a cluster, is missing.

    Args:
        artifact: A dataset, trajectories, clusters, or a selection.
        also: Rows that are in though they were not measured: pinned ones.
    """
    dataset = artifact.ancestor("dataset")
    with connect() as sql:
        frame = sql.execute(
            "select row, id, source, split, length(prompt) as prompt, hash(prompt, response) as "
            "text from read_parquet(?) order by row",
            [str(examples_file(dataset))],
        ).df()
    usable = (frame.pop("split") == "pool").to_numpy(copy=True)
    known = Known(frame, None, None, None)
    if _has(artifact, "trajectories"):
        trajectories = artifact.ancestor("trajectories")
        flags = load_flags(trajectories)
        usable &= (flags["flag"] == "").to_numpy()
        known = known._replace(flags=flags, losses=load_losses(trajectories))
    if _has(artifact, "clusters"):
        labels = pd.Series(load_labels(artifact.ancestor("clusters")))
        known = known._replace(labels=labels.astype("Int32").mask(labels < 0))
    values = {name: facet.values(known) for name, facet in FACETS.items()}
    frame = frame.assign(**{name: value for name, value in values.items() if value is not None})
    usable[np.asarray(also, np.int64)] = True
    frame = pd.concat([frame, _own_categories(dataset)], axis=1)[usable]
    own = [n for n in map(str, frame) if n.startswith(OWN)]
    idle = [n for n in own if frame[n].nunique() < 2 or frame[n].equals(frame["source"])]
    idle += [n for n in own if n not in idle][OWN_MOST:]
    return frame.drop(columns=idle).sort_values("id", ignore_index=True)


def _own_categories(dataset: Artifact) -> pd.DataFrame:
    """Return the input's columns of a few texts each (n_rows, n_columns)."""
    names = [c.name for c in columns(dataset) if c.kind == "category"]
    casts = ", ".join(f"{quoted(name)}::varchar as {quoted(OWN + name)}" for name in names)
    with connect() as sql:
        frame = sql.execute(
            f"select {casts or 'row'} from read_parquet(?)",
            [str(original_file(dataset) if names else examples_file(dataset))],
        ).df()
    return frame[[OWN + name for name in names]].fillna(NO_VALUE)


def _has(artifact: Artifact, kind: str) -> bool:
    """Say whether an artifact of this kind is the artifact or among its ancestors."""
    if artifact.kind == kind:
        return True
    made_from = (p for name, p in artifact.parents.items() if name in ("clusters", "trajectories"))
    return any(_has(artifact.open(parent), kind) for parent in made_from)


def positions(frame: pd.DataFrame, rows: npt.ArrayLike) -> Ints:
    """Return where these rows of the dataset stand in the frame, in their order.

    Raises:
        InputError: a row is not in it, or there is none.
    """
    asked = np.asarray(rows, np.int64)
    places: Ints = np.asarray(pd.Index(frame["row"]).get_indexer(pd.Index(asked)), np.int64)
    if not len(asked):
        raise InputError("the selection has no row, so there is nothing to compare; select some")
    if (missing := int((places < 0).sum())) > 0:
        raise InputError(
            f"{missing:,} of {len(asked):,} selected rows are not in the pool compared with; "
            "compare with the pool that they were selected from"
        )
    return places


class Coded(NamedTuple):
    """A facet of a pool, ready to be counted."""

    codes: Ints
    """Place of every row's value in the order of the distinct values (n_rows,); -1: missing."""
    size: int
    """Distinct values."""
    bins: Ints
    """Group of every row (n_rows,): a category, or a quantile bin of the pool; -1: missing."""
    labels: list[str]
    """Of the groups."""
    edges: Float64s
    """Lowest value of each bin, and the highest of the last (n_bins + 1,); empty for categories."""


def code(values: pd.Series, kind: FacetKind) -> Coded:
    """Number a facet's values; numbers also fall into at most ten bins of about equal size."""
    if kind == "category":
        codes, names = pd.factorize(values, sort=True)
        codes = codes.astype(np.int64)
        return Coded(codes, len(names), codes, [str(n) for n in names], np.zeros(0))
    numbers = values.to_numpy(np.float64)
    there = ~np.isnan(numbers)
    distinct, known = np.unique(numbers[there], return_inverse=True)
    codes, bins = np.full((2, len(numbers)), -1)
    codes[there] = known
    if not len(known):
        return Coded(codes, 0, bins, [], np.zeros(0))
    ordered = np.sort(known)
    firsts = ordered[np.arange(BINS) * len(ordered) // BINS]  # equal values stay in one bin
    firsts = np.unique(np.append(0, firsts))
    bins[there] = np.searchsorted(firsts, known, side="right") - 1
    edges = np.append(distinct[firsts], distinct[-1])
    labels = [f"{a:.3g} to {b:.3g}" for a, b in itertools.pairwise(edges)]
    return Coded(codes, len(distinct), bins, labels, edges)


def shares(codes: Ints, size: int) -> Float64s:
    """Return the share of every code among those that are not missing (size,)."""
    counts = np.bincount(codes[codes >= 0], minlength=size)
    return counts / max(1, int(counts.sum()))


def distance(p: Float64s, q: Float64s, kind: FacetKind) -> float:
    """Say how far two distributions over the same ordered values are apart, from 0 to 1.

    Categories: total variation, half of sum |p - q|: the share of rows that would have to change
    their category. Numbers: Kolmogorov-Smirnov, max |P - Q| of the cumulative shares: no bins, and
    no unit, so that lengths and losses compare.
    """
    if kind == "category":
        return float(np.abs(p - q).sum() / 2)
    return float(np.abs(np.cumsum(p - q)).max())
