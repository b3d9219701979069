"""The pilot: which way of training tells two arms apart, chosen from random draws alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.experiments.runs import SCRATCH, WARM, Lab, Regime, means

POOL = 40
"""Seed of the puzzles; no experiment uses them."""
DRAWS = 20
"""The first 8 chose the regime, before any experiment; 12 more, after all, test that choice."""
SHARE = 0.11
STEPS = (100, 200, 400)
LEARNED = 0.1
"""A regime is at the floor where the mean test loss is less than this below the untuned model's."""
WORSE = 0.01
"""It is over-fitted where fewer steps from the same base give a test loss lower by more."""


def run(lab: Lab) -> dict[str, Any]:
    """Train on random draws in every regime; one training seed, so that only draws differ."""
    made = lab.made("puzzles", POOL)
    lines = []
    for base in (WARM, SCRATCH):
        lab.regime = Regime(base, STEPS[0])
        untuned = means(made, lab.test_loss(made, np.zeros(0, np.int64), 0))["loss"]
        for steps in STEPS:
            lab.regime = Regime(base, steps)
            draws = [
                means(made, lab.test_loss(made, random(made, seed), 0))["loss"]
                for seed in range(DRAWS)
            ]
            lines.append(
                {
                    "base": base,
                    "steps": steps,
                    "untuned": untuned,
                    "losses": draws,
                    "mean": float(np.mean(draws)),
                    "sd_of_pairs": float(np.sqrt(2) * np.std(draws, ddof=1)),
                }
            )
    return {"regimes": lines, "chosen": chosen(lines)}


def random(made: Any, seed: int) -> Any:
    """Draw a uniform selection, which needs no proxy."""
    rng = np.random.default_rng((POOL, seed))
    return np.sort(rng.permutation(made.pool)[: int(SHARE * len(made.pool))])


def chosen(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the regime of the smallest spread that has learned and is not over-fitted."""

    def fits(line: dict[str, Any]) -> bool:
        shorter = [
            other["mean"]
            for other in lines
            if other["base"] == line["base"] and other["steps"] < line["steps"]
        ]
        over = bool(shorter) and line["mean"] > min(shorter) + WORSE
        return line["untuned"] - line["mean"] >= LEARNED and not over

    best = min(filter(fits, lines), key=lambda line: line["sd_of_pairs"])
    return {"base": best["base"], "steps": best["steps"], "sd_of_pairs": best["sd_of_pairs"]}
