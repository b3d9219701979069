"""How long the answers of a test still take, from those that have ended.

Answers are written in stages, in batches that last as long as their longest (`generate`). When an
answer ends is learned token by token (Kaplan and Meier, 1958), beside the worked answers, which say
it before any has ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.arrays import Ints
from core.finetune.answer_stages import steps

WORTH, ENDLESS = 4.0, 1
"""Answers of the model that all worked answers together weigh as much as, and beside them those
that never end: a model may go round in circles, and what has outlived the worked ones most often
does. The more answers have ended, the fewer that do not are expected."""

AS_MUCH, UNSEEN = 12.0, 0.5
"""Answers that take as much of a step as it takes without any, before batches of two sizes have
shown it; what that thought weighs beside a batch."""


def pace(steps: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return the seconds of a step, and of an answer in it, by what batches took.

    Where fewer answers took no less, because texts get longer and others use the machine, a step
    costs what it did last.

    Args:
        steps: Answers and seconds a step of every batch.
    """
    n, seconds = np.asarray(steps, float).T
    relative = np.stack([1 / seconds, n / seconds], 1)
    thought = UNSEEN / seconds[-1] * np.array([1, -AS_MUCH])
    rows, sums = np.vstack([relative, thought]), np.r_[np.ones(len(n)), 0.0]
    fixed, item = np.linalg.lstsq(rows, sums, rcond=None)[0]
    if item < 0:
        return float(seconds[-1]), 0.0
    return (float(fixed), float(item)) if fixed >= 0 else (0.0, float((seconds / n).mean()))


class AnswersLeft:
    """Is told of every batch and token; gives the seconds left."""

    def __init__(self, sizes: Sequence[int], batch: int, usual: Ints) -> None:
        """Begin.

        Args:
            sizes: Tokens that an answer is given in every stage.
            batch: Answers written at once, at most.
            usual: Lengths in tokens that answers may be expected to have; may be empty.
        """
        self.sizes, self.batch = sizes, batch
        most = sum(sizes)
        self.ended, self.going = np.zeros(most), np.zeros(most)
        """Answers that ended with a token, and that were written up to it (most,)."""
        token = np.arange(most)
        lengths = np.sort(np.maximum(usual, 1))
        shorter = np.searchsorted(lengths, token + 1, "left")
        shorter_or_as_long = np.searchsorted(lengths, token + 1, "right")
        scale = WORTH / max(1, len(lengths))
        self.usual_ended = scale * (shorter_or_as_long - shorter)
        self.usual_going = scale * (len(lengths) - shorter)
        self.stage, self.number, self.begin = -1, -1, 0
        self.batches: Sequence[tuple[int, int]] = ()
        self.left, self.tokens, self.carried = 0, 0, 0
        """Answers of this batch that go on, its tokens, and answers left for the next stage."""
        self.read: list[tuple[int, float]] = []
        """Tokens and seconds of every text read."""
        self.steps: list[tuple[int, float]] = []
        """Answers and seconds a token of every batch."""

    def begin_stage(self, batches: Sequence[tuple[int, int]]) -> None:
        """Tell of the answers and padded tokens of a stage's batches."""
        self.begin += self.sizes[self.stage] if self.stage >= 0 else 0
        self.stage, self.number, self.batches = self.stage + 1, -1, batches
        self.left = self.carried = 0

    def begin_batch(self) -> None:
        """Tell that the next batch is read."""
        self.carried += self.left
        self.number, self.tokens, self.began = self.number + 1, 0, time.monotonic()
        self.left = self.batches[self.number][0]

    def token(self, tokens: int, ended: int) -> None:
        """Tell of a token: how many there are now, and how many answers of the batch ended."""
        n, width = self.batches[self.number]
        now = time.monotonic()
        if tokens == 1:
            self.first = now
            self.read.append((n * width, now - self.began))
        else:
            pace = (n, max(1e-9, (now - self.first) / (tokens - 1)))
            self.steps = [*(self.steps if tokens == 2 else self.steps[:-1]), pace]
        at = self.begin + tokens - 1
        self.going[at] += self.left
        self.ended[at] += self.left - (n - ended)
        self.left, self.tokens = n - ended, tokens

    def lasting(self) -> Any:
        """Return the share of answers that are longer than so many tokens (most + 1,)."""
        endless = ENDLESS * WORTH / (WORTH + self.ended.sum()) if self.usual_going.any() else 0.0
        usual_going = self.usual_going + endless
        usual = self.usual_ended / np.maximum(usual_going, 1e-9)
        later = min(1.0, (self.ended.sum() + 1) / (float(self.going @ usual) + 1))
        tail = 0.0 if endless else self.ended.sum() / max(1.0, self.going.sum())
        known = self.going + usual_going
        ends = (self.ended + later * self.usual_ended) / np.maximum(known, 1e-9)
        return np.cumprod(np.r_[1.0, 1 - np.where(known > 0, ends, tail)])

    def seconds(self) -> float | None:
        """Return the seconds left; None before the first two tokens."""
        if not self.steps:
            return None
        fixed, item = pace(self.steps)
        texts, took = np.sum(self.read, 0)
        reading = took / max(1.0, texts)
        lasting, begin, end = self.lasting(), self.begin, self.begin + self.sizes[self.stage]

        def writing(n: float, left: float, part: Any) -> float:
            return (fixed + item * n) * steps(left, part)

        def share(start: int, end: int) -> float:
            return float(lasting[end] / max(lasting[start], 1e-9))

        n, at = self.batches[self.number][0], begin + self.tokens
        total = writing(n, self.left, lasting[at:end])
        going = self.carried + self.left * share(at, end)
        for n, width in self.batches[self.number + 1 :]:
            total += reading * n * width + writing(n, n, lasting[begin:end])
            going += n * share(begin, end)
        prompt = float(np.mean([width for _, width in self.batches])) - begin
        for size in self.sizes[self.stage + 1 :]:
            begin, end = end, end + size
            batches = max(1, math.ceil(going / self.batch))
            each = going / batches
            total += reading * going * (prompt + begin)
            total += batches * writing(each, each, lasting[begin:end])
            going *= share(begin, end)
        return float(total)
