"""Answers are written in stages: a few tokens for all, then more for those that have not ended.

Pure arithmetic on how long answers are expected to be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

FIRST, GROWTH = 24, 3
"""Tokens that all answers are given first; how many times as many until those left are batched
anew, for which their texts are read again."""


def stages(most: int) -> list[int]:
    """Return how many tokens answers are given one after another; together `most`."""
    out: list[int] = []
    size = FIRST
    while (given := sum(out)) < most:
        out.append(min(size, most - given))
        size *= GROWTH
    return out


def steps(n: float, lasting: Any) -> float:
    """Return the tokens after which the last of n answers has ended, on average.

    Args:
        n: Answers; of less than one, that share of its tokens.
        lasting: Share of all answers that go on before each token, at its begin and later.
    """
    if n <= 0 or not len(lasting) or lasting[0] <= 0:
        return 0.0
    going = lasting / lasting[0]
    return float(min(n, 1.0) * np.sum(1 - (1 - going) ** max(n, 1.0)))


def seconds(
    n: int, lengths: Sequence[int], most: int, prompt: float, rates: dict[str, float], batch: int
) -> float:
    """Return the seconds in which n answers are written, in batches.

    Args:
        lengths: Tokens that answers may be expected to have, any number of them.
        most: Tokens of an answer, at most.
        prompt: Tokens of a question.
        rates: Seconds of a token read, of a step, and of an answer in it: read, step, item.
        batch: Answers written at once, at most.
    """
    ended = np.searchsorted(np.sort(np.maximum(lengths, 1)), np.arange(most + 1), "right")
    lasting = 1 - ended / len(lengths)  # share of answers that are longer than so many tokens
    total, going, begin = 0.0, float(n), 0
    for size in stages(most):
        if going <= 0:
            break
        batches = math.ceil(going / batch)
        each, part = going / batches, lasting[begin : begin + size]
        total += rates["read"] * going * (prompt + begin)
        total += batches * (rates["step"] + rates["item"] * each) * steps(each, part)
        going *= float(lasting[begin + size] / part[0]) if part[0] > 0 else 0.0
        begin += size
    return total
