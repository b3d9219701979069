"""Made-up tables for the tests of charts."""

import numpy as np
import pandas as pd

STEPS = [0, 10, 20, 40]
RNG = np.random.default_rng(0)
QUANTILES = pd.DataFrame(
    {
        "q10": [2, 1, 0.5, 0.4],
        "q25": [2.5, 1.5, 1, 0.8],
        "q50": [3, 2, 1.5, 1],
        "q75": [4, 3, 2, 1.5],
        "q90": [5, 4, 3, 2],
    }
)


def points(n=200, k=5):
    return pd.DataFrame(
        {
            "row": np.arange(n) + 1000,
            "x": RNG.normal(size=n),
            "y": RNG.normal(size=n),
            "colour": np.arange(n) % k,
        }
    )


def cluster_quantiles(k):
    return pd.concat([QUANTILES.assign(cluster=c, step=STEPS) for c in range(k)])


def shares(n):
    pool = np.linspace(0.01, 0.2, n)
    return pd.DataFrame(
        {
            "source": [f"s{i}" for i in range(n)],
            "pool_share": pool,
            "selected_share": pool[::-1],
            "pool_rows": 10,
            "selected_rows": 5,
        }
    )


def agreement():
    return pd.DataFrame(
        {
            "share": [0, 0.5, 1],
            "proxy_step": [0, 50, 100],
            "target_step": [0, 4, 8],
            "rho": [-0.1, 0.5, 0.8],
            "low": [-0.2, 0.4, 0.75],
            "high": [0, 0.6, 0.85],
            "ari": [0, 0.2, 0.3],
        }
    )


def sweep():
    return pd.DataFrame(
        [
            {"k": k, "seed": s, "inertia": 90 / k + s, "silhouette": 0.2, "balance": 0.9}
            for k in (5, 10)
            for s in (0, 1)
        ]
    )


def results(arms):
    return pd.DataFrame(
        [
            {"arm": arm, "seed": s, "rows": 1200, "nll": value + 0.01 * s}
            for arm, value in arms.items()
            for s in range(3)
        ]
    )


RNG = np.random.default_rng(0)


def texts(fig):
    return " ".join(note.text for note in fig.layout.annotations)


def bars(fig):
    return [trace for trace in fig.data if trace.type == "bar"]
