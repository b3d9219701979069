"""Topic or difficulty: what do clusters of trajectories follow, and what do clusters of texts?

For one trajectories artifact, k-means with one K and several seeds of

    raw, centred, diff, zscore   the loss trajectories, as core clusters them
    embeddings                   the proxy's own pooled text embeddings, each of unit length

and for each of these:

    purity          share of rows whose source is the commonest of their cluster; the level for
                    shuffled labels beside it, since many small clusters are pure by chance
    AMI source      adjusted mutual information with the source labels (0 by chance, 1 equal)
    explained       what length (response tokens), source, final loss and all together explain of
                    the clustering (core.clusters.explained_by: 0 by chance, 1 all); the shares
                    overlap
    AMI, ARI texts  agreement with the clusters of the embeddings, seed by seed (the embeddings'
                    own line: with another seed of themselves), and that of shuffled labels
    ARI seed        agreement with another seed of the same features: the most to be expected

Mean over seeds and the range. One proxy: the range is over k-means seeds only. Below: how the
clusters of raw trajectories (seed 0) were learned, in plain words (core.clusters.how_learned), and
what a sweep says about K (core.review.k_sweep, at 11%).

Run: python benchmarks/purity.py --workspace W --trajectories ID [--k 100] [--seeds 5]
The tables go to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Labels
from core.clusters.explained_by import explained
from core.clusters.how_learned import behaviours
from core.clusters.kmeans import auto_k, cluster
from core.clusters.statistics import QUANTILES, describe, quantiles
from core.review.k_sweep import choices, sweep, verdict
from core.trajectories.artifact import from_start, load_flags, load_losses, load_steps
from core.trajectories.features import FEATURES
from core.workspace.store import Workspace

EMBEDDINGS = "embeddings"


def purity(labels: Labels, sources: npt.NDArray[np.int64]) -> float:
    """Return the share of rows whose source is the commonest of their cluster."""
    table = np.zeros((labels.max() + 1, sources.max() + 1), np.int64)
    np.add.at(table, (labels, sources), 1)
    return float(table.max(1).sum() / len(labels))


def measure(
    labels: list[Labels], texts: list[Labels], facts: pd.DataFrame, sources: npt.NDArray[np.int64]
) -> dict[str, list[float]]:
    """Measure the clusterings of one kind of features, a value a seed."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    rng = np.random.default_rng(0)
    out: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        out.setdefault(name, []).append(value)

    own = labels is texts
    for i, one in enumerate(labels):
        other = labels[(i + 1) % len(labels)]
        beside = other if own else texts[i]
        note("purity", purity(one, sources))
        note("purity shuffled", purity(rng.permutation(one), sources))
        note("AMI source", adjusted_mutual_info_score(sources, one))
        for what, share, _ in explained(one, facts).itertuples(index=False):
            note(f"explained by {what}", share)
        note("AMI texts", adjusted_mutual_info_score(beside, one))
        note("ARI texts", adjusted_rand_score(beside, one))
        note("ARI texts shuffled", adjusted_rand_score(beside, rng.permutation(one)))
        note("ARI seed", adjusted_rand_score(other, one))
    return out


def learned(
    labels: Labels,
    losses: npt.NDArray[np.float32],
    flags: pd.DataFrame,
    steps: npt.NDArray[np.int64],
) -> pd.DataFrame:
    """Return how the clusters were learned: words, clusters, rows, source (commonest), share."""
    about = describe(labels, losses, flags)
    pool = pd.DataFrame(
        np.quantile(losses, QUANTILES, axis=0).T, columns=["q10", "q25", "q50", "q75", "q90"]
    )
    low, high = np.quantile(flags["n_response"], [0.25, 0.75])
    about["words"] = behaviours(
        quantiles(losses, labels, steps), about, pool, (low, high), start=bool(steps[0] == 0)
    )
    words = about.set_index("cluster")["words"].loc[labels.tolist()].to_numpy()
    counts = pd.crosstab(words, flags["source"].to_numpy())
    out = pd.DataFrame(
        {
            "clusters": about["words"].value_counts(),
            "rows": counts.sum(axis=1),
            "source": counts.idxmax(axis=1),
            "share": (counts.max(axis=1) / counts.sum(axis=1)).round(2),
        }
    )
    return out.sort_values("rows", ascending=False).rename_axis("words").reset_index()


