"""What may be set of a proxy's training and its recordings."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from core.errors import InputError
from core.model import loading
from core.settings import Group, setting, with_preset
from core.spec import MAX_SEED, Auto
from core.training import settings as training
from core.training.settings import FROM_SCRATCH, PAPER, PRETRAINED, Optimizing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proxy(Group):
    """How to train the proxy and when to record."""

    dataset: str = setting(help="Dataset id", hidden=True)
    model: str = setting(
        "scratch:small",
        help="Proxy: scratch:tiny, scratch:small, a local directory, a hub id, "
        "or shrink:<model>:<layers>, with :trim cut to the data's vocabulary too",
        label="Proxy model",
        names="model",
        suggestions=loading.PROXIES,
    )
    epochs: float | Auto = training.epochs("Passes over the data; auto is 3, or 6 from scratch")
    checkpoints: int = setting(
        13,
        help="Recordings, step 0 and the last included; 13 gives the paper's 12 features",
        minimum=2,
        maximum=200,
    )
    schedule: Literal["linear", "log", "equal_loss"] = setting(
        "linear",
        words={
            "linear": "evenly",
            "log": "dense early",
            "equal_loss": "at equal falls of the loss",
        },
        help="Where recordings stand: linear; log: dense early; equal_loss: whenever the training "
        "loss has fallen by an equal share",
        advanced=True,
    )
    record: Literal["all", "epoch"] = setting(
        "all",
        words={"all": "every row, with the same weights", "epoch": "what the training pass saw"},
        help="all: every row at every recording, with the same weights; epoch: what the training "
        "pass saw, free, one column an epoch",
        advanced=True,
    )
    keep_checkpoints: bool = setting(
        False,
        help="Keep the proxy's weights at every recording (4 bytes x parameters each), so that "
        "next week's rows can be scored on them",
        advanced=True,
    )
    seed: int = setting(
        0,
        help="Draws scratch weights and the order of the data",
        minimum=0,
        maximum=MAX_SEED,
        advanced=True,
    )
    lr: float | Auto = training.learning_rate("2e-5, or 3e-3 from scratch")
    batch_size: int | Auto = training.batch_size("auto")
    max_length: int | Auto = training.max_length()
    precision: loading.Precision = training.precision("", ", losses within about 0.01")
    template: str = training.template()
    limit: int = setting(
        0, help="Use a random sample of this many rows; 0 is all", minimum=0, advanced=True
    )
    preset: Literal["none", "paper"] = setting(
        "none",
        help="paper: Pythia-70M and every value of the paper, where no other is given",
        advanced=True,
    )
    map: bool = setting(
        True, help="Also draw the map of trajectories when done", identity=False, hidden=True
    )
    accept_long: bool = training.accept_long()
    processes: int = training.processes()
    launcher: str = training.launcher()
    source: str = setting(
        "",
        flags=("--import",),
        help="Take losses from elsewhere instead of training: a directory of checkpoint-* with "
        "losses.pt or with models to score, or a .npy or .parquet matrix",
        names="losses",
        hidden=True,
    )
    extend: str = setting(
        "",
        help="Trajectories id: instead of training, score the rows of the dataset that it does not "
        "have on the checkpoints it kept",
        hidden=True,
    )
    resume: bool = training.resume()
    name: str = setting("", help="What to call it", identity=False, advanced=True)

    def validate(self) -> None:
        if self.keep_checkpoints and self.record == "epoch":
            raise InputError(
                "--keep-checkpoints needs --record all: a column of --record epoch comes from all "
                "the weights of an epoch, so there are none to keep"
            )
        if self.keep_checkpoints and self.source:
            raise InputError("--keep-checkpoints keeps what is trained here; --import trains none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Proxy, Optimizing):
    """The same, and the finer points of its training."""


def resolve(settings: Settings) -> Settings:
    """Replace presets and the autos that depend on the model alone."""
    out = with_preset(settings, PAPER) if settings.preset == "paper" else settings
    auto: dict[str, Any] = FROM_SCRATCH if loading.is_scratch(out.model) else PRETRAINED
    return dataclasses.replace(out, **{k: v for k, v in auto.items() if getattr(out, k) == "auto"})
