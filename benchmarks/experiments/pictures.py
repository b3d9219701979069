"""The pictures of docs/evidence.md, drawn by the report's own writer from docs/evidence/*.json.

Run: python -m benchmarks.experiments.pictures

Writes docs/evidence/*.svg: light and dark by the reader's own scheme, no script, no font of ours.
"""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from core.report.svg import Scale, axis, drawing, el, label, tip

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "evidence"
WIDTH, LEFT, RIGHT, LINE, TOP = 860, 350, 830, 30, 16
STYLE = """
text{font:13px system-ui,sans-serif;fill:#31333f}.soft{fill:#6b6f7b}
.grid{stroke:#31333f;opacity:.15}
.zero{stroke:#31333f;opacity:.7}.band{fill:#8b909a;opacity:.35}.ours{fill:#5b78ea;stroke:#5b78ea}
.other{fill:#8b909a;stroke:#8b909a}.worse{fill:#ec7a5e;stroke:#ec7a5e}
@media (prefers-color-scheme:dark){text{fill:#e6e6ea}.soft{fill:#a3a8b4}.grid,.zero{stroke:#e6e6ea}}
"""


class Line(NamedTuple):
    """A line of a picture: an interval with its middle, or points."""

    name: str
    low: float
    high: float
    middle: float
    points: Sequence[float] = ()
    kind: str = "ours"
    about: str = ""


def intervals(
    title: str, lines: list[Line], what: str, *, zero: bool = False, band: bool = False
) -> str:
    """Draw lines from the top down.

    Args:
        title: For who cannot see it.
        lines: In order.
        what: The axis, with its unit and which way is better.
        zero: Whether a line stands at 0, where there is no difference.
        band: Whether low to high is a range that points are to be above, not an interval.
    """
    values = [v for line in lines for v in (line.low, line.high, line.middle, *line.points)]
    values = [v for v in values if math.isfinite(v)] + ([0.0] if zero else [])
    pad = 0.04 * (max(values) - min(values))
    x = Scale(min(values) - pad, max(values) + pad, float(LEFT), float(RIGHT))
    bottom = float(TOP + LINE * len(lines))
    parts = [el("style", STYLE), axis(x, bottom, TOP, what)]
    if zero:
        parts.append(el("line", x1=x(0), x2=x(0), y1=float(TOP), y2=bottom, class_="zero"))
    for i, line in enumerate(lines):
        y = TOP + LINE * (i + 0.5)
        marks = [tip(line.about or f"{line.middle:.4g} ({line.low:.4g} to {line.high:.4g})")]
        if band:
            size = {"width": x(line.high) - x(line.low), "height": 12.0}
            marks.append(el("rect", x=x(line.low), y=y - 6, **size, class_="band"))
        elif math.isfinite(line.low):
            ends = {"x1": x(line.low), "x2": x(line.high), "y1": y, "y2": y}
            marks.append(el("line", **ends, class_=line.kind, stroke_width=2))
        marks += [
            el("circle", cx=x(v), cy=y, r=3.0, class_=line.kind, fill_opacity="0.7")
            for v in line.points
        ]
        if not line.points:
            marks.append(el("circle", cx=x(line.middle), cy=y, r=4.5, class_=line.kind))
        parts += [label(LEFT - 12, y + 4, line.name, "end"), el("g", *marks)]
    return drawing("evidence", title, WIDTH, bottom + 44, *parts)


def _pair(pair: dict[str, Any], name: str = "") -> Line:
    clear = pair.get("holm_p", pair["p"])
    kind = "other" if clear >= 0.05 else ("ours" if pair["mean"] < 0 else "worse")
    name = name or f"{pair['arm']} less {pair['other']}"
    about = f"{pair['mean']:+.3f} ({pair['low']:+.3f} to {pair['high']:+.3f}), n {pair['n']}"
    return Line(name, pair["low"], pair["high"], pair["mean"], (), kind, about)


OF = {"as_pool": "tasks as in the pool", "rarest": "five rarest", "loss": "every task alike"}
DIFFERENCE = "difference of test loss, nats per response token; left of 0 the first arm is better"


def redundancy(result: dict[str, Any]) -> str:
    """Draw the skills that s2l covers beside 99 random draws, each pool and budget."""
    lines = [
        Line(
            f"{c['share']:.0%} of {c['pool'].rsplit('-', 1)[0]}",
            min(c["random"]),
            max(c["random"]),
            c["mean"],
            c["s2l"],
        )
        for c in sorted(result["coverage"], key=lambda c: (c["share"], c["pool"]))
    ]
    words = "skills covered, of 60: dots are s2l draws, grey the range of 99 random draws"
    return intervals("Skills covered by s2l and by random draws", lines, words, band=True)


def redundancy_scores(result: dict[str, Any]) -> str:
    """Draw what s2l's targets lose or win against the other arms on redundant pools."""
    scores = result["scores"]
    lines = [_pair(p) for p in scores["pairs"]]
    lines.append(_pair(scores["secondary"], "s2l less random, tasks as in the pool"))
    return intervals("Test loss of s2l less that of others", lines, DIFFERENCE, zero=True)


