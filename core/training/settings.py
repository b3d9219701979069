"""What proxy and target training share: values and their limits, the paper's, steps of epochs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from core.jobs.launchers import LAUNCHERS
from core.model.templates import TEMPLATES
from core.settings import Group, setting
from core.spec import Auto


def steps_for(n_rows: int, epochs: float, batch_size: int) -> int:
    """Return the optimizer steps of this many epochs, at least one."""
    return max(1, round(epochs * math.ceil(n_rows / batch_size)))


TRACKERS = ("wandb", "mlflow", "trackio")
"""Others that may be told of every step."""
LONG = 30 * 60.0
"""Seconds above which a run is not begun without saying so."""
ASKS = (
    "The first seconds measure how long it takes; before a run of more than "
    f"{LONG / 60:g} minutes you are asked"
)
PRETRAINED = {"epochs": 3.0, "lr": 2e-5, "batch_size": 128}
"""The paper's values."""
FROM_SCRATCH = {"epochs": 6.0, "lr": 3e-3, "batch_size": 32}
PAPER = {
    "model": "EleutherAI/pythia-70m-deduped",
    "epochs": 3.0,
    "lr": 2e-5,
    "batch_size": 128,
    "max_length": 512,
    "template": "alpaca",
}
"""Proxy settings of arXiv 2403.07384; cosine, 3% warm-up and no weight decay are the defaults."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizing(Group):
    """How a step is made and how large it is."""

    lr_schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine",
        help="How the learning rate goes on after the warm-up: down to 0 as a cosine or a line, "
        "or constant",
        label="Learning rate schedule",
        advanced=True,
        later=True,
    )
    warmup: float = setting(
        0.03,
        help="Share of the steps in which the learning rate rises to its peak",
        label="Warm-up",
        minimum=0,
        maximum=1,
        advanced=True,
        later=True,
    )
    weight_decay: float = setting(
        0.0,
        help="Of AdamW: share of a weight taken away a step, times the learning rate",
        minimum=0,
        maximum=1,
        advanced=True,
        later=True,
    )
    clip: float = setting(
        1.0,
        help="Gradients of a larger norm are scaled down to it; 0 never",
        label="Gradient clipping",
        minimum=0,
        advanced=True,
        later=True,
    )
    micro_batch: int | Auto = setting(
        "auto",
        help="Rows of full length that go through the model at once, more of shorter ones; the "
        "result is the same; auto is what fits, by trying, halved when memory runs out",
        minimum=1,
        advanced=True,
        identity=False,
        later=True,
    )
    gradient_checkpointing: bool | Auto = setting(
        "auto",
        help="Compute layers again for the gradients instead of keeping what they put out: less "
        "memory, about a third slower, the same result; auto is only where nothing else fits",
        advanced=True,
        identity=False,
        later=True,
    )

    def optimizing(self) -> dict[str, Any]:
        """Return what of it a recipe takes, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Optimizing)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adapter(Group):
    """What a LoRA adapter is like."""

    lora_rank: int = setting(
        16,
        help="Rank of a LoRA adapter: more is more weights to train",
        label="LoRA rank",
        minimum=1,
        maximum=1024,
        advanced=True,
        later=True,
    )
    lora_alpha: float = setting(
        32.0,
        help="An adapter counts alpha / rank times; twice the rank is usual",
        label="LoRA alpha",
        above=0,
        advanced=True,
        later=True,
    )
    lora_dropout: float = setting(
        0.0,
        help="Share of an adapter's inputs left out at random while training",
        label="LoRA dropout",
        minimum=0,
        maximum=0.99,
        advanced=True,
        later=True,
    )
    lora_targets: str = setting(
        "all-linear",
        help="Layers that get an adapter: all-linear, attention, or names with commas between",
        label="LoRA target modules",
        suggestions=("all-linear", "attention"),
        advanced=True,
        later=True,
    )
    rslora: bool = setting(
        False,
        help="Let an adapter count alpha / square root of rank times: for high ranks",
        label="rsLoRA",
        advanced=True,
        later=True,
    )

    lora_embeddings: bool = setting(
        False,
        help="Train the embeddings and the output layer in full beside the adapter, and save them "
        "with it: where the tokenizer has tokens that were added and never trained",
        label="Train embeddings, too",
        advanced=True,
        later=True,
    )

    def adapter(self) -> dict[str, Any]:
        """Return what of it `with_adapter` takes, by name."""
        return {
            "rank": self.lora_rank,
            "alpha": self.lora_alpha,
            "dropout": self.lora_dropout,
            "targets": self.lora_targets,
            "rslora": self.rslora,
            "embeddings": self.lora_embeddings,
        }


