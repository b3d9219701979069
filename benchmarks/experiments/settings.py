"""What every experiment asks, expects and calls a pass: fixed before it ran, never changed after.

`benchmarks/evidence.py` keeps the commit of this file with each result. SD comes from the pilot,
which saw random draws alone, on a pool that no experiment uses; so does the way of training.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmarks.experiments.runs import GUARD, WARM, Regime
from core.study.results import smallest_effect

REGIME = Regime(WARM, 100)
"""Chosen by the pilot's rule (`pilot.chosen`)."""
SD = 0.0337
"""Of a difference of two random draws in that regime, nats per response token."""
TOPICS = {"t0": "t0_multitask.parquet", "math": "mathmix_train.jsonl"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One experiment."""

    question: str
    expected: str
    """Before it ran."""
    passes: str
    reduced: str
    """What is smaller than in the issue that asked for it."""
    pools: tuple[int, ...] = ()
    """Seeds of generated pools."""
    wrong: tuple[float, ...] = ()
    """Shares of wrong answers."""
    arms: tuple[str, ...] = ()
    shares: tuple[float, ...] = (0.11,)
    seeds: int = 0
    """Of draws, and of training where targets are trained."""
    draws: tuple[int, ...] = ()
    ks: tuple[int, ...] = ()
    proxies: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    scored_pools: int = 0
    margin: float = 0.0
    rows: int = 0
    longest: int = 0
    pairs: int = 0
    """Of a score comparison; 0 where none is trained."""

    @property
    def detectable(self) -> float | None:
        """The difference in nats that so many pairs find with a chance of 80%, by the pilot."""
        return smallest_effect(SD, self.pairs) if self.pairs else None

    def as_dict(self) -> dict[str, Any]:
        """Return everything that was fixed, and the effect that can be found."""
        return {**dataclasses.asdict(self), "detectable": self.detectable}


PLANS = {
    "robustness": Plan(
        question="How far does a selection depend on K, on how many and which recordings are "
        "clustered, and on the proxy?",
        expected="Every variant has a more even mixture of tasks than all of 99 random draws; the "
        "late half agrees with the default, the early half less; another proxy agrees less than "
        "another seed of k-means.",
        passes="Every variant's mean task entropy is above the largest of 99 random draws, on "
        "both pools.",
        reduced="2 pools; the proxies differ from the default in one thing each.",
        pools=(41, 42),
        seeds=5,
        draws=(99,),
        ks=(10, 20, 50, 100, 200),
        proxies={
            "seed 1": {"seed": 1},
            "a third of the learning rate": {"lr": 1e-3},
            "1 epoch": {"epochs": 1.0},
        },
    ),
    "purity": Plan(
        question="Do clusters of trajectories follow topics better than clusters of the proxy's "
        "own text embeddings?",
        expected="No: embeddings agree better with T0's templates and with MATH's topics; raw "
        "trajectories follow length and difficulty.",
        passes="For every proxy and data set, raw trajectories have the higher mean adjusted "
        "mutual information with the labels.",
        reduced="1,500 rows a data set, of at most 500 characters; 7 recordings over 4 epochs.",
        seeds=3,
        ks=(5,),
        proxies={"all": {"checkpoints": 7, "epochs": 4.0}},
        rows=1_500,
        longest=500,
    ),
    "redundancy": Plan(
        question="Where a few skills fill most of a pool with near copies, does s2l cover more "
        "skills than random draws, and does it train a better model?",
        expected="Coverage: yes on every pool. Scores, on a test that asks every skill alike: yes, "
        "since random draws miss skills altogether at small budgets.",
        passes="Coverage: on every pool and budget the mean of 5 s2l draws is above all 99 random "
        "draws. Scores: the pooled 95% interval of s2l - random is below 0.",
        reduced="nothing.",
        pools=(50, 51, 52, 53, 54),
        shares=(0.02, 0.05, 0.11, 0.20),
        draws=(5, 99),
        arms=("s2l", "random", "random_per_source", "least_confidence", "full"),
        scored_pools=2,
        seeds=6,
        pairs=12,
    ),
    "noise": Plan(
        question="What do wrong answers do to s2l, and does the relative guard help?",
        expected="At 10% and 30% s2l draws more wrong answers than random and trains a worse "
        "model; the guard lowers the share of wrong answers and trains no better.",
        passes="At no share of wrong answers the 95% interval of s2l - random is above 0.",
        reduced="nothing.",
        pools=(41, 42, 43),
        wrong=(0.0, 0.1, 0.3),
        arms=("s2l", "random", "s2l" + GUARD, "random" + GUARD),
        seeds=6,
        pairs=18,
    ),
    "mixture": Plan(
        question="On an unbalanced mixture whose labels are hidden, does s2l train a better model "
        "than random draws, and how much of what drawing evenly over the labels gains?",
        expected="A small gain over random on the test that asks every task alike; drawing evenly "
        "over the named tasks gains more.",
        passes="The pooled 95% interval of s2l - random is below 0 and its p after Holm below "
        "0.05.",
        reduced="nothing.",
        pools=(41, 42, 43, 44),
        arms=("s2l", "random", "random_per_source"),
        seeds=5,
        pairs=20,
    ),
    "draws": Plan(
        question="Where do s2l draws stand among random draws of one pool, training held fixed?",
        expected="Clean: more often in the better half than not. 10% wrong: level or worse.",
        passes="Clean pool: Mann-Whitney p below 0.05 in favour of s2l.",
        reduced="nothing.",
        pools=(41, 41),
        wrong=(0.0, 0.1),
        arms=("s2l", "random"),
        draws=(10, 39),
    ),
    "noninferior": Plan(
        question="Which share of the pool trains a model that is at most 0.05 nats worse than all "
        "of it, in equal steps?",
        expected="Fails at 11% for both arms at this size.",
        passes="11% by s2l passes the one-sided test.",
        reduced="nothing.",
        pools=(41,),
        arms=("s2l", "random"),
        shares=(0.11, 0.30, 0.50, 0.70),
        seeds=5,
        margin=0.05,
        pairs=5,
    ),
    "theorem": Plan(
        question="Do rows of close trajectories have close gradients in another model, and is the "
        "gradient of an s2l subset closer to that of the pool than a random subset's?",
        expected="Distances correlate, within tasks less, and hardly beyond the final loss. The "
        "plain s2l subset is further from the pool's gradient than random, as it thins large "
        "clusters; weighted by cluster size it is closer.",
        passes="The mean error of 20 unweighted s2l subsets is below 95% of 200 random ones.",
        reduced="nothing.",
        pools=(41,),
        draws=(20, 200),
        proxies={"looked at": {"seed": 9, "checkpoints": 6, "keep_checkpoints": True}},
    ),
}
"""In the order in which they run: by what they tell a minute."""
