"""Costs: what proxy, recordings and clustering took, against the target training that is saved.

All for equal epochs. With equal steps a selection saves no target compute at all.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import pandas as pd

from core.clusters.artifact import ClustersSummary
from core.errors import InputError
from core.finetune.artifact import FinetuneSummary
from core.jobs.progress import duration
from core.selection.artifact import load_rows
from core.training.settings import epochs_of
from core.trajectories import cost
from core.trajectories.artifact import TrajectoriesSummary
from core.trajectories.cost import TRAIN, ProxyCost, TokenCounts
from core.workspace.artifact import Artifact

EQUAL_STEPS = (
    "With equal steps every arm trains the target equally long: a selection then saves data, never "
    "the target's compute, and proxy, recordings and clustering come on top."
)
PROXY, RECORDING, CLUSTERING = "proxy", "recording", "clustering"
TARGET, FULL = "target, selected rows", "target, all rows"
SELECTED_ARM, FULL_ARM = "selection", "all rows"


class MeasuredTarget(NamedTuple):
    """A fine-tune that was measured."""

    parameters: int
    seconds: float
    epochs: float
    share: float
    """Tokens of its rows over those of the pool."""
    with_test: bool
    """Whether the seconds hold its test too: older fine-tunes did not count the training apart."""


class Bill(NamedTuple):
    """The costs of a selection and of training on everything, in one unit."""

    unit: Literal["operations", "seconds"]
    share: float
    """Tokens selected over tokens of the pool, 0 to 1."""
    proxy: float
    recording: float
    clustering: float
    target: float
    """Training the target on the selected rows."""
    full: float
    """Training the target on all rows, for as many epochs."""
    with_test: bool = False
    """Whether the target's seconds hold its test too."""

    @property
    def before(self) -> float:
        """What is spent before the target trains."""
        return self.proxy + self.recording + self.clustering

    @property
    def pays(self) -> bool:
        """Whether selecting and training on the selection costs less than training on all rows."""
        return self.before + self.target < self.full

    @property
    def break_even(self) -> float:
        """Share of the tokens below which it pays; 0 or less if no budget does."""
        return 1 - self.before / self.full

    @property
    def runs(self) -> int:
        """Fine-tunes of this target that share the selection, until it pays; 0 if never."""
        saved = self.full - self.target
        return math.floor(self.before / saved) + 1 if saved > 0 else 0

    def table(self) -> pd.DataFrame:
        """Return the bars: arm, part, value."""
        lines = [
            (FULL_ARM, FULL, self.full),
            (SELECTED_ARM, PROXY, self.proxy),
            (SELECTED_ARM, RECORDING, self.recording),
            (SELECTED_ARM, CLUSTERING, self.clustering),
            (SELECTED_ARM, TARGET, self.target),
        ]
        return pd.DataFrame(lines, columns=["arm", "part", "value"])

    def sentence(self) -> str:
        """Say whether it pays, and from where."""
        whole = "training on all rows"
        first = (
            f"Proxy, recordings and clustering took {duration(self.before)}; {whole} would take "
            f"{duration(self.full)}, on {100 * self.share:.1f}% of the tokens "
            f"{duration(self.target)}, as measured."
            if self.unit == "seconds"
            else "In operations, proxy and recordings cost "
            f"{100 * self.before / self.full:.1f}% of {whole}, and the target on the selection "
            f"{100 * self.share:.1f}%."
        )
        first += " The target's time holds its test too." if self.with_test else ""
        if self.pays:
            total = (self.before + self.target) / self.full
            return (
                f"{first} With equal epochs the selection pays: {100 * total:.0f}% of the cost in "
                f"all; it would up to a budget of {100 * self.break_even:.1f}% of the tokens."
            )
        if self.runs == 0:
            return f"{first} It does not pay: the budget is the whole pool, so nothing is saved."
        again = f"It pays from the {_th(self.runs)} fine-tune on the same selection."
        if self.break_even > 0:
            return (
                f"{first} It does not pay: the budget would have to be below "
                f"{100 * self.break_even:.1f}% of the tokens. {again}"
            )
        return (
            f"{first} It does not pay at any budget: what comes before costs as much as training "
            f"on everything, or more; take a smaller proxy or a larger target. {again}"
        )


def proxy(clusters: Artifact) -> ProxyCost:
    """Read from the manifests what a clustering and its proxy took.

    Raises:
        InputError: the losses were not recorded in a training here.
        KeyError: they were recorded before the seconds were.
    """
    trajectories = clusters.ancestor("trajectories")
    facts = trajectories.summary_as(TrajectoriesSummary)
    sealed = clusters.summary_as(ClustersSummary)
    return cost.counted(trajectories)._replace(
        train_seconds=float(facts["train_seconds"]),
        record_seconds=float(facts["record_seconds"]),
        # older manifests: the sealing only, which is next to nothing as is the clustering
        cluster_seconds=float(sealed.get("cluster_seconds", clusters.manifest["seconds"])),
    )


def target(finetune: Artifact) -> MeasuredTarget:
    """Read what a fine-tune took."""
    selection = finetune.ancestor("selection")
    facts, config = finetune.summary_as(FinetuneSummary), finetune.config
    return MeasuredTarget(
        parameters=int(facts["parameters"]),
        seconds=float(facts.get("train_seconds", finetune.manifest["seconds"])),
        epochs=epochs_of(int(facts["rows"]), int(facts["steps"]), int(config["batch_size"])),
        share=cost.tokens(selection.ancestor("trajectories"), load_rows(selection)).share,
        with_test="train_seconds" not in facts,
    )


def operations(done: ProxyCost, tokens: TokenCounts, parameters: float, epochs: float) -> Bill:
    """Count operations: 6 a parameter and token to train, 2 to score.

    With a proxy trained on the whole pool it pays if the share of tokens is below
    1 - (N_p / N_t) (E_p / E + T / (3 E)) for a proxy of N_p parameters trained for E_p epochs with
    T recordings and a target of N_t for E epochs. All of the target's weights train; k-means is not
    counted, it is next to nothing.

    Args:
        tokens: Of the selected rows and of the pool.
        epochs: Of the target, on the selection as on all rows.
    """
    _check(tokens.share, parameters, epochs)
    each = TRAIN * parameters * epochs
    return Bill(
        "operations",
        tokens.share,
        done.training,
        done.recording,
        0.0,
        each * tokens.selected,
        each * tokens.pool,
    )


def measured(done: ProxyCost, tuned: MeasuredTarget, tokens_share: float, epochs: float) -> Bill:
    """Count seconds, as measured; the target's grow with its epochs and tokens.

    Proxy and target must have run on the same machine for the comparison to mean anything.

    Args:
        tuned: A fine-tune of the target, on whatever selection of this pool.
        tokens_share: Tokens selected over tokens of the pool.
        epochs: Of the target, on the selection as on all rows.
    """
    _check(tokens_share, tuned.parameters, epochs)
    full = tuned.seconds / tuned.epochs / tuned.share * epochs
    return Bill(
        "seconds",
        tokens_share,
        done.train_seconds,
        done.record_seconds,
        done.cluster_seconds,
        tokens_share * full,
        full,
        tuned.with_test,
    )


def _check(tokens_share: float, parameters: float, epochs: float) -> None:
    """Refuse what no training has."""
    if not 0 < tokens_share <= 1:
        raise InputError(f"the share of tokens is above 0 and at most 1, not {tokens_share}")
    if not (parameters > 0 and epochs > 0):
        raise InputError(
            f"the target has parameters and epochs above 0, not {parameters:g} and {epochs:g}"
        )


def _th(n: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return f"{n:,}{ending}"
