"""What may be set of a fine-tune, and how many steps it takes."""

from __future__ import annotations

import dataclasses

from core.finetune.target import Target, Tested
from core.model import loading
from core.model.templates import TEMPLATES
from core.settings import MAX_SEED, Auto, setting, with_preset
from core.training.settings import FROM_SCRATCH, PAPER, steps_for

MIN_STEPS = 200
"""A small selection is trained at least this many optimizer steps."""
PAPER_TARGET = {**PAPER, "model": "microsoft/phi-2"}
"""Target settings of arXiv 2403.07384: the proxy's, on a 40 times larger model."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Target):
    """How long a fine-tune is, and what else is its own."""

    epochs: float | Auto = setting(
        "auto",
        help="Passes over the selection; auto is 3 (6 from scratch), at least 200 steps",
        above=0,
        maximum=1000,
    )
    steps: int = setting(0, help="Optimizer steps instead of epochs; 0 uses epochs", minimum=0)
    template: str = setting(
        "auto",
        help="Prompt template; auto is the model's chat template, else Alpaca; plain from scratch",
        choices=("auto", *TEMPLATES),
        advanced=True,
    )
    preset: str = setting(
        "none",
        help="paper: Phi-2 and every value of the paper, where no other is given",
        choices=("none", "paper"),
        advanced=True,
    )
    seed: int = setting(
        0,
        help="Of scratch weights and the order of the data",
        minimum=0,
        maximum=MAX_SEED,
        advanced=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Tested, Training):
    """What to train, how long, and what to test it on."""

    selection: str = setting(help="Selection id", hidden=True)
    resume: bool = setting(
        False,
        help="Continue the newest unfinished run of the same settings",
        identity=False,
        hidden=True,
    )
    name: str = setting("", help="What to call it", identity=False, advanced=True)


def resolve(settings: Settings) -> Settings:
    """Fill in the preset."""
    return with_preset(settings, PAPER_TARGET) if settings.preset == "paper" else settings


def planned_steps(rows: int, epochs: float | str, batch_size: int, model: str) -> int:
    """Return the optimizer steps of a fine-tune: its epochs, but at least 200 steps on auto."""
    if epochs != "auto":
        return steps_for(rows, float(epochs), batch_size)
    auto = FROM_SCRATCH["epochs"] if loading.is_scratch(model) else 3.0
    return max(MIN_STEPS, steps_for(rows, auto, batch_size))
