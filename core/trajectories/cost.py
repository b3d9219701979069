"""What a proxy cost, counted once: for the bill of a selection and for `random_cost_matched`.

Tokens are prompt and response, cut to the proxy's window: what training goes through. Operations
are those of training and recording; k-means is next to nothing and is not counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.jobs.progress import duration
from core.trajectories.artifact import TrajectoriesSummary, load_flags
from core.workspace.artifact import EXTENDS, Artifact

TRAIN, FORWARD = 6.0, 2.0
"""Operations per parameter and token of a training step and of scoring (Kaplan et al. 2020,
section 2.1)."""
TRAINED = ("", "loss not finite")
"""Flags of the rows that the proxy was trained on."""


class TokenCounts(NamedTuple):
    """Tokens of selected rows, and of all rows that could be selected."""

    selected: float
    pool: float

    @property
    def share(self) -> float:
        """Tokens selected over those of the pool, 0 to 1."""
        return self.selected / self.pool


class ProxyCost(NamedTuple):
    """What was done before a selection could be made."""

    parameters: int
    epochs: float
    recordings: int
    """Passes over all rows that only score; 0 where the training's own losses were kept."""
    train_seconds: float
    record_seconds: float
    cluster_seconds: float
    tokens: float
    """Of the rows it was trained on."""

    @property
    def training(self) -> float:
        """Operations of the training."""
        return TRAIN * self.parameters * self.epochs * self.tokens

    @property
    def recording(self) -> float:
        """Operations of the recordings."""
        return FORWARD * self.parameters * self.recordings * self.tokens

    def sentence(self) -> str:
        """Say how long each part took."""
        return (
            f"Measured so far: training the proxy {duration(self.train_seconds)}, recording "
            f"{duration(self.record_seconds)}, clustering {duration(self.cluster_seconds)}."
        )


def operations(trajectories: Artifact) -> float:
    """Count the operations of training and recording.

    Raises:
        InputError: the losses were not recorded in a training here.
    """
    took = counted(trajectories)
    return took.training + took.recording


def tokens(trajectories: Artifact, rows: npt.ArrayLike) -> TokenCounts:
    """Return the tokens of these rows and of all rows that could be selected, these included."""
    flags = load_flags(trajectories)
    lengths = _lengths(trajectories)
    pool = (flags["flag"] == "").to_numpy(copy=True)
    chosen = np.asarray(rows, np.int64)
    pool[chosen] = True  # pinned rows need no loss
    return TokenCounts(float(lengths[chosen].sum()), float(lengths[pool].sum()))


def counted(trajectories: Artifact) -> ProxyCost:
    """Return what counts for operations, without seconds."""
    facts, config = trajectories.summary_as(TrajectoriesSummary), trajectories.config
    if not facts.get("parameters") or EXTENDS in trajectories.parents:
        raise InputError(
            f"{trajectories.id} was imported or extended, so what its proxy cost is not known; "
            "choose trajectories that were trained here"
        )
    free = config.get("record", "all") == "epoch"
    trained = load_flags(trajectories)["flag"].isin(TRAINED).to_numpy()
    return ProxyCost(
        parameters=int(facts["parameters"]),
        epochs=float(config["epochs"]),
        recordings=0 if free else int(facts["checkpoints"]),
        train_seconds=0.0,
        record_seconds=0.0,
        cluster_seconds=0.0,
        tokens=float(_lengths(trajectories)[trained].sum()),
    )


def _lengths(trajectories: Artifact) -> npt.NDArray[np.int64]:
    """Return the tokens of every row inside the window (n_rows,)."""
    longest = int(trajectories.config["max_length"])
    return load_flags(trajectories)["n_tokens"].clip(upper=longest).to_numpy(np.int64)
