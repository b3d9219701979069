"""Made-up examples of any number, a part at a time: texts by subject, trajectories by kind.

Nothing here was trained. What is planted: 12 subjects of unequal size with words of their own, six
kinds of trajectory that no subject owns, longer answers where learning is late, noise that falls
with the answer's length, copies of earlier rows, prompts too long for the window. Parts are drawn
each from its own seed, so a row does not depend on how many rows there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import Float32s, Ints

PART = 40_000
"""Rows made at once: two row groups of a dataset."""
WINDOW = 512
"""Tokens after which a row is cut; one word counts as one token."""
SIZES = {"short": (8, 6), "real-length": (33, 133)}
"""Mean words of a prompt and of a response; 33 + 133 are about 1,000 characters together."""
COPIES, OVERLONG = 0.002, 0.0005
"""Shares of rows that repeat the row before, and whose prompt fills the window."""
WORDS = 4_000
SUBJECTS = {
    "algebra": "equation solve variable factor polynomial root quadratic expression",
    "word problems": "apples dollars minutes boxes children tickets farmer shared",
    "geometry": "triangle circle angle radius perimeter square diagonal area",
    "probability": "dice coin chance expected random outcome cards independent",
    "calculus": "derivative integral limit tangent continuous curve maximum rate",
    "number theory": "prime divisor remainder modulo digits integer divisible power",
    "combinatorics": "arrange choose permutation subsets seating distinct ways committee",
    "physics": "velocity force energy mass acceleration voltage pressure wave",
    "chemistry": "molecule reaction acid bond oxygen solution atoms catalyst",
    "programs": "function loop array string return index recursive variable",
    "logic": "implies true false statement premise knights contradiction therefore",
    "units": "metres gallons kilograms convert inches seconds litres miles",
}
SHARES = 0.8 ** np.arange(len(SUBJECTS))

# share of rows; start and end of the loss (nats per response token); when half of the fall is
# behind (share of training); how long it takes; mean length of the answer against the pool's
KINDS = {
    "known from the start": (0.16, 1.1, 0.8, 0.25, 0.20, 0.8),
    "learned early": (0.32, 4.6, 0.6, 0.12, 0.05, 0.8),
    "learned late": (0.20, 4.8, 0.9, 0.60, 0.07, 1.4),
    "slowly": (0.16, 4.4, 1.6, 0.45, 0.30, 1.1),
    "forgotten again": (0.06, 4.5, 1.0, 0.15, 0.05, 0.9),
    "never learned": (0.10, 4.9, 4.5, 0.50, 0.30, 1.0),
}
_KINDS = np.array(list(KINDS.values()))


class Part(NamedTuple):
    """Some rows, every array (n_rows, ...)."""

    prompts: pa.Array
    responses: pa.Array
    subject: Ints
    n_tokens: Ints
    """Before the cut."""
    n_response: Ints
    """After the cut, the end of the turn included."""
    losses: Float32s
    """Nats per response token (n_rows, n_checkpoints)."""
    pooled: npt.NDArray[np.float16]
    """(n_rows, width)."""


def ids(start: int, stop: int) -> list[str]:
    """Return distinct ids that do not sort as the rows do."""
    scrambled = np.arange(start, stop, dtype=np.uint64) * 2_654_435_761 % 2**32
    return [f"{i:08x}" for i in scrambled.tolist()]


def part(number: int, n: int, texts: str, checkpoints: int, width: int, seed: int) -> Part:
    """Make the first `n` rows of a part.

    Args:
        number: Of the part, from 0.
        n: Rows, at most `PART`.
        texts: A key of `SIZES`.
        checkpoints: Recordings.
        width: Of the embeddings.
        seed: Of everything.
    """
    rng = np.random.default_rng((seed, number))
    subject = rng.choice(len(SUBJECTS), PART, p=SHARES / SHARES.sum())
    kind = rng.choice(len(KINDS), PART, p=_KINDS[:, 0])
    mean_prompt, mean_response = SIZES[texts]
    prompt = _lengths(rng, np.full(PART, float(mean_prompt)))
    prompt[rng.random(PART) < OVERLONG] = WINDOW + 10
    longer = _KINDS[kind, 5] * (0.8 + 0.4 * subject / len(SUBJECTS))
    response = _lengths(rng, mean_response * longer / longer.mean())
    words = vocabulary(seed)
    prompts, responses = (_texts(rng, words, subject, size) for size in (prompt, response))
    left = np.minimum(response + 1, np.maximum(WINDOW - prompt, 0))
    losses = _losses(rng, kind, subject, np.maximum(left, 1), checkpoints)
    centres = np.random.default_rng((seed, 0, 1)).normal(size=(len(SUBJECTS), width))
    pooled = centres[subject] + 0.6 * rng.normal(size=(PART, width)).astype(np.float32)
    take = np.arange(PART)
    copied = np.flatnonzero(rng.random(PART) < COPIES)
    take[copied] = np.maximum(copied - 1, 0)
    take = take[:n]
    return Part(
        prompts.take(pa.array(take)),
        responses.take(pa.array(take)),
        subject[take],
        (prompt + response + 1)[take],
        left[take],
        losses[take],
        pooled[take].astype(np.float16),
    )


def vocabulary(seed: int) -> pa.Array:
    """Return the words: invented common ones, each subject's in turn, then numbers."""
    rng = np.random.default_rng(seed)
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    common: dict[str, None] = {}
    while len(common) < WORDS:
        common["".join(rng.choice(syllables, rng.integers(2, 5)))] = None
    own = " ".join(SUBJECTS.values()).split()
    return pa.array([*common, *own, *map(str, range(1000))])


