"""Every strategy at several budgets on one clustering: what each takes, and how long it needs.

Per strategy and budget: share of each source, mean response tokens, mean final loss, overlap with
s2l of the same budget and seed (Jaccard; two random draws of a share f have about f / (2 - f)), and
seconds of the choice alone. One draw each.

Run: python benchmarks/strategies.py --workspace W --clusters ID [--budgets 5%,11%,30%]
The table (markdown) goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from core import selection
from core.selection import choose, s2l_options
from core.selection.budget import parse
from core.selection.strategies import catalog
from core.workspace.store import Workspace


def main() -> None:
    """Choose with every strategy and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--clusters", required=True)
    parser.add_argument("--budgets", default="5%,11%,30%")
    args = parser.parse_args()
    workspace = Workspace(args.workspace)
    result: list[dict[str, Any]] = []
    for budget in args.budgets.split(","):
        reference: set[int] = set()
        for strategy in catalog.STRATEGIES:
            if catalog.STRATEGIES[strategy].size == "matched":
                continue
            wanted = selection.Settings(
                parent=args.clusters, strategy=strategy, budget=budget, edits=0
            )
            pool, kept = selection.prepare(workspace, wanted)
            began = time.perf_counter()
            choice = choose.choose(
                pool, strategy, parse(budget), 0, kept.stay, s2l_options.of(wanted)
            )
            seconds = time.perf_counter() - began
            at = choice.positions
            rows = set(pool.rows[at].tolist())
            reference = reference or rows  # s2l comes first
            names, counts = np.unique(pool.sources[at].astype(str), return_counts=True)
            line = {
                "budget": budget,
                "strategy": strategy,
                "rows": len(rows),
                "sources": {
                    str(n): round(float(c) / len(rows), 3)
                    for n, c in zip(names, counts, strict=True)
                },
                "tokens": round(float(pool.tokens[at].mean()), 1),
                "final_loss": round(float(pool.losses[at, -1].mean()), 3),
                "jaccard": round(len(rows & reference) / len(rows | reference), 3),
                "seconds": round(seconds, 2),
            }
            result.append(line)
            sys.stderr.write(f"{line}\n")
    table(result)
    sys.stdout.write(json.dumps(result) + "\n")


def table(result: list[dict[str, Any]]) -> None:
    """Write the table."""
    full = next(r for r in result if r["strategy"] == "full")
    names = sorted(full["sources"], key=lambda n: -full["sources"][n])
    head = ["strategy", *names, "tokens", "final loss", "overlap with s2l", "seconds"]
    for budget in dict.fromkeys(r["budget"] for r in result):
        sys.stderr.write(f"\n{budget}\n| {' | '.join(head)} |\n|{'---|' * len(head)}\n")
        for r in result:
            if r["budget"] == budget:
                shares = [f"{100 * r['sources'].get(n, 0):.1f}%" for n in names]
                numbers = [f"{r['tokens']:.0f}", f"{r['final_loss']:.2f}", f"{r['jaccard']:.2f}"]
                cells = [r["strategy"], *shares, *numbers, f"{r['seconds']:.2f}"]
                sys.stderr.write(f"| {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