def mixture(result: dict[str, Any]) -> str:
    """Draw the differences on the mixture."""
    pairs = [*result["pairs"], result["aware"], *result["secondary"]]
    lines = [_pair(p, f"{p['arm']} less {p['other']}, {OF[p['of']]}") for p in pairs]
    return intervals("Differences on the unbalanced mixture", lines, DIFFERENCE, zero=True)


def noise(result: dict[str, Any]) -> str:
    """Draw the differences at each share of wrong answers."""
    lines = [
        _pair(p, f"{level['wrong']:.0%} wrong: {p['arm']} less {p['other']}")
        for level in result["levels"]
        for p in level["pairs"]
    ]
    return intervals("Differences with wrong answers", lines, DIFFERENCE, zero=True)


def draws(result: dict[str, Any]) -> str:
    """Draw the losses of s2l and random draws of each pool."""
    lines = [
        Line(
            f"{'clean' if pool['pool'].endswith('-0') else '10% wrong'}: {arm}",
            math.nan,
            math.nan,
            sum(values) / len(values),
            values,
            "ours" if arm == "s2l" else "other",
            f"{arm}: {len(values)} draws",
        )
        for pool in result["pools"]
        for arm, values in pool["losses"].items()
    ]
    words = "test loss of a draw's target, nats per response token; left is better"
    return intervals("Losses of s2l draws among random draws", lines, words)


def noninferior(result: dict[str, Any]) -> str:
    """Draw each share's difference from all rows with its one-sided bound, and the margin."""
    tests = [t for t in result["tests"] if t["arm"] != "full"]
    lines = [
        Line(
            f"{t['share']:.0%} by {t['arm']}",
            t["difference"],
            t["upper"],
            t["difference"],
            (),
            "ours" if t["arm"] == "s2l" else "other",
        )
        for t in tests
        if t.get("upper") is not None
    ]
    lines.append(Line("margin, stated before", 0.05, 0.05, 0.05, (), "worse"))
    words = "test loss less that of all rows, with its upper 95% bound, nats per response token"
    return intervals("Shares of the pool against all of it", lines, words, zero=True)


def robustness(result: dict[str, Any]) -> str:
    """Draw the evenness of every variant's selection."""
    lines = []
    for v in result["variants"]:
        kind = "ours" if v.get("above_all_random") else "other"
        name = f"{v['what']}, {v['variant']} ({v['pool'].split('-')[1]})"
        lines.append(Line(name, math.nan, math.nan, v["entropy"], (), kind, f"{v['entropy']:.3f}"))
    words = "entropy of the 17 tasks in the selection; blue: above all of 99 random draws"
    return intervals("Evenness of selections by variant", lines, words)


def theorem(result: dict[str, Any]) -> str:
    """Draw the gradient error of subsets."""
    lines = [
        Line(f"{arm} ({len(errors)})", min(errors), max(errors), 0.0, errors, kind)
        for (arm, errors), kind in zip(
            result["errors"].items(), ("worse", "ours", "other"), strict=True
        )
    ]
    lines = [line._replace(middle=sum(line.points) / len(line.points)) for line in lines]
    words = "relative error of the mean gradient, a dot a subset; left is nearer to all"
    return intervals("Gradient error of subsets", lines, words)


def purity(result: dict[str, Any]) -> str:
    """Draw the agreement of clusters with labels for each feature."""
    lines = [
        Line(
            f"{a['data']}: {a['features']}",
            a["min"],
            a["max"],
            a["mean"],
            (),
            "ours" if a["features"] == "raw" else "other",
        )
        for a in sorted(result["ami"], key=lambda a: (a["data"], -a["mean"]))
    ]
    words = "adjusted mutual information with the labels: mean, and range over 3 proxies"
    return intervals("Agreement of clusters with topics", lines, words)


def pilot(result: dict[str, Any]) -> str:
    """Draw the losses of the random draws in each regime."""
    lines = [
        Line(f"{r['base']}, {r['steps']} steps", math.nan, math.nan, r["mean"], r["losses"])
        for r in result["regimes"]
    ]
    words = "test loss of 20 random draws, nats per response token"
    return intervals("Spread of random draws by regime", lines, words)


PICTURES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "pilot": ("pilot", pilot),
    "robustness": ("robustness", robustness),
    "purity": ("purity", purity),
    "redundancy": ("redundancy", redundancy),
    "redundancy-scores": ("redundancy", redundancy_scores),
    "noise": ("noise", noise),
    "mixture": ("mixture", mixture),
    "draws": ("draws", draws),
    "noninferior": ("noninferior", noninferior),
    "theorem": ("theorem", theorem),
}
"""Name of a picture -> the experiment, and what draws its result."""


def main() -> None:
    """Draw all."""
    for name, (experiment, draw) in PICTURES.items():
        found = json.loads((FOLDER / f"{experiment}.json").read_text())["result"]
        (FOLDER / f"{name}.svg").write_text(draw(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