def _lengths(rng: np.random.Generator, mean: npt.NDArray[np.float64]) -> Ints:
    """Draw words a text: skewed, at least 2, of these means."""
    return 2 + rng.gamma(3, (mean - 2) / 3).round().astype(np.int64)


def _texts(rng: np.random.Generator, words: pa.Array, subject: Ints, sizes: Ints) -> pa.Array:
    """Draw texts of so many words: 70% common, 18% the subject's, 12% numbers."""
    total, each = int(sizes.sum()), len(next(iter(SUBJECTS.values())).split())
    sort, u = rng.random(total), rng.random(total)
    picks = (WORDS * u**3).astype(np.int64)  # few words make most of a text
    own = np.repeat(subject, sizes) * each + (each * u).astype(np.int64)
    picks = np.where(sort < 0.18, WORDS + own, picks)
    numbers = WORDS + each * len(SUBJECTS) + (1000 * u).astype(np.int64)
    picks = np.where(sort > 0.88, numbers, picks)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), words.take(pa.array(picks)))
    return pc.binary_join(lists, " ").cast(pa.large_string())


def _losses(
    rng: np.random.Generator, kind: Ints, subject: Ints, tokens: Ints, checkpoints: int
) -> Float32s:
    """Let each row's loss fall as its kind says, with every quantity its own (n, checkpoints)."""
    n = len(kind)
    _, start, end, middle, width, _ = _KINDS[kind].T
    mean_start, hard = start, subject / len(SUBJECTS) - 0.5
    start = start * rng.lognormal(0, 0.12, n)
    spread = 0.3 * (1 - end / mean_start)  # what is learned ends at many levels
    end = end * start / mean_start * np.exp(spread * (hard + rng.normal(size=n)))
    end = np.minimum(end, start)
    middle = np.clip(middle + rng.normal(0, 0.06, n), 0.05, 0.9)
    width = width * rng.lognormal(0, 0.25, n)
    t = np.linspace(0, 1, checkpoints)
    fallen = 1 / (1 + np.exp(-(t - middle[:, None]) / width[:, None]))
    first, last = fallen[:, :1], fallen[:, -1:]
    losses = start[:, None] - (start - end)[:, None] * (fallen - first) / (last - first)
    again = kind == list(KINDS).index("forgotten again")
    back = 1 / (1 + np.exp(-(t - middle[again, None] - 0.35) / 0.08))
    losses[again] += rng.uniform(0.5, 2, (int(again.sum()), 1)) * back
    noise = rng.normal(size=(n, checkpoints)) * (0.5 / np.sqrt(tokens + 4))[:, None]
    floored: Float32s = np.maximum(losses + noise, 0.01).astype(np.float32)
    return floored
