"""How large a random selection is that costs what another selection cost."""

from __future__ import annotations

import dataclasses

import pandas as pd

from core.artifact import EXTENDS, Artifact
from core.pool import Match
from core.recorded import load_flags
from core.settings import check, setting
from core.store import Workspace

KMEANS_STEPS = 300
"""scikit-learn's most; what clustering costs is counted by it, and is small all the same."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Matching:
    """What a matched baseline is as large as."""

    match: str = setting(
        "",
        help="Selection id that random_token_matched and random_cost_matched are as large as",
        hidden=True,
    )
    target_parameters: float = setting(
        0.0,
        help="Parameters of the target, 410e6 for example: what a row of random_cost_matched costs",
        minimum=0,
        advanced=True,
    )
    target_epochs: float = setting(
        3.0, help="Epochs that the target is trained for, of random_cost_matched", above=0,
        advanced=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)


def measure(workspace: Workspace, wanted: Matching, dataset: Artifact, *, cost: bool) -> Match:
    """Return the size of the selection to match; with `cost`, enlarged by what its proxy cost.

    Operations are counted as 6 a parameter and token for training, 2 for recording. A row of the
    selection stands for a row drawn, so the rows grow by the proxy's operations over the target's
    on the selection.

    Raises:
        ValueError: it is no selection, of other data, or its proxy's cost is not known.
    """
    selection = workspace.open(wanted.match, "selection")
    if workspace.ancestor(selection, "dataset").id != dataset.id:
        raise ValueError(f"{selection.id} was drawn from another dataset than {dataset.name}")
    rows, tokens = selection.summary["rows"], selection.summary["response_tokens"]
    if not cost:
        if not tokens:
            raise ValueError(
                f"the response tokens of {selection.id} were not counted; match one that was drawn "
                "from trajectories or clusters"
            )
        return Match(rows, tokens)
    if not wanted.target_parameters:
        raise ValueError(
            "random_cost_matched needs the target's size: --target-parameters 410e6, for example"
        )
    try:
        trajectories = workspace.ancestor(selection, "trajectories")
    except ValueError:
        return Match(rows, tokens)  # no proxy, no cost
    flags = load_flags(trajectories)
    chosen = pd.read_parquet(selection.path / "table.parquet", columns=["row"])["row"]
    target = (
        6 * wanted.target_parameters * wanted.target_epochs
        * float(flags["n_tokens"].to_numpy()[chosen].sum())
    )  # fmt: skip
    spent = _proxy(trajectories, flags)
    if "clusters" in selection.parents:
        spent += _clustering(workspace.open(selection.parents["clusters"]), trajectories)
    return Match(round(rows * (1 + spent / target)), tokens)


def _proxy(trajectories: Artifact, flags: pd.DataFrame) -> float:
    """Count the operations of training and recording."""
    parameters = trajectories.summary.get("parameters")
    if not parameters or EXTENDS in trajectories.parents:
        raise ValueError(
            f"what {trajectories.name} cost is not known: it was imported or extended; match a "
            "selection by a proxy that was trained here"
        )
    epochs, recordings = trajectories.config["epochs"], trajectories.summary["checkpoints"]
    tokens = float(flags.loc[flags["flag"] == "", "n_tokens"].sum())
    return float(parameters * tokens * (6 * epochs + 2 * recordings))


def _clustering(clusters: Artifact, trajectories: Artifact) -> float:
    """Count the operations of k-means, at most."""
    rows, starts = clusters.summary["clustered"], 3
    width = trajectories.summary["checkpoints"]
    return float(3 * rows * clusters.summary["clusters"] * width * KMEANS_STEPS * starts)
