"""Colours of clusters, sources and quantities; every one is legible on light and on dark.

A cluster has one colour everywhere: on the pages and in a report. Up to ten, colour-blind readers
tell them apart as well as they do the Okabe-Ito set: five of its colours are kept, the others were
chosen to maximise the smallest OKLab distance under simulated protanopia and deuteranopia. To 40
they come from colorcet's glasbey; beyond that no colours can be told apart, so each cluster gets
the colour of its mean final loss (`palette`) and the one that is chosen is lit up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import colorcet
import numpy as np

ACCENT = "#5b78ea"
MUTED = "#8b909a"
CLUSTER_LIMIT = 40  # more clusters than this have no colours of their own

# Middle lightness at both ends: viridis and its kin start or end in a background.
SEQUENTIAL = ("#3f5fd0", "#8657cf", "#c9529b", "#ec7a5e", "#f0b03c")

_TEN = (
    "#0072b2",  # blue
    "#e69f00",  # amber
    "#009e73",  # green
    "#d55e00",  # vermilion
    "#56b4e9",  # sky
    "#a8398a",  # plum
    "#9078ee",  # violet
    "#066357",  # deep teal
    "#f476b7",  # pink
    "#923002",  # rust
)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 (black) to 1 (white), as WCAG 2 defines it."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# 0.085 to 0.47: contrast of at least 2 against white and against the dark scheme's background.
_FORTY = tuple(c for c in colorcet.glasbey if 0.085 <= luminance(c) <= 0.47)[:CLUSTER_LIMIT]


def cluster_colours(k: int) -> tuple[str, ...] | None:
    """One colour per cluster 0..k-1, or None above CLUSTER_LIMIT."""
    if k > CLUSTER_LIMIT:
        return None
    return (_TEN if k <= len(_TEN) else _FORTY)[:k]


def cluster_colour(cluster: int, k: int) -> str:
    """Colour of one of k clusters: grey for -1 (unclustered), ACCENT above CLUSTER_LIMIT."""
    if cluster < 0:
        return MUTED
    colours = cluster_colours(k)
    return colours[cluster] if colours else ACCENT


def shades(n: int, colours: Sequence[str] = SEQUENTIAL) -> list[str]:
    """Return n colours evenly spaced along a scale through `colours`."""
    stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], float)
    at = np.linspace(0, len(colours) - 1, n)
    red, green, blue = (np.interp(at, np.arange(len(colours)), stops[:, i]) for i in range(3))
    rgb = np.rint([red, green, blue]).astype(int).T.tolist()
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in rgb]


def graded(values: Iterable[float]) -> list[str]:
    """Colour of each value on the sequential scale from the lowest to the highest; NaN is grey."""
    known = np.array(list(values), float)
    finite = known[np.isfinite(known)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    scale = shades(256)
    return [
        scale[round(255 * (v - low) / ((high - low) or 1.0))] if np.isfinite(v) else MUTED
        for v in known.tolist()
    ]


def palette(k: int, final_loss: Sequence[float]) -> list[str]:
    """One colour per cluster for every chart: its own up to CLUSTER_LIMIT, above by `final_loss`.

    Args:
        k: Number of clusters.
        final_loss: Mean final loss of cluster 0..k-1, NaN for one without rows.
    """
    return list(cluster_colours(k) or graded(final_loss))


def source_colours(names: Iterable[str]) -> dict[str, str]:
    """Colour of each source, settled by its place in sorted order; grey from the 41st on."""
    ordered = sorted(set(names))
    colours = cluster_colours(min(len(ordered), CLUSTER_LIMIT)) or ()
    return dict.fromkeys(ordered, MUTED) | dict(zip(ordered, colours, strict=False))
