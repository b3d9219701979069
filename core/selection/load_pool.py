"""The rows that a selection may choose from: what a parent offers, less edits and filters."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Bools, Float64s, Ints, Labels, Losses, by_id
from core.clusters.artifact import load_labels
from core.dataset.artifact import examples_file
from core.edits.log import Rows
from core.errors import InputError
from core.selection.filters import Filters, leave_out
from core.selection.given_scores import NO_SCORE
from core.selection.pool import EXCLUDED, Pool
from core.selection.strategies.catalog import STRATEGIES
from core.selection.suspects import harder_than_their_kind
from core.trajectories.artifact import POOLED, from_start, load_flags, load_losses, load_steps
from core.workspace.artifact import Artifact


class _Measured(NamedTuple):
    """What a proxy and a clustering say of each row of a dataset."""

    losses: Losses
    """Nats per response token (n_rows, n_checkpoints), of a dataset without columns."""
    usable: Bools
    """Whether it has a loss, and a cluster where rows are clustered (n_rows,)."""
    trainable: Bools
    """Whether it may be put in by hand (n_rows,)."""
    tokens: Ints = np.zeros(0, np.int64)
    labels: Labels = np.zeros(0, np.int32)
    k: int = 1
    features: str = "raw"
    include_start: bool = False
    start: bool = True
    embeddings: npt.NDArray[np.float16] | None = None


def load_pool(
    parent: Artifact,
    strategy: str,
    excluded: Rows = (),
    filters: Filters | None = None,
    pinned: Rows = (),
    kept: Rows = (),
    given: Float64s | None = None,
) -> Pool:
    """Read what a strategy needs from its parent, but for rows excluded or filtered.

    Rows without a loss, or that a clustering left out, cannot be selected unless somebody pinned
    them. Rows held out for testing cannot at all, nor rows without a response token within the
    proxy's window: nothing of them is trained on.

    Args:
        parent: A dataset, trajectories or clusters.
        filters: What else is taken out; nothing where left out.
        pinned: Rows that are in though they have no loss or no cluster; no filter takes them out.
        kept: Other rows that no filter takes out.
        given: Scores of the dataset's rows (n_rows,), where the strategy goes by such; rows without
            one, NaN, cannot be chosen.

    Raises:
        InputError: the parent lacks trajectories or clusters that the strategy needs.
    """
    needs = STRATEGIES[strategy].needs
    if needs == "clusters" and parent.kind != "clusters":
        raise InputError(f"{strategy} needs clusters; {parent.id} is a {parent.kind}")
    if needs != "dataset" and parent.kind == "dataset":
        raise InputError(f"{strategy} needs trajectories; {parent.id} is a dataset")
    dataset = parent.ancestor("dataset")
    examples = examples_file(dataset)
    frame = pd.read_parquet(examples, columns=["row", "id", "source", "split"])
    usable = (frame["split"] == "pool").to_numpy(copy=True)
    by_hand = np.zeros(len(frame), bool)
    by_hand[np.asarray(pinned, np.int64)] = True
    by_hand &= usable
    of = _measured(parent, len(frame))
    usable &= of.usable
    by_hand &= of.trainable
    usable |= by_hand
    by_people = np.asarray(excluded, np.int64)
    by_people = by_people[usable[by_people]]
    usable[by_people] = False
    ids = frame["id"].to_numpy()
    protected = np.concatenate([np.asarray(rows, np.int64) for rows in (pinned, kept)])

    hard = functools.partial(_suspected, parent, of)
    out = leave_out(filters or Filters(), usable, ids, of.tokens, examples, protected, hard)
    if given is not None:
        without = np.flatnonzero(usable & np.isnan(given))
        without = np.setdiff1d(without, [*protected, *itertools.chain(*out.values())])
        out |= {NO_SCORE: without} if len(without) else {}
    for gone in out.values():
        usable[gone] = False
    rows = frame["row"][usable].to_numpy()
    rows = rows[by_id(ids[rows])]
    return Pool(
        rows=rows,
        ids=ids[rows],
        sources=frame["source"].to_numpy()[rows],
        tokens=of.tokens[rows] if len(of.tokens) else of.tokens,
        losses=of.losses[rows],
        labels=of.labels[rows] if len(of.labels) else of.labels,
        k=of.k,
        features=of.features,
        include_start=of.include_start,
        excluded=len(by_people),
        filtered={reason: len(gone) for reason, gone in out.items()},
        left_out={EXCLUDED: by_people, **out},
        start=of.start,
        given=np.zeros(0) if given is None else given[rows],
        embeddings=of.embeddings,
    )


def _measured(parent: Artifact, n: int) -> _Measured:
    """Return what is known of so many rows beyond their texts; of a dataset nothing."""
    if parent.kind == "dataset":
        return _Measured(np.zeros((n, 0), np.float32), np.ones(n, bool), np.ones(n, bool))
    trajectories = parent.ancestor("trajectories")
    losses, flags = np.asarray(load_losses(trajectories)), load_flags(trajectories)
    tokens, pooled = flags["n_response"].to_numpy(), trajectories.path / POOLED
    of = _Measured(
        losses,
        np.isfinite(losses).all(1) & (flags["flag"] == "").to_numpy(),
        (flags["flag"] != "holdout").to_numpy() & (tokens > 0),
        tokens=tokens,
        start=bool(load_steps(trajectories)[0] == 0),
        embeddings=np.load(pooled, mmap_mode="r") if pooled.exists() else None,
    )
    if parent.kind != "clusters":
        return of
    labels, config = load_labels(parent), parent.config
    return of._replace(
        usable=of.usable & (labels >= 0),
        labels=labels,
        k=int(config["k"]),
        features=config["features"],
        include_start=from_start(trajectories, config["include_start"]),
    )


def _suspected(parent: Artifact, of: _Measured, rows: Ints) -> Bools:
    """Say which rows the guard suspects.

    Raises:
        InputError: there is nothing to compare texts by.
    """
    if of.embeddings is None:
        raise InputError(
            "--guard relative compares rows by their texts, and there are no embeddings: "
            + (
                "select from trajectories or clusters"
                if parent.kind == "dataset"
                else "a proxy trained here with --record all keeps them"
            )
        )
    k = of.k if parent.kind == "clusters" else 0
    return harder_than_their_kind(of.embeddings, rows, of.losses[rows, -1], k)
