"""What is wrong with the data, row by row, before anything is clustered: found, not removed."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from core.arrays import Bools, Float32s, Float64s, Ints, Losses
from core.model.remarks import was_cut

FALL = 0.1
"""Share of its first loss that what was learned has lost at least."""
HIGH = 0.75
"""Quantile of the pool's final losses above which what did not fall was never learned."""
LOW = 0.1
"""Share of the pool's median first loss below which a row was known before training."""


LossOrLosses = TypeVar("LossOrLosses", float, Float32s, Float64s)


def never_learned(first: LossOrLosses, final: LossOrLosses, high: float) -> Bools | bool:
    """Say what was never learned: rows by their losses, or clusters by their median losses.

    The loss falls by less than 10% from before training to the end and ends above `high`, the
    pool's 75th percentile (METHOD: the noise guard). What has no loss (NaN) was not.
    """
    return (first - final < FALL * first) & (final > high)


def _why(flags: pd.DataFrame) -> str:
    """Say why rows have no response token, where it is not only that they were cut."""
    reasons = (flags["reason"] if "reason" in flags else pd.Series(dtype=object)).value_counts()
    if all(was_cut(reason) for reason in reasons.index if reason):
        return ""
    return " " + "; ".join(f"{n:,}: {why}" for why, n in reasons.items()) + "."


class Finding(NamedTuple):
    """One kind of trouble and the rows that have it."""

    name: str
    title: str
    rows: Ints
    """Rows of the dataset, ascending; empty where all is well."""
    sentence: str
    """What was seen, with numbers and their denominator."""
    remedy: str


def _finding(name: str, title: str, hit: Bools, of: int, text: str, remedy: str) -> Finding:
    rows = np.flatnonzero(hit)
    sentence = f"{len(rows):,} of {of:,} {'rows' if of != 1 else 'row'} {text}"
    return Finding(name, title, rows, sentence, remedy if len(rows) else "")


def screen(
    flags: pd.DataFrame, losses: Losses, duplicates: Ints, *, start: bool = True
) -> list[Finding]:
    """Look for rows that deserve a look before they are trained on.

    `never_learned` is applied to rows. A row is low from the start when its loss before training
    is below a tenth of the pool's median.

    Rows held out are not looked at; rows that a limit left unmeasured are, by their texts.

    Args:
        flags: As `recorded.load_flags` gives them, one line a row.
        losses: Nats per response token (n_rows, n_checkpoints).
        duplicates: As `duplicates` gives them.
        start: Whether the first column is from before training; without it, the two findings that
            compare with before are left out.

    Returns:
        Every check in a fixed order, those without a row too.
    """
    flag = flags["flag"].to_numpy()
    pool = flag != "holdout"
    measured = (flag == "") & np.isfinite(losses).all(1)
    n = int(pool.sum())
    copies = np.zeros(len(flags), bool)
    copies[duplicates] = True

    silent = pool & (flag == "no response token")
    why = _why(flags[silent])
    checks = [
        _finding(
            "no_response",
            "No response token",
            silent,
            n,
            f"of the pool have no response token within the proxy's longest row, so no loss.{why}",
            "They are in no cluster and no selection. Record again with a larger --max-length"
            + (", or with a template that takes them." if why else "."),
        ),
        _finding(
            "not_finite",
            "Loss not finite",
            pool & (flag == "loss not finite"),
            n,
            "of the pool have a loss that is not finite at some recording.",
            "They are in no cluster and no selection. Record again with a smaller --lr, or look "
            "for gaps in what was imported.",
        ),
        _finding(
            "truncated",
            "Truncated",
            pool & flags["truncated"].to_numpy(bool),
            n,
            "of the pool are longer than the proxy's longest row; what lies beyond was not "
            "measured.",
            "Exclude them, or record again with a larger --max-length.",
        ),
        _finding(
            "duplicate",
            "Duplicate",
            pool & copies,
            n,
            "of the pool have the prompt and the response of an earlier row.",
            "Exclude them; the first of each stays.",
        ),
    ]
    return [*checks, *_against_before(losses, measured)] if start else checks


def _against_before(losses: Losses, measured: Bools) -> list[Finding]:
    """Compare the last recording with the one before training."""
    first, final = losses[:, 0], losses[:, -1]
    n = int(measured.sum())
    high = float(np.quantile(final[measured], HIGH)) if n else np.inf
    low = LOW * float(np.median(first[measured])) if n else 0.0
    flat = measured & never_learned(first, final, high)
    return [
        _finding(
            "never_learned",
            "Never learned",
            flat,
            n,
            f"measured stay high and flat: less than {100 * FALL:.0f}% below their first loss, and "
            f"above {high:.2f} nats per response token, which {100 * HIGH:.0f}% of the pool stay "
            "below.",
            "Read some: wrong or random answers look like this, and so do the hardest right ones. "
            "Exclude what is wrong.",
        ),
        _finding(
            "known",
            "Low from the start",
            measured & (first < low),
            n,
            f"measured start below {low:.2f} nats per response token, a tenth of the pool's "
            "median before training.",
            "Read some: the answer may stand in the prompt, be empty talk, or be known from the "
            "proxy's pre-training. Exclude what teaches nothing.",
        ),
    ]
