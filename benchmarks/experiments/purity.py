"""Purity: do clusters of trajectories follow topics, and do those of the proxy's embeddings?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.experiments.pools import topics
from benchmarks.experiments.runs import Lab, proxy
from benchmarks.experiments.settings import Plan
from benchmarks.purity import EMBEDDINGS, measure
from core.clusters.kmeans import auto_k, cluster
from core.trajectories import embeddings
from core.trajectories.artifact import load_flags, load_losses
from core.trajectories.features import FEATURES

KEPT = ("AMI source", "purity", "purity shuffled", "explained by length", "ARI seed")


def run(lab: Lab, plan: Plan, files: dict[str, Any]) -> dict[str, Any]:
    """Measure the agreement of clusters with labels, a value a proxy and k-means seed."""
    out = []
    for name, path in files.items():
        made = topics(lab.folder / "pools", name, path, plan.rows, plan.longest)
        for seed in range(plan.seeds):
            recorded = proxy(made, seed=seed, **plan.proxies["all"])
            flags = load_flags(recorded)
            losses = np.asarray(load_losses(recorded))
            there = np.isfinite(losses).all(1) & (flags["flag"] == "").to_numpy()
            rows = np.flatnonzero(there)
            ids, k = flags["id"].to_numpy()[rows], auto_k(len(rows))
            unit = embeddings.features(np.load(recorded.path / "pooled.npy"), rows)
            labels = {
                kind: [
                    cluster(losses[rows], ids, k, kind, seed=s).labels for s in range(plan.ks[0])
                ]
                for kind in FEATURES
            }
            labels[EMBEDDINGS] = [
                cluster(unit, ids, k, include_start=True, seed=s).labels for s in range(plan.ks[0])
            ]
            sources = np.unique(flags["source"].to_numpy(str)[rows], return_inverse=True)[1]
            facts = pd.DataFrame(
                {
                    "length": flags["n_response"].to_numpy()[rows],
                    "source": flags["source"].to_numpy()[rows],
                    "final loss": losses[rows, -1],
                }
            )
            for kind, several in labels.items():
                found = measure(several, labels[EMBEDDINGS], facts, sources)
                line = {"data": name, "proxy": seed, "features": kind, "k": k, "rows": len(rows)}
                out.append(line | {key: found[key] for key in KEPT})
    table = pd.DataFrame(out)
    table["mean"] = table["AMI source"].map(np.mean)
    means = table.groupby(["data", "features"])["mean"].agg(["mean", "min", "max"])
    wide = table.pivot_table(index=["data", "proxy"], columns="features", values="mean")
    return {
        "measured": out,
        "ami": means.round(4).reset_index().to_dict("records"),
        "passed": bool((wide["raw"] > wide[EMBEDDINGS]).all()),
    }
