"""Selectors by one score a row, computed from its loss trajectory. Ties break by id."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.selection.pool import Choice, Pool
from core.trajectories.row_scores import TOLERANCE, scores


def least_confidence(pool: Pool, n: int, seed: int) -> Choice:
    """Take the largest final losses."""
    return _by_score(-pool.losses[:, -1], pool.losses[:, -1], n, "final loss", "from the top")


def low_final_loss(pool: Pool, n: int, seed: int) -> Choice:
    """Take the smallest final losses."""
    return _by_score(pool.losses[:, -1], pool.losses[:, -1], n, "final loss", "from the bottom")


def middle_perplexity(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows whose final loss ranks nearest the middle of the pool."""
    final = pool.losses[:, -1]
    rank = np.empty(len(pool))
    rank[np.argsort(final, kind="stable")] = np.arange(len(pool))
    return _by_score(np.abs(rank - len(pool) / 2), final, n, "final loss", "from the middle")


def high_learnability(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows whose loss fell most from before training to the end."""
    drop = pool.losses[:, 0] - pool.losses[:, -1]
    return _by_score(-drop, drop, n, "loss drop", "from the top")


def longest_response(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows with most response tokens."""
    tokens = pool.tokens.astype(np.float64)
    return _by_score(-tokens, tokens, n, "response tokens", "from the top", "d")


def forgetting(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows whose loss rose most often after training began (Toneva et al. 2019).

    Of rows that rose equally often those that rose higher in sum come first, and what is still
    equal, as all that never rose are, is drawn; reasons say among how many.
    """
    count = scores(pool.losses, start=pool.start)["forgetting"].to_numpy()
    if pool.forgetting_rule == 1:
        return _by_score(-count, count, n, "times forgotten", "from the top", "d")
    begun = pool.start and pool.losses.shape[1] > 1  # a rise from before training is none
    rises = np.diff(pool.losses[:, 1:] if begun else pool.losses, axis=1)
    height = np.where(rises > TOLERANCE, rises, 0).sum(1)
    order = np.lexsort((np.random.default_rng(seed).random(len(pool)), -height, -count))
    best = order[:n]
    last = order[max(0, n - 1)]
    tied = (count == count[last]) & (height == height[last])
    drawn = bool(tied[order[n:]].any())
    reasons = []
    for rank, i in enumerate(best):
        chance = f", drawn among {tied.sum():,} equal" if drawn and tied[i] else ""
        text = f"times forgotten {int(count[i])}, by {height[i]:.3f} in sum"
        reasons.append(f"{text}, number {rank + 1:,} from the top{chance}")
    return Choice(best, reasons)


def cartography_ambiguous(pool: Pool, n: int, seed: int) -> Choice:
    """Take the rows whose probability varied most over training (Swayamdipta et al. 2020)."""
    spread = scores(pool.losses, start=pool.start)["variability"].to_numpy()
    return _by_score(-spread, spread, n, "variability", "from the top")


def _by_score(
    key: npt.NDArray[np.floating],
    shown: npt.NDArray[np.floating],
    n: int,
    what: str,
    end: str,
    form: str = ".3f",
) -> Choice:
    """Take the n smallest keys; ties break by id, the order of the pool."""
    best = np.argsort(key, kind="stable")[:n]
    texts = (f"{int(shown[i]) if form == 'd' else shown[i]:{form}}" for i in best)
    reasons = [f"{what} {text}, number {r + 1:,} {end}" for r, text in enumerate(texts)]
    return Choice(best, reasons)
