"""Experiments on what selections contain: planted redundancy, and what a selection depends on."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.experiments import scores
from benchmarks.experiments.pools import Made
from benchmarks.experiments.runs import Lab, contents, proxy
from benchmarks.experiments.settings import Plan
from core.arrays import Labels, Losses
from core.clusters.kmeans import auto_k
from core.clusters.kmeans import cluster as kmeans
from core.review.k_sweep import adjusted_agreement, inclusion, overlap
from core.selection import choose
from core.selection.budget import parse
from core.selection.pool import Pool
from core.study.results import p_of_draws
from core.trajectories.artifact import load_losses


def redundancy(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Count planted skills in s2l draws and in random ones, then train on some of the pools."""
    out = []
    for seed in plan.pools:
        made = lab.made("planted", seed)
        for share in plan.shares:
            counts = {
                arm: [
                    int(contents(made, lab.rows(made, arm, share, s))["covered"]) for s in range(n)
                ]
                for arm, n in zip(("s2l", "random"), plan.draws, strict=True)
            }
            mean = float(np.mean(counts["s2l"]))
            p = p_of_draws(mean, counts["random"], lower_is_better=False)
            out.append(
                {
                    "pool": made.name,
                    "share": share,
                    "s2l": counts["s2l"],
                    "random": counts["random"],
                    "mean": mean,
                    "p": p,
                    "above_all": mean > max(counts["random"]),
                }
            )
    trained = scores.redundancy_scores(lab, plan)
    covers = all(line["above_all"] for line in out)
    return {
        "coverage": out,
        "coverage_passed": covers,
        "scores": trained,
        "passed": covers and trained["passed"],
    }


def robustness(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Change one choice of the proxy or the clustering, and compare what would be drawn."""
    lines: list[dict[str, Any]] = []
    for seed in plan.pools:
        made = lab.made("puzzles", seed)
        pool = lab.pool(made)
        k, n = auto_k(len(pool)), int(0.11 * len(pool))
        base = inclusion(pool.labels, n)
        chance = overlap(base, np.full(len(pool), n / len(pool)))
        for what, variant, losses, this_k, k_seed in variants(made, pool, plan, k):
            labels = kmeans(losses, pool.ids, this_k, include_start=True, seed=k_seed).labels
            agreed = overlap(base, inclusion(labels, n))
            lines.append(
                {
                    "pool": made.name,
                    "what": what,
                    "variant": variant,
                    "agreement": agreed,
                    "adjusted": adjusted_agreement(agreed, chance),
                    **drawn(made, pool, labels, plan.seeds),
                }
            )
        uniform = [lab.rows(made, "random", 0.11, s) for s in range(plan.draws[0])]
        entropies = [contents(made, rows)["entropy"] for rows in uniform]
        rare = [contents(made, rows)["rarest_rows"] for rows in uniform]
        lines.append(
            {
                "pool": made.name,
                "what": "random",
                "variant": f"{len(uniform)} draws",
                "agreement": chance,
                "adjusted": 0.0,
                "entropy": float(np.mean(entropies)),
                "highest_entropy": float(max(entropies)),
                "rarest_rows": float(np.mean(rare)),
                "covered": float(np.mean([contents(made, r)["covered"] for r in uniform])),
            }
        )
    best = {one["pool"]: one["highest_entropy"] for one in lines if one["what"] == "random"}
    ours = [one for one in lines if one["what"] != "random"]
    for one in ours:
        one["above_all_random"] = one["entropy"] > best[one["pool"]]
    return {"variants": lines, "passed": all(one["above_all_random"] for one in ours)}


def variants(made: Made, pool: Pool, plan: Plan, k: int) -> list[tuple[str, str, Losses, int, int]]:
    """Return (what changes, to what, features, K, seed of k-means); the first is the default."""
    window = pool.losses[:, 1:]
    half = window.shape[1] // 2
    out = [("default", f"K = {k}", window, k, 0)]
    out += [("seed of k-means", f"{s}", window, k, s) for s in (1, 2)]
    out += [("K", f"{other}", window, other, 0) for other in plan.ks]
    out += [
        ("recordings", "3", window[:, [3, 7, 11]], k, 0),
        ("recordings", "6", window[:, 1::2], k, 0),
        ("half", "early", window[:, :half], k, 0),
        ("half", "late", window[:, half:], k, 0),
        ("half", "last recording alone", window[:, -1:], k, 0),
    ]
    for name, changes in plan.proxies.items():
        losses = np.asarray(load_losses(proxy(made, **changes)))[pool.rows]
        out.append(("proxy", name, losses[:, 1:], k, 0))
    return out


def drawn(made: Made, pool: Pool, labels: Labels, seeds: int) -> dict[str, float]:
    """Return the mean contents of s2l's draws from these clusters."""
    import dataclasses

    changed = dataclasses.replace(pool, labels=labels)
    n = parse(str(int(0.11 * len(pool))))
    found = [
        contents(made, pool.rows[choose.choose(changed, "s2l", n, s).positions])
        for s in range(seeds)
    ]
    keys = ("entropy", "rarest_rows", "covered")
    return {key: float(np.mean([one[key] for one in found])) for key in keys}
