"""What may be set of a study: its arms, the target, how long, what is as good as all the data."""

from __future__ import annotations

import dataclasses
from typing import Literal

from core.finetune.metrics import METRICS
from core.finetune.settings import Target, Tested
from core.model import loading
from core.settings import Group, setting
from core.spec import Auto
from core.study.arms import Arms
from core.training.settings import FROM_SCRATCH, PRETRAINED, Shared


@dataclasses.dataclass(frozen=True, kw_only=True)
class Equal(Group):
    """How long every arm is trained."""

    steps: int | Auto = setting(
        "auto",
        help="Optimizer steps of every arm; auto is 3 epochs of the budget (6 from scratch), "
        "at least 200",
        minimum=1,
    )
    equal: Literal["steps", "epochs"] = setting(
        "steps",
        label="Equal for all arms",
        words={"steps": "training steps", "epochs": "passes over its rows"},
        help="What all arms have as much of. steps: the same training on less data. epochs: as "
        "many passes over its own rows, so that a smaller arm takes less time; then what the proxy "
        "cost is charged, and random_cost_matched can be an arm",
        later=True,
    )
    epochs: float | Auto = setting(
        "auto",
        help="Passes of every arm over its rows where epochs are equal; auto is 3 (6 from scratch)",
        above=0,
        maximum=1000,
        advanced=True,
        later=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Margins(Group):
    """How much worse than all the data is still as good: fixed before the first run."""

    margin_nats: float = setting(
        METRICS["loss"].margin,
        above=0,
        label="Margin of the loss",
        help="As good as all the data within so many nats per response token; fixed beforehand",
        advanced=True,
        later=True,
    )
    margin_points: float = setting(
        METRICS["exact_match"].margin,
        above=0,
        label="Margin of exact match",
        help="As good as all the data within so many points of exact match; fixed beforehand",
        advanced=True,
        later=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Arms, Target, Equal, Tested, Margins, Shared):
    """Which selections to compare, on which target."""

    edits: int | Auto = setting(
        "auto",
        help="Edits that every arm honours: auto is all up to now, 0 none, N the first N of the "
        "dataset's log",
        minimum=0,
        hidden=True,
    )
    resume: bool = setting(
        True, help="Reuse fine-tunes of the same settings", identity=False, hidden=True
    )
    name: str = setting("", help="What to call it", identity=False, advanced=True)


def epochs_of(s: Settings) -> float:
    """Return the passes that every arm makes over its rows; 0 where the steps are equal."""
    if s.equal == "steps":
        return 0.0
    if s.epochs != "auto":
        return float(s.epochs)
    preset = FROM_SCRATCH if loading.is_scratch(s.model) else PRETRAINED
    return float(preset["epochs"])
