"""The library's Trainer with our own step: its parts, its loss over all processes, its checks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import Trainer

from core.arrays import Ints
from core.errors import InputError
from core.jobs import process_group
from core.training.micro_batches import MicroBatches

NAMED = 8
"""Rows named in a sentence."""


class StepTrainer(Trainer):  # type: ignore[misc]
    """Trains on the rows of one step after another, as planned before the first."""

    plan: list[Ints]
    """The rows of every step, of all processes together."""
    items: list[int]
    """The response tokens of every step."""
    parts: MicroBatches
    checked = False

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Leave a step's gradients in the model; return its loss, the same on every process.

        Raises:
            InputError: the loss is not finite, or no weight gets a gradient.
        """
        model.train()
        step = self.state.global_step
        cast: Callable[[], Any] = self.accelerator.autocast
        found = self.parts.backward(inputs["rows"].cpu().numpy(), self.items[step], cast)
        if process_group.world() > 1:
            torch.distributed.all_reduce(found)
        if not math.isfinite(float(found)):
            tenth = {"lr": self.args.learning_rate / 10} if step else {"precision": "fp32"}
            raise InputError(self._not_finite(float(found), step), failure="nan", fix=tenth)
        weights = [p for p in self.parts.model.parameters() if p.requires_grad]
        if process_group.world() > 1:
            _add_up(weights)
        if not self.checked:
            self.checked = True
            if not any(p.grad is not None and bool((p.grad != 0).any()) for p in weights):
                raise InputError(
                    "no weight gets a gradient from the first step, so nothing would be learned; "
                    "choose other --lora-targets, or --method full"
                )
        return found

    def _not_finite(self, found: float, step: int) -> str:
        rows = np.sort(self.plan[step]).tolist()
        named = ", ".join(f"{row:,}" for row in rows[:NAMED])
        more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
        if step == 0:
            return (
                f"the model itself gives a loss of {found} on rows {named}{more}, before any "
                "training; take another model, or --precision fp32"
            )
        return (
            f"the training loss became {found} at step {step + 1:,} (rows {named}{more}); "
            f"try a smaller --lr than {self.args.learning_rate:g}"
        )

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return nothing: rows alone do not tell, and nobody asks."""
        return 0

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Stay silent about a tied weight, which a checkpoint holds once; refuse any other lack.

        Raises:
            InputError: the checkpoint lacks weights.
        """
        model: Any = self.model
        model.tie_weights()
        tied = set(getattr(model, "all_tied_weights_keys", None) or ())
        if lost := sorted(set(load_result.missing_keys) - tied):
            raise InputError(
                f"the saved checkpoint lacks {len(lost):,} weights ({lost[0]}...); delete this "
                "unfinished run and start again"
            )


def _add_up(weights: list[torch.nn.Parameter]) -> None:
    """Give every process the sum of all processes' gradients."""
    waiting = []
    for p in weights:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        waiting.append(torch.distributed.all_reduce(p.grad, async_op=True))
    for work in waiting:
        work.wait()
