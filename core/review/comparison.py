"""Overlap: two or more saved selections of one dataset side by side, their differences first.

What is equal is left out and counted, so that a page shows what one would have to look for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Ints
from core.errors import InputError
from core.review.facets import code, distance, of, positions, shares
from core.selection.artifact import load_rows
from core.workspace.store import Workspace

Sets = Mapping[str, Ints]
"""Name or id of each selection -> its rows of the dataset."""


class Differences(NamedTuple):
    """What differs; what does not is only counted."""

    table: pd.DataFrame
    """One line a difference, the largest first."""
    equal: int
    """Lines left out because all selections agree in them."""


def read(workspace: Workspace, ids: Sequence[str]) -> dict[str, Ints]:
    """Return the rows of saved selections in order of rank, by id.

    Raises:
        InputError: fewer than two, or they are not of one dataset.
    """
    distinct = list(dict.fromkeys(ids))
    if len(distinct) < 2:
        raise InputError(f"{len(distinct)} selection cannot be compared; choose at least two")
    out, datasets = {}, {}
    first = workspace.open(distinct[0], "selection")
    for id in distinct:
        artifact = first.open(id, "selection")
        out[artifact.id] = load_rows(artifact)
        datasets[artifact.id] = artifact.ancestor("dataset").id
    if len(set(datasets.values())) > 1:
        named = "; ".join(f"{id} is of {dataset}" for id, dataset in datasets.items())
        raise InputError(f"selections of several datasets share no rows: {named}; choose one's")
    return out


def jaccard(sets: Sets) -> pd.DataFrame:
    """Return the Jaccard index of every two selections, rows in both / rows in either (n, n)."""
    size = 1 + max(int(rows.max(initial=0)) for rows in sets.values())
    masks = np.zeros((len(sets), size), np.float32)
    for mask, rows in zip(masks, sets.values(), strict=True):
        mask[rows] = 1
    both = (masks @ masks.T).astype(np.float64)  # exact in float32 below 2**24 rows
    counts = np.diag(both)
    either = np.add.outer(counts, counts) - both
    values = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    return pd.DataFrame(values, index=list(sets), columns=list(sets))


def by_chance(a: int, b: int, pool: int) -> float:
    """Return about what two independent random draws of a and b rows of the pool would overlap.

    The Jaccard index at the expected number of common rows, a b / pool.
    """
    both = a * b / pool
    return both / (a + b - both)


class Pair(NamedTuple):
    """Two selections' rows, each in its own order of rank."""

    only_a: Ints
    only_b: Ints
    both: Ints
    """In the order of A."""


def pair(a: Ints, b: Ints) -> Pair:
    """Split the rows of two selections."""
    in_b = np.isin(a, b)
    return Pair(a[~in_b], b[~np.isin(b, a)], a[in_b])


def facets(frame: pd.DataFrame, sets: Sets) -> Differences:
    """Return how far the selections are apart in every facet, furthest first.

    Columns: facet, label, unit, kind, distance (the largest of any two of them, 0 to 1, see
    `core.review.facets.distance`), and one a selection: its mean; NaN for categories.

    Args:
        frame: The pool, as `core.review.facets.load` gives it.

    Raises:
        InputError: a selected row is not in the pool.
    """
    places = {name: positions(frame, rows) for name, rows in sets.items()}
    lines = []
    for name, facet in of(frame).items():
        coded = code(frame[name], facet.kind)
        parts = {id: shares(coded.codes[at], coded.size) for id, at in places.items()}
        far = max(distance(parts[a], parts[b], facet.kind) for a, b in combinations(parts, 2))
        number = facet.kind == "number"
        means = {
            id: float(frame[name].iloc[at].mean()) if number else np.nan
            for id, at in places.items()
        }
        lines.append({"facet": name, **facet._asdict(), "distance": far, **means})
    columns = ["facet", "label", "unit", "kind", "distance", *sets]
    return _differences_first(pd.DataFrame(lines, columns=columns), "distance")


def allocation(frame: pd.DataFrame, sets: Sets, facet: str) -> Differences:
    """Return how many rows each selection took of every group, largest difference of shares first.

    Columns: group, pool (its rows), one a selection (rows taken), difference (largest share of a
    selection minus the smallest, 0 to 1).

    Args:
        frame: The pool, as `core.review.facets.load` gives it.
        facet: A category: `cluster`, `source`, `copies`.

    Raises:
        InputError: the pool has no such category, or a selected row is not in it.
    """
    there = [n for n, f in of(frame).items() if f.kind == "category"]
    if facet not in there:
        raise InputError(f"rows are not grouped by {facet!r} here; there are {', '.join(there)}")
    codes, names = pd.factorize(frame[facet], sort=True)
    table = pd.DataFrame(
        {"group": names, "pool": np.bincount(codes[codes >= 0], minlength=len(names))}
    )
    parts = []
    for id, rows in sets.items():
        labels = codes[positions(frame, rows)]
        table[id] = np.bincount(labels[labels >= 0], minlength=len(names))
        parts.append(shares(labels, len(names)))
    table["difference"] = np.ptp(parts, axis=0)
    return _differences_first(table, "difference")


def totals(frame: pd.DataFrame, sets: Sets) -> Differences:
    """Return what each selection costs to train on: rows, and tokens where they were counted.

    Columns: measure, one a selection, difference (largest over smallest, minus 1).
    """
    places = {name: positions(frame, rows) for name, rows in sets.items()}
    lines: list[dict[str, Any]] = [{"measure": "rows"} | {n: len(at) for n, at in places.items()}]
    sums = {"response": "response tokens", "prompt": "prompt characters"}
    for column, label in sums.items():
        if column in frame:
            values = frame[column].to_numpy()
            lines.append(
                {"measure": label} | {n: int(values[at].sum()) for n, at in places.items()}
            )
    table = pd.DataFrame(lines)
    numbers = table[list(sets)]
    table["difference"] = numbers.max(axis=1) / numbers.min(axis=1).clip(lower=1) - 1
    return _differences_first(table, "difference")


def settings(configs: Mapping[str, Mapping[str, Any]]) -> Differences:
    """Return the settings in which selections differ: setting, and one column a selection.

    Args:
        configs: Id -> the config of its manifest; "" stands where one has no such setting.
    """
    names = list(dict.fromkeys(name for config in configs.values() for name in config))
    rows = [{"setting": n, **{id: c.get(n, "") for id, c in configs.items()}} for n in names]
    differing = [r for r in rows if len({str(r[id]) for id in configs}) > 1]
    table = pd.DataFrame(differing, columns=["setting", *configs])
    return Differences(table, len(rows) - len(differing))


def sentence(a: Ints, b: Ints, pool: int) -> str:
    """Say how much two selections overlap, beside what chance gives."""
    overlap = pair(a, b)
    share = len(overlap.both) / (len(overlap.both) + len(overlap.only_a) + len(overlap.only_b))
    return (
        f"{len(overlap.both):,} rows in both, {len(overlap.only_a):,} only in the first, "
        f"{len(overlap.only_b):,} only in the second: Jaccard {share:.2f}, where two random draws "
        f"of these sizes from {pool:,} rows have about {by_chance(len(a), len(b), pool):.2f}"
    )


def _differences_first(table: pd.DataFrame, by: str) -> Differences:
    """Drop the lines without a difference and order the others, ties as they stand."""
    differing = table[table[by] > 1e-12]
    order: npt.NDArray[np.int64] = np.argsort(-differing[by].to_numpy(), kind="stable")
    return Differences(differing.iloc[order].reset_index(drop=True), len(table) - len(differing))
