"""What proxy and target training share: values and their limits, the paper's, steps of epochs."""

from __future__ import annotations

import math
from typing import Any

from core.model.templates import TEMPLATES
from core.settings import Auto, setting


def steps_for(n_rows: int, epochs: float, batch_size: int) -> int:
    """Return the optimizer steps of this many epochs, at least one."""
    return max(1, round(epochs * math.ceil(n_rows / batch_size)))


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
"""Proxy settings of arXiv 2403.07384; cosine, 3% warm-up and no weight decay are ours always."""


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


def resume() -> Any:
    """Declare `bool`."""
    return setting(
        False,
        help="Continue the newest unfinished run of the same settings",
        identity=False,
        hidden=True,
    )
