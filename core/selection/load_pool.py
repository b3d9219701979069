"""The rows that a selection may choose from: what a parent offers, less edits and filters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Bools, Float64s, Ints, by_id
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
    losses = np.zeros((len(frame), 0), np.float32)
    tokens = np.zeros(0, np.int64)
    labels = np.zeros(0, np.int32)
    embeddings, start = None, True
    if parent.kind != "dataset":
        trajectories = parent.ancestor("trajectories")
        losses = np.asarray(load_losses(trajectories))
        start = bool(load_steps(trajectories)[0] == 0)
        flags = load_flags(trajectories)
        tokens = flags["n_response"].to_numpy()
        usable &= np.isfinite(losses).all(1) & (flags["flag"] == "").to_numpy()
        by_hand &= (flags["flag"] != "holdout").to_numpy() & (tokens > 0)
        if (pooled := trajectories.path / POOLED).exists():
            embeddings = np.load(pooled, mmap_mode="r")
    config: dict[str, Any] = {"k": 1, "features": "raw", "include_start": False}
    if parent.kind == "clusters":
        labels = load_labels(parent)
        config = {**parent.config}
        config["include_start"] = from_start(trajectories, config["include_start"])
        usable &= labels >= 0
    usable |= by_hand
    by_people = np.asarray(excluded, np.int64)
    by_people = by_people[usable[by_people]]
    usable[by_people] = False
    ids = frame["id"].to_numpy()
    protected = np.concatenate([np.asarray(rows, np.int64) for rows in (pinned, kept)])

    def hard(rows: Ints) -> Bools:
        if embeddings is None:
            raise InputError(
                "--guard relative compares rows by their texts, and there are no embeddings: "
                + (
                    "select from trajectories or clusters"
                    if parent.kind == "dataset"
                    else "a proxy trained here with --record all keeps them"
                )
            )
        k = int(parent.config["k"]) if parent.kind == "clusters" else 0
        return harder_than_their_kind(embeddings, rows, losses[rows, -1], k)

    out = leave_out(filters or Filters(), usable, ids, tokens, examples, protected, hard)
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
        tokens=tokens[rows] if len(tokens) else tokens,
        losses=losses[rows],
        labels=labels[rows] if len(labels) else labels,
        k=int(config["k"]),
        features=config["features"],
        include_start=config["include_start"],
        excluded=len(by_people),
        filtered={reason: len(gone) for reason, gone in out.items()},
        left_out={EXCLUDED: by_people, **out},
        start=start,
        given=np.zeros(0) if given is None else given[rows],
        embeddings=embeddings,
    )
