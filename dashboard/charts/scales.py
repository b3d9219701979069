"""Colours of a map as a scale with its key: a colour a category, or a slope for a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboard.charts import figure, theme
from dashboard.charts.raster import Ints, Mask

KEYED = 20  # categories with a colour of their own in the key beside a map
HEIGHT = 560  # of a map in pixels, so of the key too


class Categories(NamedTuple):
    """A column of names as colours of a map."""

    codes: Ints
    """0.. by falling frequency (n,), -1 for all that have no colour of their own."""
    names: dict[int, str]
    """Of each code, for the key."""
    colours: list[str]
    """Of codes 0.. in order."""


def categories(values: pd.Series, counted: Mask | None = None) -> Categories:
    """Number the 20 most frequent values of a column; the others share grey.

    Args:
        values: Of every row (n,); a column of categories is fastest.
        counted: Rows whose values count (n,); all where not given.
    """
    known = isinstance(values.dtype, pd.CategoricalDtype)
    coded = (values if known else values.astype(str).astype("category")).cat
    codes = coded.codes.to_numpy()
    there = codes >= 0 if counted is None else (codes >= 0) & counted
    counts = np.bincount(codes[there], minlength=len(coded.categories))
    order = np.argsort(-counts, kind="stable")[: min(KEYED, int((counts > 0).sum()))]
    place = np.full(len(counts) + 1, -1, np.int32)
    place[order] = np.arange(len(order))
    kept = [str(coded.categories[i]) for i in order]
    names = dict(enumerate(kept))
    if (rest := int((counts > 0).sum()) - len(kept)) > 0:
        names[-1] = f"{rest:,} others"
    colours = theme.source_colours(kept)
    return Categories(place[codes], names, [colours[n] for n in kept])


def category_colours(k: int, chosen: int | None, colours: Sequence[str] | None) -> list[str]:
    """Return the colours of k categories, or of clusters; all but a chosen one recede."""
    own = list(colours or theme.cluster_colours(k) or [theme.MUTED] * k)
    if chosen is None:
        return own
    lit = own[chosen] if colours else theme.cluster_colour(chosen, k)
    return [lit if c == chosen else theme.MUTED for c in range(k)]


def category_scale(
    first: int,
    k: int,
    chosen: int | None,
    names: Mapping[int, str] | None,
    own: Sequence[str] | None,
) -> dict[str, Any]:
    """Marker settings for colours first..k-1: flat steps, faint where they should recede."""
    faint = figure.rgba(theme.MUTED, 0.25)
    colours = [
        faint if c == theme.MUTED and chosen is not None else figure.rgba(c, 0.8)
        for c in category_colours(k, chosen, own)
    ]
    scale: dict[str, Any] = {
        "colorscale": figure.stepped([faint, *colours] if first < 0 else colours),
        "cmin": first - 0.5,
        "cmax": k - 0.5,
    }
    if names:
        shown = sorted(names)
        key = {"tickvals": shown, "ticktext": [figure.label(names[c]) for c in shown]}
        size = {"lenmode": "pixels", "len": min(24 * (k - first) + 20, HEIGHT - 20)}
        scale |= {"showscale": True, "colorbar": _bar(key | size)}
    return scale


def value_scale(title: str, span: tuple[float, float]) -> dict[str, Any]:
    """Marker settings for a quantity; what lies outside the span shares the end colours."""
    low, high = span
    bar = _bar({"title": {"text": figure.label(title, 40), "side": "right"}, "nticks": 5})
    colours = figure.sloped([figure.rgba(c, 0.85) for c in theme.SEQUENTIAL])
    limits = {"cmin": float(low), "cmax": float(high)} if high > low else {}
    return {"colorscale": colours, "showscale": True, "colorbar": bar, **limits}


def _bar(settings: dict[str, Any]) -> dict[str, Any]:
    return {"thickness": 10, "len": 0.7, "outlinewidth": 0, "x": 1.0, "xpad": 8} | settings