def compare(workspace: Workspace, id: str, k: int, seeds: int) -> dict[str, Any]:
    """Cluster by every kind of features and measure; return the numbers of all seeds."""
    artifact = workspace.open(id, "trajectories")
    flags = load_flags(artifact)
    losses = np.asarray(load_losses(artifact))
    rows = np.flatnonzero(np.isfinite(losses).all(1) & (flags["flag"] == "").to_numpy())
    k = k or auto_k(len(rows))
    losses, flags = losses[rows], flags.iloc[rows]
    ids = flags["id"].to_numpy()
    pooled = np.load(artifact.path / "pooled.npy", mmap_mode="r")[rows].astype(np.float32)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    names, sources = np.unique(flags["source"].to_numpy(str), return_inverse=True)
    facts = pd.DataFrame(
        {
            "length": flags["n_response"].to_numpy(),
            "source": flags["source"].to_numpy(),
            "final loss": losses[:, -1],
        }
    )
    start = from_start(artifact, False)
    made = {
        kind: [
            cluster(losses, ids, k, kind, include_start=start, seed=s).labels for s in range(seeds)
        ]
        for kind in FEATURES
    }
    made[EMBEDDINGS] = [
        cluster(pooled, ids, k, include_start=True, seed=s).labels for s in range(seeds)
    ]
    found = {
        kind: measure(labels, made[EMBEDDINGS], facts, sources) for kind, labels in made.items()
    }
    how = learned(made["raw"][0], losses, flags.reset_index(), load_steps(artifact))
    swept = sweep(losses, ids, choices(len(rows)), [0, 1], include_start=start)
    return {
        "name": artifact.name,
        "rows": len(rows),
        "sources": len(names),
        "k": k,
        "seeds": seeds,
        "source_share": float(np.bincount(sources).max() / len(rows)),
        "features": found,
        "learned": how.to_dict("records"),
        "verdict": verdict(swept),
    }


def table(result: dict[str, Any]) -> str:
    """Write the means and ranges, and how the clusters were learned, as markdown tables."""
    kinds = list(result["features"])
    lines = [f"| | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for name in result["features"][kinds[0]]:
        cells = []
        for kind in kinds:
            values = result["features"][kind][name]
            mean, low, high = (round(f(values), 2) + 0.0 for f in (np.mean, min, max))  # never -0
            cells.append(f"{mean:.2f}" + (f" ({low:.2f} to {high:.2f})" if low != high else ""))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| learned | clusters | rows | commonest source | its share |", "|---" * 5 + "|"]
    lines += [
        f"| {r['words']} | {r['clusters']} | {r['rows']:,} | {r['source']} | {r['share']:.2f} |"
        for r in result["learned"]
    ]
    return "\n".join([*lines, "", result["verdict"]])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", required=True, help="directory of the workspace")
    parser.add_argument("--trajectories", required=True, help="trajectories id")
    parser.add_argument("--k", type=int, default=0, help="clusters; 0 is core's auto")
    parser.add_argument("--seeds", type=int, default=5, help="k-means seeds, two or more")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds must be 2 or more: one seed has no spread and no other to agree with")
    result = compare(Workspace(args.workspace), args.trajectories, args.k, args.seeds)
    print(
        f"{result['name']}: {result['rows']:,} rows of {result['sources']:,} sources, the largest "
        f"{100 * result['source_share']:.0f}%; K = {result['k']}, {result['seeds']} seeds\n"
        f"{table(result)}",
        file=sys.stderr,
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
