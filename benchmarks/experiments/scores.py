"""Experiments that train targets: mixtures, noise, ranks among random draws, non-inferiority."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.experiments.runs import GUARD, Lab
from benchmarks.experiments.settings import Plan
from core.study.results import holm, non_inferior, p_of_draws, paired_t

KEYS = ["pool", "share", "seed"]


def paired(table: pd.DataFrame, arm: str, other: str, column: str = "loss") -> dict[str, Any]:
    """Compare two arms in pairs of pool and seed; a difference below 0 is better for the arm."""
    wide = table.pivot_table(index=KEYS, columns="arm", values=column)[[arm, other]].dropna()
    difference = wide[arm] - wide[other]
    by_pool = difference.groupby("pool").mean()
    return {
        "arm": arm,
        "other": other,
        "of": column,
        **paired_t(wide[arm].to_numpy(), wide[other].to_numpy())._asdict(),
        "better": int((difference < 0).sum()),
        "by_pool": {str(k): float(v) for k, v in by_pool.items()},
        # pairs of one pool share it: the same test on the pools' means, where there are three
        "over_pools": paired_t(by_pool.to_numpy(), np.zeros(len(by_pool)))._asdict(),
    }


def arm_means(table: pd.DataFrame, by: list[str]) -> list[dict[Hashable, Any]]:
    """Return the means of every column of numbers, and the standard deviation of the loss."""
    numbers = table.drop(columns=["pool", "seed"]).groupby(by).mean(numeric_only=True)
    numbers["runs"] = table.groupby(by).size()
    numbers["sd"] = table.groupby(by)["loss"].std()
    return numbers.round(5).reset_index().to_dict("records")


def mixture(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Compare s2l with random and with drawing evenly over the named kinds."""
    mades = [lab.made("puzzles", seed) for seed in plan.pools]
    table = lab.grid(mades, plan.arms, range(plan.seeds), plan.shares)
    pairs = [paired(table, "s2l", "random"), paired(table, "s2l", "random_per_source")]
    for found, adjusted in zip(pairs, holm([one["p"] for one in pairs]), strict=True):
        found["holm_p"] = adjusted
    secondary = [
        paired(table, "s2l", other, column)
        for column in ("as_pool", "rarest")
        for other in ("random", "random_per_source")
    ]
    return {
        "pairs": pairs,
        "aware": paired(table, "random_per_source", "random"),
        "closed": _share_closed(table),
        "secondary": secondary,
        "arms": arm_means(table, ["arm"]),
        "passed": pairs[0]["high"] < 0 and pairs[0]["holm_p"] < 0.05,
    }


def _share_closed(table: pd.DataFrame) -> dict[str, float]:
    """Return the share of the gap from random to random_per_source that s2l closes, with 95%."""
    wide = table.pivot_table(index=KEYS, columns="arm", values="loss")
    gain = (wide["random"] - wide["s2l"]).to_numpy()
    gap = (wide["random"] - wide["random_per_source"]).to_numpy()
    at = np.random.default_rng(0).integers(0, len(gap), (10_000, len(gap)))
    ratio = gain[at].mean(1) / gap[at].mean(1)
    low, high = np.quantile(ratio, [0.025, 0.975])
    return {"share": float(gain.mean() / gap.mean()), "low": float(low), "high": float(high)}


def noise(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Compare s2l, with and without the relative guard, with random at shares of wrong answers."""
    levels: list[dict[str, Any]] = []
    for wrong in plan.wrong:
        mades = [lab.made("puzzles", seed, wrong) for seed in plan.pools]
        table = lab.grid(mades, plan.arms, range(plan.seeds), plan.shares)
        pairs = [
            paired(table, "s2l", "random"),
            paired(table, "s2l" + GUARD, "s2l"),
            paired(table, "s2l" + GUARD, "random"),
            paired(table, "random" + GUARD, "random"),
        ]
        levels.append({"wrong": wrong, "pairs": pairs, "arms": arm_means(table, ["arm"])})
    flat = [pair for level in levels for pair in level["pairs"]]
    for found, adjusted in zip(flat, holm([one["p"] for one in flat]), strict=True):
        found["holm_p"] = adjusted
    worse = [level["pairs"][0]["low"] > 0 for level in levels]
    return {"levels": levels, "passed": not any(worse)}


def draws(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Rank every s2l run among random ones; only the draw differs, the training seed is fixed."""
    from scipy import stats

    out: list[dict[str, Any]] = []
    for seed, wrong in zip(plan.pools, plan.wrong, strict=True):
        made = lab.made("puzzles", seed, wrong)
        tables = {
            arm: lab.grid([made], [arm], range(n), plan.shares, train_seed=0)["loss"].tolist()
            for arm, n in zip(plan.arms, plan.draws, strict=True)
        }
        random = tables["random"]
        test = stats.mannwhitneyu(tables["s2l"], random)
        out.append(
            {
                "pool": made.name,
                "losses": tables,
                "p": [p_of_draws(v, random, lower_is_better=True) for v in tables["s2l"]],
                "ranks": [1 + sum(r < v for r in random) for v in tables["s2l"]],
                "s2l_is_better": float(1 - test.statistic / (len(random) * len(tables["s2l"]))),
                "mann_whitney_p": float(test.pvalue),
            }
        )
    clean = out[0]
    return {
        "pools": out,
        "passed": clean["mann_whitney_p"] < 0.05 and clean["s2l_is_better"] > 0.5,
    }


def noninferior(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Test whether shares of the pool are as good as all of it, for s2l and random alike."""
    out = []
    for seed in plan.pools:
        made = lab.made("puzzles", seed)
        full = lab.grid([made], ["full"], range(plan.seeds), [1.0])["loss"].to_numpy()
        table = lab.grid([made], plan.arms, range(plan.seeds), plan.shares)
        for (arm, share), part in table.groupby(["arm", "share"]):
            test = non_inferior(part["loss"].to_numpy(), full, plan.margin, lower_is_better=True)
            lines = {"pool": made.name, "arm": arm, "share": share, **test._asdict()}
            out.append(lines | {"passes": bool(test.passes), "losses": part["loss"].tolist()})
        out.append({"pool": made.name, "arm": "full", "share": 1.0, "losses": full.tolist()})
    smallest = {
        arm: min((r["share"] for r in out if r["arm"] == arm and r["passes"]), default=None)
        for arm in plan.arms
    }
    return {
        "tests": out,
        "smallest_share": smallest,
        "passed": smallest["s2l"] == min(plan.shares),
    }


def redundancy_scores(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Compare targets trained on selections of pools of planted skills."""
    mades = [lab.made("planted", seed) for seed in plan.pools[: plan.scored_pools]]
    table = lab.grid(mades, plan.arms, range(plan.seeds), [0.11])
    pairs = [paired(table, "s2l", other) for other in plan.arms if other != "s2l"]
    for found, adjusted in zip(pairs, holm([one["p"] for one in pairs]), strict=True):
        found["holm_p"] = adjusted
    secondary = paired(table, "s2l", "random", "as_pool")
    return {
        "pairs": pairs,
        "secondary": secondary,
        "arms": arm_means(table, ["arm"]),
        "passed": pairs[0]["high"] < 0,
    }
