"""The switches of S2L's family: how the budget is shared over clusters, and what is picked inside.

Defaults are the paper's values. Each help says when to change one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal

from core.errors import InputError
from core.selection.quotas import Allocation
from core.settings import Group, setting, specs
from core.workspace.files import fingerprint

Pick = Literal["random", "medoid", "spread", "hardest", "easiest"]
QUOTA = re.compile(r"\s*([0-9]{1,12})\s*(<=|=)\s*([0-9]{1,12})\s*")
SPELLED = 4
"""More quotas than these are not spelled in a name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Switches(Group):
    """How S2L shares and picks; none counts for another strategy."""

    allocation: Allocation = setting(
        "equal",
        help="How clusters share the budget: equal is the paper's; proportional or sqrt where "
        "small clusters are noise; capped where small ones should not be taken whole",
    )
    cap: float = setting(
        0.5,
        help="Most of a cluster that --allocation capped takes, as a share of its rows; lower it "
        "to thin small clusters more",
        label="Cap (share of a cluster)",
        above=0,
        maximum=1,
        advanced=True,
    )
    pick: Pick = setting(
        "random",
        help="Rows taken inside a cluster: random is the paper's; medoid the most typical, spread "
        "the most different for tiny budgets, hardest for large ones, easiest for noisy labels",
    )
    noise_guard: bool = setting(
        False,
        help="A cluster that was never learned gets at most its proportional share; every loss of "
        "a proxy from scratch falls, so there it does nothing: take the guard among the filters",
    )
    small_sources: int = setting(
        0,
        help="Sources of fewer rows than this are kept whole; set it where a rare source must not "
        "be thinned; 0 keeps none",
        label="Keep sources whole below (rows)",
        minimum=0,
    )
    quotas: str = setting(
        "",
        help="Quotas of clusters set by hand: 3=40,7=0,12<=25 gives cluster 3 its 40 rows, 7 none, "
        "12 at most 25; the others share the rest",
        label="Quotas set by hand",
    )

    def validate(self) -> None:
        by_hand(self.quotas)
        if self.allocation != "capped" and self.cap != 0.5:
            raise InputError(f"--cap counts with --allocation capped only, not {self.allocation}")


def of(settings: Switches) -> Switches:
    """Return the switches alone of settings that have others beside them."""
    return Switches(**{s.name: getattr(settings, s.name) for s in specs(Switches)})


def by_hand(text: str) -> tuple[dict[int, int], dict[int, int]]:
    """Read quotas set by hand: cluster -> rows set, and cluster -> rows at most.

    Raises:
        InputError: not of the grammar, or a cluster named twice.
    """
    fixed: dict[int, int] = {}
    caps: dict[int, int] = {}
    for part in filter(str.strip, text.split(",")):
        match = QUOTA.fullmatch(part)
        if not match:
            raise InputError(
                f"--quotas has {part.strip()!r}; write cluster=rows or cluster<=rows, with commas "
                "between: 3=40,7=0,12<=25"
            )
        cluster, sign, rows = int(match[1]), match[2], int(match[3])
        if cluster in fixed or cluster in caps:
            raise InputError(f"--quotas names cluster {cluster} twice; keep one")
        (fixed if sign == "=" else caps)[cluster] = rows
    return fixed, caps


def written(fixed: Mapping[int, int], caps: Mapping[int, int]) -> str:
    """Write quotas set by hand as `by_hand` reads them, in order of cluster.

    One order for all: equal quotas are then the same setting, however they were set.
    """
    signs = {c: f"{c}={rows}" for c, rows in fixed.items()}
    signs |= {c: f"{c}<={rows}" for c, rows in caps.items()}
    return ",".join(signs[c] for c in sorted(signs))


def put(text: str, sign: Literal["=", "<=", ""], rows: Mapping[int, int]) -> str:
    """Return quotas set by hand with some changed.

    Args:
        text: As `by_hand` reads it.
        sign: Whether the clusters are set to their rows, capped at them, or no longer set by hand.
        rows: Cluster -> its rows.
    """
    fixed, caps = by_hand(text)
    for cluster, number in rows.items():
        fixed.pop(cluster, None)
        caps.pop(cluster, None)
        if sign:
            (fixed if sign == "=" else caps)[cluster] = number
    return written(fixed, caps)


def changed(settings: Switches) -> list[str]:
    """List the flags of the switches that differ from the default, in order of declaration."""
    return [s.flag for s in specs(Switches) if getattr(settings, s.name) != s.default]


def words(switches: Switches) -> list[str]:
    """Name the switches that differ from the default, for the name of a selection."""
    out: list[str] = [] if switches.allocation == "equal" else [switches.allocation]
    if switches.cap != 0.5:
        out = [f"capped {switches.cap:g}"]
    out += [] if switches.pick == "random" else [switches.pick]
    out += ["noise guard"] if switches.noise_guard else []
    out += [f"sources below {switches.small_sources:,} whole"] if switches.small_sources else []
    return [*out, _spelled(switches.quotas)] if switches.quotas.strip() else out


def _spelled(quotas: str) -> str:
    """Write quotas set by hand so that two lists differ: a long one by its length and a hash."""
    text = written(*by_hand(quotas))
    parts = text.split(",")
    return (
        f"quotas {text}"
        if len(parts) <= SPELLED
        else (f"{len(parts)} quotas #{fingerprint(parts)[:6]}")
    )
