"""When to use S2L: what a person's own data says, by rules that each rest on an experiment.

The experiments are those of docs/evidence.md: small models and generated data. So this says which
comparison is worth running first, and never that an arm will win.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from core.arrays import Ints
from core.dataset.artifact import examples_file
from core.dataset.duplicates import near_duplicates
from core.selection.pool import NO_SOURCE
from core.selection.suspects import harder_than_their_kind
from core.trajectories.artifact import POOLED, load_flags, load_losses
from core.workspace.artifact import Artifact

Experiment = Literal["redundancy", "mixture", "noise", "draws", "noninferior"]

UNEVEN = 0.95
"""Entropy of the sources, 1 where all are equally common, below which a mixture is uneven: that of
the generated mixtures was 0.88 to 0.91."""
REPETITIVE = 0.2
"""Share of near-duplicates from which a pool repeats itself: a planted one had 0.24, a mixture
0.08."""
SUSPECTS = "0, 39 and 75%"
"""Of rows harder than their kind, how many had wrong answers where 0, 10 and 30% of all had; such
rows were 14, 16 and 12% of all, so their number tells nothing, and reading them does."""
SMALL, LARGE = 1_000, 20_000
"""Rows outside of which no experiment was: those had 3,110 and 3,384."""
LOOKED_AT = 5_000
"""Rows compared for near-duplicates, drawn with seed 0 where there are more."""
JUDGED = 50_000
"""Rows judged among texts of their kind, drawn with seed 0 where there are more."""
SHOWN = 5


class Facts(NamedTuple):
    """What is known of a pool."""

    rows: int
    sources: tuple[int, ...] = ()
    """Rows of each named source; none where the data names no sources."""
    repeated: float = 0.0
    """Share of near-duplicates of an earlier row, of those looked at."""
    hard: Ints = np.zeros(0, np.int64)
    """Rows of the dataset that are harder than texts of their kind, the hardest first."""
    measured: int = 0
    """Rows that were judged so; 0 before a proxy was trained."""

    @property
    def evenness(self) -> float:
        """Entropy of the named sources over its largest possible value; 1 for fewer than two."""
        share = np.array([n for n in self.sources if n], float) / max(1, sum(self.sources))
        if len(share) < 2:
            return 1.0
        return float(-(share * np.log(share)).sum() / np.log(len(share)))


class Reason(NamedTuple):
    """One thing that the data says, and the experiment that gives it its weight."""

    sentence: str
    experiment: Experiment

    @property
    def link(self) -> str:
        """Where the experiment is told."""
        return f"docs/evidence.md#{self.experiment}"


class Advice(NamedTuple):
    """What to do, and why."""

    sentence: str
    reasons: list[Reason]
    examples: Ints
    """Rows to read, the hardest beside texts of their kind."""


def facts_of(dataset: Artifact, trajectories: Artifact | None = None) -> Facts:
    """Count what the rules go by: rows, sources, near-duplicates and, with a proxy, hard rows."""
    path = examples_file(dataset)
    table = pq.read_table(path, columns=["row", "source", "split"]).to_pandas()
    table = table[table["split"] == "pool"]
    counts = table["source"].value_counts()
    named = tuple(counts.tolist()) if set(counts.index) != {NO_SOURCE} else ()
    rows = table["row"].to_numpy()
    some = np.sort(np.random.default_rng(0).permutation(rows)[:LOOKED_AT])
    repeated = len(near_duplicates(path, some)) / max(1, len(some))
    hard, measured = np.zeros(0, np.int64), 0
    if trajectories is not None and (pooled := trajectories.path / POOLED).exists():
        flags, losses = load_flags(trajectories), np.asarray(load_losses(trajectories))
        there = np.isfinite(losses).all(1) & (flags["flag"] == "").to_numpy()
        judged = np.flatnonzero(there)
        drawn = np.random.default_rng(0).permutation(len(judged))[:JUDGED]
        judged = judged[np.sort(drawn)]
        final = losses[judged, -1]
        share = harder_than_their_kind(np.load(pooled, mmap_mode="r"), judged, final)
        hard = judged[share][np.argsort(-final[share], kind="stable")]
        measured = len(judged)
    return Facts(len(rows), named, repeated, hard, measured)


def advise(facts: Facts) -> Advice:
    """Return one sentence and the reasons for it, the weightiest first."""
    reasons, sentence = [], ""
    if len(facts.sources) > 1:
        sentence = (
            f"Your data names its {len(facts.sources):,} sources: compare S2L with drawing evenly "
            "over them, not with random alone."
        )
        reasons.append(_sources(facts))
    if facts.repeated >= REPETITIVE:
        sentence = sentence or (
            "Your data repeats itself: S2L keeps rare kinds that random draws miss, if the rare is "
            "what you want."
        )
        reasons.append(_repeated(facts))
    if not sentence:
        sentence = (
            "Nothing here speaks for S2L or against it: compare it with random draws, and expect "
            "little."
        )
    if len(facts.hard):
        reasons.append(_noise(facts))
    if not SMALL <= facts.rows <= LARGE:
        reasons.append(_size(facts))
    return Advice(sentence, reasons, facts.hard[:SHOWN])


def in_lines(advice: Advice) -> list[str]:
    """Write advice for a terminal: the sentence, and a line a reason."""
    reasons = [f"      {reason.sentence} ({reason.link})" for reason in advice.reasons]
    return [f"when to use S2L: {advice.sentence}", *reasons]


def _noise(facts: Facts) -> Reason:
    some = " looked at" if facts.measured == JUDGED else ""
    return Reason(
        f"{len(facts.hard):,} of {facts.measured:,} rows{some} stay harder than texts of their "
        "kind. "
        f"Read some: {SUSPECTS} of such rows were wrong where 0, 10 and 30% of all answers were; "
        "their number alone does not tell.",
        "noise",
    )


def _sources(facts: Facts) -> Reason:
    uneven = (
        f"unevenly filled (entropy {facts.evenness:.2f} of 1)"
        if facts.evenness < UNEVEN
        else f"about evenly filled (entropy {facts.evenness:.2f} of 1), so there is little to even"
    )
    return Reason(f"Its {len(facts.sources):,} sources are {uneven}.", "mixture")


def _repeated(facts: Facts) -> Reason:
    return Reason(
        f"{100 * facts.repeated:.0f}% of the rows looked at nearly repeat an earlier one. "
        "On such data S2L trained 0.40 nats better than random on a test that asks every kind "
        "alike, and 0.11 worse on one that asks them as often as the pool has them.",
        "redundancy",
    )


def _size(facts: Facts) -> Reason:
    return Reason(
        f"It has {facts.rows:,} rows; the experiments had 3,110 and 3,384, so take them as a hint.",
        "noninferior",
    )
