"""What may be set of a target and its training, here and wherever one is trained.

A fine-tune, the arms of a study and a try on a few rows share what is declared here.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from core.evaluations.catalog import EVALUATIONS
from core.finetune.presets import PAPER_TARGET, PRESETS
from core.model import loading
from core.settings import Group, setting, with_preset
from core.spec import MAX_SEED, Auto
from core.training import settings as training
from core.training.settings import FROM_SCRATCH, TRACKERS, Adapter, Optimizing, Shared, steps_for

RATES = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
MIN_STEPS = 200
"""A small selection is trained at least this many optimizer steps."""
LOOKS, APART = 10, 20
"""Of eval_every on auto: looks a run, and the fewest steps between two."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Group):
    """Which model, and how it is trained."""

    model: str = setting(
        "scratch:small",
        help="Target: a local directory, a hub id, scratch:tiny or scratch:small",
        label="Target model",
        names="model",
        suggestions=loading.TARGETS,
    )
    method: Literal["full", "lora", "qlora"] = setting(
        "full",
        words={"full": "All weights", "lora": "LoRA", "qlora": "QLoRA, 4 bit"},
        help="Train all weights, a LoRA adapter, or one on weights in 4 bits (a GPU's only)",
    )
    lr: float | Auto = training.learning_rate("2e-5, LoRA and QLoRA 2e-4, from scratch 3e-3")
    batch_size: int = training.batch_size(32)
    max_length: int | Auto = training.max_length()
    precision: loading.Precision = training.precision(" while training")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target(Model, Optimizing, Adapter):
    """The same, and the finer points of its training."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Group):
    """How long a fine-tune is, and what else is its own."""

    epochs: float | Auto = training.epochs(
        "Passes over the selection; auto is 3 (6 from scratch), at least 200 steps"
    )
    steps: int = setting(
        0,
        zero="auto",
        help="Optimizer steps instead of epochs; 0 uses epochs",
        minimum=0,
    )
    template: str = training.template()
    preset: Literal["none", "quick", "balanced", "paper"] = setting(
        "none",
        help="Values where no other is given; quick: minutes, balanced: what usually works, "
        "paper: Phi-2 and every value of the paper",
        advanced=True,
    )
    packing: bool = setting(
        False,
        help="Put short rows behind one another in one sequence, each read by itself: less "
        "padding, the same result; refused for a model that would read across rows",
        advanced=True,
        identity=False,
        later=True,
    )
    neftune: float = setting(
        0.0,
        help="Noise on the embeddings while training (NEFTune's alpha, usually 5); 0 none",
        label="NEFTune",
        minimum=0,
        maximum=100,
        advanced=True,
        later=True,
    )
    seed: int = setting(
        0,
        help="Of scratch weights and the order of the data",
        minimum=0,
        maximum=MAX_SEED,
        advanced=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tested(Group):
    """On which rows the trained target is tested."""

    eval: str = setting(
        "",
        label="Test set",
        help="Test file or dataset id; the dataset's own held-out rows when empty",
        names="test set",
    )
    decode: int = setting(
        500,
        label="Answers to grade",
        help="Test items answered for exact match, at most, each source in proportion; 0 is none",
        minimum=0,
        advanced=True,
    )
    answer_tokens: int | Auto = setting(
        "auto",
        label="Longest answer",
        help="Longest answer, in tokens; auto is what the data's own answers take, at most 1,024",
        minimum=1,
        advanced=True,
        later=True,
    )
    tests: str = setting(
        "",
        members=tuple(EVALUATIONS),
        label="More tests",
        help="Tests beside the test set, separated by commas: a name, NAME=PATH for a file of its "
        "public shape, a file, a dataset id or a hub id",
        names="tests",
        later=True,
    )
    all_items: bool = setting(
        False, help="Answer every test item, however many there are", advanced=True, later=True
    )
    encoder: str = setting(
        "",
        help="Folder of an encoder on this machine for BERTScore of free text; none: not measured",
        names="model",
        advanced=True,
        later=True,
    )
    second_opinion: bool = setting(
        False,
        help="List where math-verify, if it is installed, judges an answer otherwise",
        advanced=True,
        later=True,
    )

    @property
    def answers(self) -> bool:
        """Whether any item is answered."""
        return self.all_items or self.decode > 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched(Group):
    """What is looked at while the target trains, and what is kept."""

    eval_every: int | Auto = setting(
        "auto",
        help="Steps between two looks at held-out loss and at the answers to three prompts; auto "
        "is a tenth of the steps, at least 20; 0 never",
        label="Look every",
        minimum=0,
        advanced=True,
        later=True,
    )
    eval_rows: int = setting(
        200,
        help="Held-out rows of a look, at most: drawn once, the same in every run",
        label="Rows of a look",
        minimum=1,
        advanced=True,
        later=True,
    )
    patience: int = setting(
        0,
        help="Looks in a row without a lower held-out loss after which training ends; 0 never",
        label="Stop early after",
        minimum=0,
        advanced=True,
        later=True,
    )
    keep: Literal["last", "best"] = setting(
        "last",
        help="The weights that become the result: the last, or those of the look with the lowest "
        "held-out loss",
        label="Weights kept",
        advanced=True,
        later=True,
    )
    keep_every: int = setting(
        0,
        help="Steps between weights that are kept beside the result, to be loaded as it is; 0 none",
        minimum=0,
        advanced=True,
        identity=False,
        later=True,
    )
    report_to: str = setting(
        "",
        help="Trackers that are told too, where they are installed; TensorBoard files are always "
        "written, and nothing is sent anywhere unasked",
        members=TRACKERS,
        identity=False,
        advanced=True,
        later=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ahead(Group):
    """What is asked before anything is started."""

    dry_run: bool = setting(
        False,
        help="Say what it takes (memory, time, disk, rows as the model reads them); start nothing",
        identity=False,
        hidden=True,
        later=True,
    )
    price: float = setting(
        0.0,
        help="Of an hour of this machine, in any currency: the forecast says what the run costs",
        label="Price an hour",
        minimum=0,
        identity=False,
        hidden=True,
        later=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Target, Training, Tested, Watched, Shared, Ahead):
    """What to train, how long, what to test it on, and what to look at meanwhile."""

    model: str = setting(
        "scratch:small",
        help="Target: a local directory, a hub id, scratch:tiny or scratch:small, or the id of a "
        "fine-tune that is gone on with",
        label="Target model",
        names="model",
        suggestions=loading.TARGETS,
    )
    selection: str = setting(help="Selection id", hidden=True)
    resume: bool = training.resume()
    name: str = setting("", help="What to call it", identity=False, advanced=True)


def resolve(settings: Settings) -> Settings:
    """Fill in the preset."""
    if settings.preset == "none":
        return settings
    if settings.preset == "paper":
        return with_preset(settings, PAPER_TARGET)
    return with_preset(settings, PRESETS[settings.preset].values(settings.model, settings.method))


def planned_steps(rows: int, epochs: float | str, batch_size: int, model: str) -> int:
    """Return the optimizer steps of a fine-tune: its epochs, but at least 200 steps on auto."""
    if epochs != "auto":
        return steps_for(rows, float(epochs), batch_size)
    auto = FROM_SCRATCH["epochs"] if loading.is_scratch(model) else 3.0
    return max(MIN_STEPS, steps_for(rows, auto, batch_size))


LOOK_PROMPTS = 3
LOOK_TOKENS = 64
"""Of an answer at a look, at most."""


def looks_every(steps: int, asked: int | str, *, needed: bool) -> int:
    """Return the steps between two looks at held-out loss; 0 is never, as in a run too short.

    Looks that are `needed` are closer together in a short run.
    """
    if asked != "auto":
        return int(asked)
    if needed:
        return max(1, min(APART, steps // LOOKS)) if steps < APART * LOOKS else steps // LOOKS
    return max(APART, steps // LOOKS) if steps >= APART else 0


def default_lr(model: str, method: str) -> float:
    """Return the learning rate that `auto` stands for."""
    return float(FROM_SCRATCH["lr"]) if loading.is_scratch(model) else RATES[method]


def short(model: str) -> str:
    """Return the last part of a model's path."""
    return model.rstrip("/").rsplit("/", 1)[-1]
