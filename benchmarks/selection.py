"""How long a budget takes to share and draw, and how much memory an export: 1,000,000 rows.

The rows are made up: random labels of unequal clusters, ids, losses. Measured are the parts that
run while somebody moves a budget: counting the clusters' rows and sharing the budget (by every
rule, some quotas set by hand; the slowest counts), and one whole draw of 11% by s2l, reasons
included. Each is the median of several. The export of as many rows is that of benchmarks/export.py:
every format in turn, each in a process of its own; what counts is the one that takes most memory.

Run: python benchmarks/selection.py [--rows 1000000] [--clusters 500] [--only allocate|draw|export]
The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, get_args

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.export import exports
from core.export.writers import EXPORT_FORMATS
from core.selection.budget import parse
from core.selection.choose import choose
from core.selection.pool import Pool
from core.selection.quotas import Allocation, quotas

BUDGET = "11%"


def made_up(rows: int, clusters: int) -> Pool:
    """Return a pool whose clusters have from a few rows to many."""
    rng = np.random.default_rng(0)
    weights = rng.pareto(1.5, clusters) + 0.05
    labels = rng.choice(clusters, rows, p=weights / weights.sum()).astype(np.int32)
    labels[:clusters] = np.arange(clusters)  # none is empty
    return Pool(
        rows=np.arange(rows),
        ids=np.array([f"{i:016x}" for i in range(rows)], object),
        sources=np.array(["a", "b", "c", "d"], object)[rng.integers(0, 4, rows)],
        tokens=rng.integers(1, 400, rows),
        losses=rng.random((rows, 13), np.float32),
        labels=labels,
        k=clusters,
        features="raw",
        include_start=False,
    )


def seconds(work: Callable[[], Any], times: int) -> float:
    """Return the median wall time of some runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def allocate(pool: Pool) -> dict[str, float]:
    """Share the budget by every rule."""
    budget = parse(BUDGET).rows(len(pool))
    slowest = max(
        seconds(
            lambda rule=rule: quotas(  # type: ignore[misc]
                np.bincount(pool.labels), budget, fixed={3: 2, 7: 0}, caps={12: 25}, allocation=rule
            ),
            7,
        )
        for rule in get_args(Allocation)
    )
    return {"allocate_ms": round(1000 * slowest, 1)}


def draw(pool: Pool) -> dict[str, float]:
    """Draw the rows."""
    return {"draw_s": round(seconds(lambda: choose(pool, "s2l", parse(BUDGET), 0), 3), 2)}


def export(pool: Pool) -> dict[str, float]:
    """Export as many short rows as the pool has, in every format."""
    found = exports(len(pool), list(EXPORT_FORMATS))
    return {
        "export_rss_gb": max(f["gb"] for f in found.values()),
        "export_slowest_s": max(f["seconds"] for f in found.values()),
    }


PARTS: dict[str, Callable[[Pool], dict[str, float]]] = {
    "allocate": allocate,
    "draw": draw,
    "export": export,
}
"""What is measured; another part is a function and an entry."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--only", choices=tuple(PARTS), help="one part instead of all")
    args = parser.parse_args()
    pool = made_up(args.rows, args.clusters)
    found: dict[str, float] = {}
    for name in [args.only] if args.only else PARTS:
        found |= PARTS[name](pool)
        print(f"{name}: {found}", file=sys.stderr)
    where = {"rows": args.rows, "clusters": args.clusters, "machine": platform.machine()}
    print(json.dumps({**found, **where}))


if __name__ == "__main__":
    main()