def epochs_of(n_rows: int, steps: int, batch_size: int) -> float:
    """Return how often so many steps pass over the rows: a pass ends with a batch of what is left.

    Two hundred steps on 14 rows in batches of 32 are 200 passes.
    """
    return steps / math.ceil(n_rows / batch_size)


def epochs(help: str, *, advanced: bool = False) -> Any:
    """Declare `float | Auto`."""
    return setting("auto", help=help, above=0, maximum=1000, advanced=advanced)


def learning_rate(auto: str) -> Any:
    """Declare `float | Auto`; `auto` says what it stands for."""
    return setting(
        "auto",
        help=f"Peak learning rate; auto is {auto}",
        label="Learning rate",
        above=0,
        maximum=1,
        advanced=True,
    )


def batch_size(default: int | Auto) -> Any:
    """Declare `int`, or `int | Auto` by default."""
    values = f"{PRETRAINED['batch_size']}, or {FROM_SCRATCH['batch_size']} from scratch"
    auto = f"; auto is {values}" if default == "auto" else ""
    return setting(default, help=f"Rows a step{auto}", minimum=1, advanced=True)


def max_length() -> Any:
    """Declare `int | Auto`."""
    return setting(
        "auto",
        help="Longest row in tokens, longer ones are cut; auto is the 99th percentile",
        minimum=8,
        advanced=True,
    )


def precision(of: str, within: str = "") -> Any:
    """Declare `Precision`; `within` says how far off bf16 is."""
    return setting(
        "auto",
        help=f"Of the matrix products{of}: fp32; bf16, faster where the processor has it{within}; "
        "auto is bf16 on a GPU, fp32 on a CPU",
        advanced=True,
    )


def template() -> Any:
    """Declare `str`."""
    return setting(
        "auto",
        help="Prompt template; auto is the model's chat template, else Alpaca; plain from scratch",
        choices=("auto", *TEMPLATES),
        advanced=True,
    )


def accept_long() -> Any:
    """Declare `bool`."""
    help = f"Begin even if it takes over {LONG / 60:g} minutes"
    return setting(False, help=help, identity=False, hidden=True)


def processes(*, later: bool = False) -> Any:
    """Declare `int`."""
    return setting(
        1,
        help="Processes that share the work",
        minimum=1,
        identity=False,
        advanced=True,
        later=later,
    )


def launcher(*, later: bool = False) -> Any:
    """Declare `str`."""
    titles = "; ".join(f"{name} {one.title}" for name, one in LAUNCHERS.items())
    return setting(
        "torchrun",
        help=f"What starts the processes: {titles}",
        choices=tuple(LAUNCHERS),
        identity=False,
        advanced=True,
        later=later,
    )


def resume() -> Any:
    """Declare `bool`."""
    return setting(
        False,
        help="Continue the newest unfinished run of the same settings",
        identity=False,
        hidden=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shared(Group):
    """Which processes share a fine-tune."""

    processes: int = processes(later=True)
    launcher: str = launcher(later=True)
    shard: bool = setting(
        False,
        help="Split a target too large for one device over the processes (FSDP2): each holds a "
        "part of every layer, of its gradients and of its moments; the result is the same",
        label="Split the target",
        identity=False,
        advanced=True,
        later=True,
    )
