"""A step's rows in parts that fit into memory: the gradients are those of all rows at once.

The loss of a step is the mean over all its response tokens. Every part is divided by the tokens of
the whole step, not by its own, so that the split changes nothing but rounding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.errors import InputError
from core.jobs.failures import name_of
from core.jobs.process_group import most
from core.jobs.progress import say
from core.model.output_layer import output_layer
from core.model.tokens import IGNORED, Tokens, batches, pad
from core.training.packing import check_isolation, pack
from core.training.response_loss import loss, loss_and_rows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

BUDGET = {"cpu": 16_384, "mps": 16_384, "cuda": 65_536}
"""Padded tokens that go through a model at once on auto."""
ByRow = Callable[[Ints, npt.NDArray[np.float32]], None]
"""Told the rows of a part and the mean loss of each."""


class OutOfMemoryError(InputError):
    """A single row does not fit."""


class MicroBatches:
    """Computes a step's gradients, in parts of a token budget that memory may lower."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: Tokens,
        micro_batch: int | str = "auto",
        by_row: ByRow | None = None,
        budget: int = 0,
        *,
        packing: bool = False,
        together: bool = False,
    ) -> None:
        """Split by padded tokens: `budget`, or `micro_batch` rows of the longest row's length.

        With `packing`, rows share sequences and there is hardly any padding. `together`, all
        processes go through as many parts: each computes layers that the others hold parts of.

        Raises:
            InputError: the model is not one whose losses can be computed, or that keeps rows of a
                sequence apart.
        """
        self.model, self.tokens, self.by_row = model, tokens, by_row
        self.packing, self.together = packing, together
        self.out = output_layer(model)
        if packing:
            check_isolation(model, self.out)
        self.lengths = tokens.lengths()
        self.budget = budget or (
            BUDGET[model.device.type]
            if micro_batch == "auto"
            else int(micro_batch) * int(self.lengths.max(initial=1))
        )

    def split(self, rows: Ints) -> list[Ints]:
        """Cut rows into parts whose padded size is within the budget, if they are not as a whole.

        Longest first, so that running out of memory happens at once.
        """
        if self.size(rows) <= self.budget:
            return [rows]
        if not self.packing:
            return list(batches(self.lengths, rows, self.budget))
        order = rows[np.argsort(-self.lengths[rows], kind="stable")]
        part = np.cumsum(self.lengths[order]) // max(1, self.budget)
        return np.split(order, np.flatnonzero(np.diff(part)) + 1)

    def size(self, rows: Ints) -> int:
        """Return the tokens that go through the model for these rows, padding included."""
        if self.packing:
            return int(self.lengths[rows].sum())
        return len(rows) * int(self.lengths[rows].max(initial=0))

    def backward(self, rows: Ints, items: int, cast: Callable[[], Any]) -> torch.Tensor:
        """Add the gradients of rows to the model's; return their part of the step's loss (scalar).

        When memory runs out, the gradients are dropped, the parts halved and the rows gone through
        again.

        Args:
            rows: This process's rows of the step; none give gradients of zero.
            items: Response tokens of the whole step.
            cast: A context for the forward pass.

        Raises:
            OutOfMemoryError: not even one row fits.
        """
        import torch

        while True:
            parts = self.split(rows)
            if self.together:
                parts += [rows[:0]] * (most(len(parts)) - len(parts))
            part = rows
            try:
                total = torch.zeros((), device=self.model.device)
                for part in parts:
                    total += self._one(part, items, cast)
                return total
            except RuntimeError as e:
                if "memory" not in str(e).lower():
                    raise
                size = self.size(part)
                if len(part) <= 1 or self.together:  # the others would wait for this one's part
                    what = f"one row of {size:,}" if len(part) <= 1 else f"{size:,}"
                    lower = "--max-length" if len(part) <= 1 else "--micro-batch or --max-length"
                    raise OutOfMemoryError(
                        f"out of memory while training on {what} tokens; lower {lower}, add "
                        "--gradient-checkpointing, or take a smaller model",
                        failure=name_of(e) or "device-memory",
                    ) from e
            self.budget = size // 2
            say(f"out of memory with {size:,} tokens at once; going on with {self.budget:,}")
            self.model.zero_grad(set_to_none=True)
            with contextlib.suppress(Exception):  # gives back what the failed part still held
                torch.cuda.empty_cache()

    def _one(self, rows: Ints, items: int, cast: Callable[[], Any]) -> torch.Tensor:
        import torch

        positions = None
        if len(rows) and self.packing:
            ids, mask, at = pack(self.tokens, rows)
            positions = torch.from_numpy(at).to(self.model.device)
        elif len(rows):
            ids, mask = pad(self.tokens, rows, pad_id=0)
        else:  # a step of fewer rows than processes: this one trains on nothing
            ids, mask = np.zeros((1, 2), np.int64), np.zeros((1, 2), bool)
        inputs = torch.from_numpy(ids).to(self.model.device)
        labels = torch.from_numpy(np.where(mask, ids, IGNORED)).to(self.model.device)
        with cast():
            if self.by_row is None:
                value = loss(self.model, self.out, inputs, labels, items, positions)
            else:
                value, own = loss_and_rows(self.model, self.out, inputs, labels, items)
                self.by_row(rows, own.float().cpu().numpy())
        value.backward()
        return value.detach().float()
