"""Is a proxy's training worth building on: what is known before it, what to change after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Ints
from core.jobs.progress import job_dir
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.files import read_json, write_json

if TYPE_CHECKING:
    import pandas as pd

    from core.model.tokens import Tokens
    from core.workspace.draft import Draft

START = "start.json"
LEARNED = 0.05
"""Share of the mean loss that a proxy which learned has lost at least."""
CUT = 0.05
"""Share of the rows that may be cut without a word."""


def note_start(
    draft: Draft, tokens: Tokens, rows: Ints, flags: pd.DataFrame, *, steps: int, seconds: float
) -> None:
    """Write what is known before the first step: for the run itself, and for its job's page.

    Args:
        draft: The run; what a resumed one wrote at first is kept.
        flags: As `load_flags` gives them.
    """
    facts = read_json(draft.path / START) or {
        "rows": len(flags),
        "trained": len(rows),
        "tokens": int(tokens.lengths()[rows].sum()),
        "max_length": tokens.max_length,
        "truncated": int(flags["truncated"].sum()),
        "no_response": int((flags["flag"] == "no response token").sum()),
        "steps": steps,
        "tokenize_seconds": round(seconds, 1),
        **tokens.remarks.facts(len(tokens)),
    }
    write_json(draft.path / START, facts)
    job = job_dir()
    if job is not None:
        write_json(job / START, {"id": draft.id, **facts})


def warnings(
    summary: TrajectoriesSummary, config: dict[str, Any], lengths: Ints, first_step: int
) -> list[str]:
    """Say what makes these trajectories doubtful, a sentence each, with what to do.

    Args:
        lengths: Tokens of every row before the cut (n_rows,).
        first_step: Step of the first recording; the fall of the loss is judged from step 0 only.
    """
    out = []
    first, last = float(summary["first_loss"]), float(summary["final_loss"])
    fell = (first - last) / first if first > 0 else 0.0
    change = f"mean loss {first:.3f} → {last:.3f}"
    imported = bool(summary.get("imported"))
    elsewhere = " where these losses come from" if imported else ""
    lr = "" if imported else f" (now {config['lr']:g})"
    epochs = "" if imported else f" (now {config['epochs']:g})"
    if last > first:
        out.append(f"The proxy diverged: {change}. Lower --lr{lr}{elsewhere}.")
    elif fell < LEARNED and first_step == 0:
        out.append(
            f"The proxy hardly learned: {change}, {100 * fell:.1f}% less. Trajectories this flat "
            f"tell little apart. Raise --lr{lr} or --epochs{epochs}, or take a larger "
            f"--model{elsewhere}."
        )
    odd = int(summary.get("not_finite", 0))
    if odd:
        plural = "rows have a loss that is" if odd > 1 else "row has a loss that is"
        remedy = "Look for gaps in what was imported" if imported else f"Lower --lr{lr}"
        out.append(
            f"{odd:,} of {summary['rows']:,} {plural} not finite at some recording and "
            f"{'are' if odd > 1 else 'is'} left out. {remedy}."
        )
    out += [f"{said[:1].upper()}{said[1:]}." for said in summary.get("remarks", [])]
    cut, rows = int(summary["truncated"]), int(summary["rows"])
    if cut > CUT * rows:
        out.append(
            f"{cut:,} of {rows:,} rows ({100 * cut / rows:.0f}%) are longer than "
            f"{config['max_length']:,} tokens and were cut; what lies beyond is neither trained on "
            f"nor measured. {_longer(lengths, config['max_length'], summary.get('positions'))}"
        )
    return out


def _longer(lengths: Ints, now: int, positions: int | None) -> str:
    usual = int(np.quantile(lengths, 0.99))
    if positions is None or usual <= positions:
        return f"Raise --max-length to {usual:,}, the 99th percentile of the data."
    if now < positions:
        return f"Raise --max-length to {positions:,}, all that this proxy reads at once."
    return (
        f"The 99th percentile of the data is {usual:,}, and this proxy reads at most "
        f"{positions:,}: choose a --model with a longer window."
    )
