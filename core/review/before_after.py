"""Before and after: a selection beside the whole pool and beside random draws of its size.

A random draw of the same size is not the pool either. So a selection is marked as further from the
pool only where it is further than every one of the draws: by chance that is one facet in 21. At
least one of several is marked more often: of eight facets in 80 of 300 random selections.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Ints
from core.review.facets import Coded, Facet, code, distance, of, positions, shares

DRAWS = 20
ROUNDING = 1e-12


class Repeats(NamedTuple):
    """Rows whose prompt and response stand in the set already."""

    pool: int
    selected: int
    low: int
    """The fewest in a random draw."""
    median: float
    high: int


class BeforeAfter(NamedTuple):
    """What a selection changed."""

    facets: pd.DataFrame
    """One line a facet: facet, label, unit, kind, distance (of the selection from the pool, 0 to 1,
    `core.review.facets.distance`), low, median, high (the same of the random draws), further (than
    all of them), pool_mean, selected_mean (NaN for categories). Furthest first, by how many times
    the draws' highest distance."""
    shares: pd.DataFrame
    """One line a category or quantile bin of the pool: facet, place, label, pool, selected, low,
    median, high (shares, 0 to 1)."""
    repeats: Repeats
    rows: int
    """Selected."""
    of: int
    """In the pool."""
    draws: int

    def sentence(self) -> str:
        """Say where the selection is further from the pool than chance, and how often chance is."""
        marked = self.facets.loc[self.facets["further"], "label"].tolist()
        chance = f"Among {self.draws} draws chance alone marks one facet in {self.draws + 1}"
        several = ", and at least one of eight in about one selection in four"
        chance += f"{several if self.draws == DRAWS else ''}."
        sizes = f"{self.rows:,} of {self.of:,} rows"
        if not marked:
            return (
                f"{sizes}: in no facet is the selection further from the pool than all "
                f"{self.draws} random draws of its size. {chance}"
            )
        return (
            f"{sizes}: further from the pool than all {self.draws} random draws of its size in "
            f"{len(marked)} of {len(self.facets)} facets ({', '.join(marked)}). {chance}"
        )


def compare(
    frame: pd.DataFrame, rows: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> BeforeAfter:
    """Compare selected rows with their pool, facet by facet, and with random draws of the pool.

    A facet in which all rows of the pool are equal is left out.

    Args:
        frame: The pool, as `core.review.facets.load` gives it, in order of id.
        rows: Rows of the dataset that are selected (n_selected,).
        draws: Random draws of the same number of rows.

    Raises:
        ValueError: no draw, or a selected row is not in the pool.
    """
    if draws < 1:
        raise ValueError(f"{draws} random draws show no band; draw at least 1")
    chosen = positions(frame, rows)
    rng = np.random.default_rng(seed)
    sets = [rng.choice(len(frame), len(chosen), replace=False) for _ in range(draws)]
    lines, parts = [], []
    for name, facet in of(frame).items():
        coded = code(frame[name], facet.kind)
        if coded.size > 1:
            lines.append(_distances(name, facet, frame[name], coded, chosen, sets))
            parts.append(_shares(name, coded, chosen, sets))
    columns = ["facet", "place", "label", "pool", "selected", "low", "median", "high"]
    return BeforeAfter(
        _furthest_first(pd.DataFrame(lines)),
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns),
        _repeats(frame["text"], chosen, sets),
        len(chosen),
        len(frame),
        draws,
    )


def _distances(
    name: str, facet: Facet, values: pd.Series, coded: Coded, chosen: Ints, sets: list[Ints]
) -> dict[str, object]:
    """Return one line of the table of facets."""
    pool = shares(coded.codes, coded.size)

    def far(rows: Ints) -> float:
        return distance(shares(coded.codes[rows], coded.size), pool, facet.kind)

    distances, drawn = far(chosen), [far(rows) for rows in sets]
    number = facet.kind == "number"
    return {
        "facet": name,
        "label": facet.label,
        "unit": facet.unit,
        "kind": facet.kind,
        "distance": distances,
        "low": min(drawn),
        "median": float(np.median(drawn)),
        "high": max(drawn),
        "further": distances > max(drawn) + ROUNDING,
        "pool_mean": float(values.mean()) if number else np.nan,
        "selected_mean": float(values.iloc[chosen].mean()) if number else np.nan,
    }


def _furthest_first(table: pd.DataFrame) -> pd.DataFrame:
    """Order by the distance over the draws' highest; where all draws are the pool, by name."""
    if table.empty:
        return table
    times = table["distance"] / table["high"].clip(lower=ROUNDING)
    return table.iloc[np.argsort(-times, kind="stable")].reset_index(drop=True)


def _shares(name: str, coded: Coded, chosen: Ints, sets: list[Ints]) -> pd.DataFrame:
    """Return the lines of one facet in the table of shares."""
    groups = len(coded.labels)
    drawn = np.stack([shares(coded.bins[rows], groups) for rows in sets])
    return pd.DataFrame(
        {
            "facet": name,
            "place": np.arange(groups),
            "label": coded.labels,
            "pool": shares(coded.bins, groups),
            "selected": shares(coded.bins[chosen], groups),
            "low": drawn.min(0),
            "median": np.median(drawn, axis=0),
            "high": drawn.max(0),
        }
    )


def _repeats(texts: pd.Series, chosen: Ints, sets: list[Ints]) -> Repeats:
    """Count the rows that are there already, in the pool, the selection and the draws."""
    codes, names = pd.factorize(texts)

    def count(rows: Ints) -> int:
        return len(rows) - int(np.count_nonzero(np.bincount(codes[rows], minlength=len(names))))

    drawn = [count(rows) for rows in sets]
    pool = len(codes) - len(names)
    return Repeats(pool, count(chosen), min(drawn), float(np.median(drawn)), max(drawn))
