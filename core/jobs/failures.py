"""Why runs fail: one table of names, causes and remedies, and the settings that mend each.

A worker writes the name into its status, a supervisor for a worker that cannot. An error says its
own name (`InputError(..., failure="nan")`); of others `name_of` tells it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from core.settings import Group, specs
from core.workspace.files import disk_full

Changes = dict[str, Any]
"""Setting -> value."""


class Failure(NamedTuple):
    """One kind of failure, as a page shows it."""

    name: str
    title: str
    cause: str
    remedy: str
    fix: Callable[[Any], Changes] = lambda settings: {}
    """Settings of the failed run -> those that mend it; none where the mend is not a setting."""
    again: bool = False
    """Whether the run may simply be tried again, from its last saved checkpoint."""


def _less_memory(s: Any) -> Changes:
    """Return the next step down that leaves most as it is: the same result first, slower."""
    steps: list[Changes] = []
    if getattr(s, "gradient_checkpointing", True) is not True:
        steps.append({"gradient_checkpointing": True, "micro_batch": 1})
    elif getattr(s, "micro_batch", 1) != 1:
        steps.append({"micro_batch": 1})
    if getattr(s, "method", "") == "full":
        steps.append({"method": "lora"})
    length = getattr(s, "max_length", 0)
    steps.append({"max_length": 512 if length == "auto" else max(8, int(length) // 2)})
    return steps[0]


def _tamer(s: Any) -> Changes:
    """Return a tenth of the learning rate; the run itself says what `auto` was."""
    lr = getattr(s, "lr", "auto")
    return tenth(lr) if isinstance(lr, float | int) else {"precision": "fp32"}


def tenth(lr: float) -> Changes:
    """Return a tenth of a learning rate, without the digits that rounding adds."""
    return {"lr": float(f"{lr / 10:.6g}")}


FAILURES = {
    f.name: f
    for f in (
        Failure(
            "device-memory",
            "Out of memory on the device",
            "The model, its gradients and one row did not fit into the GPU's memory.",
            "Compute layers again instead of keeping them, then train an adapter, then cut rows.",
            _less_memory,
        ),
        Failure(
            "host-memory",
            "Most likely out of memory on this machine",
            "The system ends a process when the machine's memory runs out; a person can, too.",
            "End other programs, or let less be held at once.",
            _less_memory,
            again=True,
        ),
        Failure(
            "nan",
            "The loss is no number",
            "The loss or a gradient became NaN or infinite, most often because steps are too "
            "large; in bf16 also for want of digits.",
            "Take a tenth of the learning rate; if that fails too, --precision fp32.",
            _tamer,
        ),
        Failure(
            "nan-model",
            "The model gives no numbers",
            "Its first loss is NaN or infinite, before it has learned anything: its weights are "
            "damaged, or need more digits than the run's precision has.",
            "Take another model; where this one is computed in bf16, fp32 may do.",
        ),
        Failure(
            "disk-full",
            "The disk is full",
            "There was no room for a checkpoint or the result; the last whole one is kept.",
            "Free some space, then go on from the last checkpoint; or keep fewer checkpoints.",
            lambda s: {"keep_every": 0},
            again=True,
        ),
        Failure(
            "gated-model",
            "The model asks for permission",
            "Its owner gives it out only to people who have accepted a licence and signed in.",
            "Accept the licence on the model's page and sign in with `hf auth login`.",
            again=True,
        ),
        Failure(
            "missing-model",
            "There is no such model",
            "Neither a folder on this machine nor a model on the hub can be read by this name, or "
            "its files are not whole.",
            "Check the name, or give a local folder; without a network only local ones work.",
        ),
        Failure(
            "no-template",
            "The model has no chat template",
            "Its tokenizer does not say how a conversation is written, or its template fails.",
            "Write conversations as Alpaca does.",
            lambda s: {"template": "alpaca"},
        ),
        Failure(
            "bad-row",
            "No row can be trained on",
            "After cutting, the rows have no response token left, or the model cannot read them.",
            "Let rows be longer, or see on the dataset's page why its rows are left out.",
            lambda s: {"max_length": "auto"} if getattr(s, "max_length", "auto") != "auto" else {},
        ),
        Failure(
            "lost-process",
            "A process vanished",
            "It was killed, or the machine went down, before it could say how it ended.",
            "Go on from the last saved checkpoint.",
            again=True,
        ),
        Failure(
            "cuda-error",
            "The GPU reported an error",
            "A kernel failed; after that the process cannot use the GPU any more.",
            "Go on from the last saved checkpoint; if it comes back, look at the driver and "
            "`nvidia-smi`.",
            again=True,
        ),
    )
}
"""Name -> what is known of the failure."""
CUDA = ("cuda error", "cublas_status", "cudnn_status", "cudaerror", "nccl error", "device-side")
OF_THE_HOST = ("can't allocate memory", "cannot allocate memory", "bad_alloc")


def name_of(error: BaseException) -> str:
    """Return the name of an error's kind; empty for one that is in no table.

    What raised it counts too: the nearest that has a name.
    """
    for one in _causes(error):
        text = str(one).lower()
        if name := getattr(one, "failure", ""):
            return str(name)
        if disk_full(one):
            return "disk-full"
        if isinstance(one, MemoryError) or any(t in text for t in OF_THE_HOST):
            return "host-memory"
        if type(one).__name__ == "OutOfMemoryError" or "out of memory" in text:
            return "device-memory"
        if any(t in text for t in CUDA):
            return "cuda-error"
        if "connection closed by peer" in text or "connection reset by peer" in text:
            return "lost-process"
    return ""


def fix_of(error: BaseException) -> Changes:
    """Return the settings that mend it, where the error itself knows them."""
    return dict(next((f for one in _causes(error) if (f := getattr(one, "fix", None))), {}))


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__


def mended(name: str, settings: Group, fix: Changes) -> Group | None:
    """Return a failed run's settings with the fix; None where no setting mends it.

    Args:
        fix: What the run itself said; before what the table says.
    """
    there = {s.name for s in specs(type(settings))}
    changes = fix or (FAILURES[name].fix(settings) if name in FAILURES else {})
    changes = {k: v for k, v in changes.items() if k in there and getattr(settings, k) != v}
    return dataclasses.replace(settings, **changes) if changes else None  # type: ignore[type-var]
