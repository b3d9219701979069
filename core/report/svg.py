"""Drawings as SVG text: elements, scales and ticks; what is drawn is a page's own, never a text's.

Colours are classes of the page (`ink`, `muted`, `paper`) or fixed values, so that a drawing is
right on light, on dark and on paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from core.report.html import text

CHARACTER = 6.6
"""Mean width of a character of 12 px, in px."""


def el(name: str, *children: str, **attributes: object) -> str:
    """Return an element; `_` in a name of an attribute is a hyphen, a last one is dropped."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(children)
    return f"<{name}{given}>{inside}</{name}>" if inside else f"<{name}{given}/>"


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def tip(words: str) -> str:
    """Return what is said of an element while the pointer is on it."""
    return el("title", text(words))


def label(x: float, y: float, words: str, anchor: str = "start", kind: str = "ink") -> str:
    """Return a piece of text."""
    return el("text", text(words), x=float(x), y=float(y), text_anchor=anchor, class_=kind)


def shortened(words: str, width: float) -> str:
    """Cut a text to a width in px."""
    most = max(2, int(width / CHARACTER))
    return words if len(words) <= most else words[: most - 1] + "…"


def drawing(key: str, title: str, width: float, height: float, *children: str) -> str:
    """Return a whole drawing with its name for who cannot see it; its words stand below it."""
    return el(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=title,
        aria_describedby=f"{key}-words",
        xmlns="http://www.w3.org/2000/svg",
    )


class Scale(NamedTuple):
    """A straight line from values to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round values between two ends, at most so many."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def axis(
    scale: Scale, y: float, top: float, title: str, form: str = "{:,.4g}", most: int = 6
) -> str:
    """Return a horizontal axis with thin lines up to `top`, and its title below."""
    parts = []
    for value in ticks(scale.low, scale.high, most):
        x = scale(value)
        parts += [
            el("line", x1=x, x2=x, y1=float(top), y2=float(y), class_="grid"),
            label(x, y + 16, form.format(value), "middle", "soft"),
        ]
    middle = (scale.start + scale.end) / 2
    return el("g", *parts, label(middle, y + 34, title, "middle", "soft"), class_="axis")


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return a line through points, rounded to a tenth of a px."""
    return "M" + "L".join(f"{_plain(float(x))} {_plain(float(y))}" for x, y in points)
