"""The pool that selectors choose from, and their answer."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, Float64s, Ints, Labels
from core.errors import InputError
from core.selection.s2l_options import Switches
from core.trajectories.features import features

PAPER = Switches()
NO_SOURCE = "all"
"""The source of every row of data that names none."""


EXCLUDED = "excluded by hand"


class Match(NamedTuple):
    """What a matched baseline is as large as."""

    rows: int
    tokens: int
    """Response tokens."""


class Inside(NamedTuple):
    """One source and the clusters inside it."""

    source: str
    rows: Ints
    """Positions in the pool."""
    labels: Labels


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The rows a selection may choose from, in order of id: measured, not held out, not excluded.

    Pinned rows are in it though they have no loss or no cluster; they stay, so selectors choose
    from measured rows only. Selectors speak in positions of this pool.
    """

    rows: Ints
    """Row of the dataset (n,)."""
    ids: npt.NDArray[np.object_]
    sources: npt.NDArray[np.object_]
    tokens: Ints
    """Response tokens (n,); empty without trajectories."""
    losses: Float32s
    """Trajectories (n, n_checkpoints), NaN where not measured; 0 columns without trajectories."""
    labels: npt.NDArray[np.int32]
    """Cluster (n,), -1 where there is none; empty without a clustering."""
    k: int
    features: str
    include_start: bool
    kept: Pool | None = None
    """Rows that are in already, not to choose from; they count where a budget is shared."""
    excluded: int = 0
    """Rows that would be here had nobody excluded them."""
    filtered: dict[str, int] = dataclasses.field(default_factory=dict)
    """Reason -> rows that would be here but for a filter."""
    left_out: dict[str, Ints] = dataclasses.field(default_factory=dict)
    """Reason -> which rows would be here: those of filters, and those that people excluded."""
    start: bool = True
    """Whether the first column is from before training."""
    embeddings: npt.NDArray[np.float16] | None = None
    """Mean hidden state of every row of the *dataset* (n_rows, width), memory-mapped."""
    queries: Float32s = dataclasses.field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """Unit vectors of what rows are to be like (n_queries, width); the embeddings are to match."""
    space: str = "embeddings"
    """What rows are compared by where likeness counts: embeddings or trajectories."""
    match: Match | None = None
    given: Float64s = dataclasses.field(default_factory=lambda: np.zeros(0))
    """Scores of another tool (n,), NaN where a row that stays has none; empty without."""
    rule: str = "top"
    """Which of those scores are wanted."""
    forgetting_rule: int = 2
    """How rows forgotten equally often are told apart, see the setting."""
    switches: Switches = PAPER
    inside: tuple[Inside, ...] = ()
    """The clusters inside each source, where a strategy needs them."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: Ints) -> Pool:
        """Return the pool of these positions, in this order."""
        parts = {
            name: value[positions] if len(value := getattr(self, name)) else value
            for name in ("rows", "ids", "sources", "tokens", "losses", "labels", "given")
        }
        return dataclasses.replace(self, **parts)

    def measured(self) -> npt.NDArray[np.bool_]:
        """Say which rows have a loss at every recording (n,); all without trajectories."""
        return np.asarray(np.isfinite(self.losses).all(1))

    def features_of(self, positions: Ints) -> Float32s:
        """Return what clusters compare rows by (n, n_features)."""
        return features(
            self.losses[positions],
            self.features,
            include_start=self.include_start or not self.start,
        )

    def points(self) -> tuple[Float32s, Float32s]:
        """Return unit vectors of the rows and of those kept (n, width), (n_kept, width).

        Kept rows without a loss are left out: the proxy knows nothing to compare them by.

        The inner product of two is their likeness. The mean of all is taken off first: pooled
        hidden states, and losses, share a direction that makes every cosine nearly 1.

        Raises:
            InputError: the trajectories hold no embeddings.
        """
        kept = np.flatnonzero(self.kept.measured()) if self.kept else np.zeros(0, np.int64)
        parts = [self, (self.kept or self).take(kept)]
        if self.space == "trajectories":
            points = [part.features_of(np.arange(len(part))) for part in parts]
        elif self.embeddings is None:
            raise InputError(
                "these trajectories hold no embeddings, so rows cannot be compared by them; "
                "compare by losses with --space trajectories"
            )
        else:
            points = [np.asarray(self.embeddings[part.rows], np.float32) for part in parts]
        x = np.concatenate(points)
        x -= x.mean(0)
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return x[: len(self)], x[len(self) :]


class Choice(NamedTuple):
    """A selector's answer, in order of rank."""

    positions: Ints
    reasons: list[str]


def shuffled(parts: list[Choice], rng: np.random.Generator) -> Choice:
    """Join and mix, so that rank says nothing about the group."""
    positions = np.concatenate([np.zeros(0, np.int64), *(p.positions for p in parts)])
    reasons = [r for p in parts for r in p.reasons]
    order = rng.permutation(len(positions))
    return Choice(positions[order], [reasons[i] for i in order])
