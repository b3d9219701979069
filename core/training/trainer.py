"""The library's Trainer with our own step: its parts, its loss over all processes, its checks."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.distributed.tensor import DTensor
from transformers import Trainer

from core.arrays import Ints
from core.errors import InputError
from core.jobs import process_group
from core.jobs.failures import tenth
from core.training.checkpoints import check_room
from core.training.micro_batches import MicroBatches
from core.training.sharding import Sharded, load_moments, whole_moments

NAMED = 8
"""Rows named in a sentence."""


class StepTrainer(Trainer):  # type: ignore[misc]
    """Trains on the rows of one step after another, as planned before the first."""

    plan: list[Ints]
    """The rows of every step, of all processes together."""
    items: list[int]
    """The response tokens of every step."""
    parts: MicroBatches
    measured: dict[str, Any]
    """Of the step at hand: loss (nats per response token), lr, grad_norm before clipping, and what
    others add."""
    checked = False
    sharded: Sharded | None = None
    """The model in parts, where it is split over the processes."""
    whole: dict[str, torch.Tensor] | None = None
    """Its weights while they are saved, on the process that does."""

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
        loss = self.parts.backward(inputs["rows"].cpu().numpy(), self.items[step], cast)
        if process_group.world() > 1:
            torch.distributed.all_reduce(loss)
        self.measured.clear()
        self.measured |= {"loss": float(loss), "lr": self._get_learning_rate()}
        if not math.isfinite(float(loss)):
            raise self._not_finite("loss", float(loss), step)
        weights = [p for p in self.parts.model.parameters() if p.requires_grad]
        if process_group.world() > 1:
            _add_up([p for p in weights if not isinstance(p, DTensor)])
        return loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Make the optimizer; of a split model as of a whole one, so that either reads the other's.

        The library would give parts and whole weights groups of their own.
        """
        if self.sharded is None or self.optimizer is not None:
            return super().create_optimizer(model)  # type: ignore[no-any-return]
        model = self.parts.model
        decayed = set(self.get_decay_parameter_names(model))
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        groups = [
            {
                "params": [p for n, p in named if n in decayed],
                "weight_decay": self.args.weight_decay,
            },
            {"params": [p for n, p in named if n not in decayed], "weight_decay": 0.0},
        ]
        kind, how = self.get_optimizer_cls_and_kwargs(self.args, model)
        made: torch.optim.Optimizer = kind(groups, **how, foreach=False)
        self.optimizer = made
        return made

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> float:
        """Return the norm of the step's gradients, before any weight is changed by them.

        Raises:
            InputError: it is not finite, or 0 in the first step of this process.
        """
        norm = float(super()._get_grad_norm(model, grad_norm=grad_norm))
        first, self.checked = not self.checked, True
        self.measured["grad_norm"] = norm
        if not math.isfinite(norm):
            raise self._not_finite("norm of the gradients", norm, self.state.global_step)
        if first and norm == 0:
            raise InputError(
                "no weight gets a gradient from the first step, so nothing would be learned; "
                "choose other --lora-targets, or --method full"
            )
        return norm

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Tell trackers what else is known of the step."""
        super().log({**self.measured, **logs} if "loss" in logs else logs, *args, **kwargs)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save, if there is room for it.

        Raises:
            InputError: there is not.
        """
        folder = pathlib.Path(str(self.args.output_dir))
        process_group.once(lambda: check_room(folder, self.parts.model))
        self.whole = self.sharded.whole_weights() if self.sharded else None
        super()._save_checkpoint(model, trial)
        self.whole = None

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save the weights on one process, those of a split model as they were gathered."""
        if self.sharded is None or process_group.main():
            super()._save(output_dir, self.whole if self.sharded else state_dict)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Save the moments of a split model whole, on one process."""
        if self.sharded is None:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        assert self.optimizer
        assert self.lr_scheduler
        moments = whole_moments(self.optimizer)
        if process_group.main():
            torch.save(moments, pathlib.Path(output_dir) / "optimizer.pt")
            torch.save(self.lr_scheduler.state_dict(), pathlib.Path(output_dir) / "scheduler.pt")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self.sharded is None or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        assert self.optimizer
        assert self.lr_scheduler
        folder = pathlib.Path(checkpoint)
        moments = torch.load(folder / "optimizer.pt", "cpu", weights_only=True, mmap=True)
        load_moments(self.optimizer, moments)
        self.lr_scheduler.load_state_dict(torch.load(folder / "scheduler.pt", weights_only=True))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.sharded is None:  # a split model was given its weights when it was whole
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _sync_replicated_trainable_parameters(self, model: torch.nn.Module) -> None:
        """Do nothing: `training_step` adds up the gradients of what is not split."""

    def _has_mixed_mesh_grads(self, model: Any) -> bool:
        return self.sharded is not None

    def _not_finite(self, what: str, value: float, step: int) -> InputError:
        rows = np.sort(self.plan[step]).tolist()
        named = ", ".join(f"{row:,}" for row in rows[:NAMED])
        more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
        if step == 0:
            rounded = bool(self.args.bf16)
            return InputError(
                f"the model itself gives a {what} of {value} on rows {named}{more}, before any "
                f"training; take another model{', or --precision fp32' if rounded else ''}",
                failure="nan-model",
                fix={"precision": "fp32"} if rounded else {},
            )
        return InputError(
            f"the training {what} became {value} at step {step + 1:,} (rows {named}{more}); "
            f"try a smaller --lr than {self.args.learning_rate:g}",
            failure="nan",
            fix=tenth(self.args.learning_rate),
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
