"""The target's losses beside the proxy's: compared, sealed, and said in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from core.arrays import Ints
from core.clusters.kmeans import auto_k
from core.errors import InputError
from core.spec import Auto
from core.trajectories.artifact import (
    LOSSES,
    STEPS,
    from_start,
    load_flags,
    load_losses,
    load_steps,
)
from core.transfer.artifact import FEWEST, TransferSummary, write
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft

if TYPE_CHECKING:
    from core.transfer.agreement import Clusterings

YES, PART = 0.7, 0.4
"""Lower bounds of the final rank correlation from which we say yes, or in part. Ours: the paper
names none."""


class Comparable(Protocol):
    """What of the settings a comparison needs."""

    @property
    def k(self) -> int | Auto: ...
    @property
    def seed(self) -> int: ...


def finish(
    draft: Draft, proxy: Artifact, rows: Ints, lengths: Ints, s: Comparable, facts: dict[str, Any]
) -> Artifact:
    """Compare the target's losses, as recorded in the draft, with the proxy's; seal.

    Args:
        draft: With losses and steps of all drawn rows.
        rows: The drawn rows of the dataset (n_drawn,), in order of id.
        lengths: Their response tokens in the target's tokenizer (n_drawn,).
        s: How many clusters, and the seed.
        facts: What else the summary holds.
    """
    from core.transfer.agreement import ari_so_far, clusterings, match, rank_correlations

    target, target_steps = np.load(draft.path / LOSSES), np.load(draft.path / STEPS)
    kept = np.isfinite(target).all(1)
    if kept.sum() < FEWEST:
        raise InputError(
            f"only {kept.sum()} of {len(rows)} rows have a finite loss at every recording of the "
            "target; try a smaller --lr"
        )
    rows, target, lengths = rows[kept], target[kept], lengths[kept]
    losses, steps = np.asarray(load_losses(proxy)[rows]), load_steps(proxy)
    pairs = match(steps, target_steps)
    ours, theirs = losses[:, pairs[:, 0]], target[:, pairs[:, 1]]
    rho = rank_correlations(ours, theirs, s.seed)
    table = pd.DataFrame(rho, columns=["rho", "low", "high"])
    table.insert(0, "target_step", target_steps[pairs[:, 1]])
    table.insert(0, "proxy_step", steps[pairs[:, 0]])
    table.insert(0, "share", table["target_step"] / target_steps[-1])
    k = auto_k(len(rows)) if s.k == "auto" else min(int(s.k), len(rows))
    ids = load_flags(proxy)["id"].to_numpy()[rows]
    starts = (from_start(proxy, False), False)
    clustered = clusterings(losses, target, ids, k, s.seed, include_start=starts)
    table["ari"] = ari_so_far(losses, target, pairs, ids, k, s.seed, include_start=starts)
    by_length = rank_correlations(lengths[:, None], theirs[:, -1:], s.seed)[0]
    write(draft, rows, target, table)
    summary = {
        "rows": len(rows),
        "left_out": int((~kept).sum()),
        "checkpoints": len(table),
        "rho": rounded(rho[-1]),
        "rho_by_length": rounded(by_length),
        **_agreement(clustered),
        "k": k,
        "first_loss": round(float(target[:, 0].mean(dtype=np.float64)), 4),
        "final_loss": round(float(target[:, -1].mean(dtype=np.float64)), 4),
        **facts,
    }
    return draft.seal(summary, drop=("checkpoints",))


def _agreement(pairs: Clusterings) -> dict[str, Any]:
    return {
        "ari": rounded(pairs.ari),
        "ari_proxy_ceiling": round(pairs.proxy_ceiling, 4),
        "ari_target_ceiling": round(pairs.target_ceiling, 4),
        "ari_chance": round(pairs.chance, 4),
    }


def rounded(values: tuple[float, ...]) -> list[float]:
    """Return an interval as a listing shows it: value, low, high."""
    return [round(v, 4) for v in values]


def verdict(summary: TransferSummary) -> str:
    """Answer the question in plain sentences, with numbers, their uncertainty and n."""
    rho, low, high = summary["rho"]
    if low >= YES:
        answer = "Yes: this proxy finds the same rows hard as the target"
    elif low >= PART:
        answer = "In part: this proxy finds much the same rows hard as the target"
    elif high <= YES:
        answer = "No: this proxy does not find the same rows hard as the target"
    else:
        answer = "Not shown: these rows are too few or too alike to tell"
    ari, ari_low, ari_high = summary["ari"]
    return (
        f"{answer}. Over {summary['rows']:,} rows, final losses have a rank correlation of "
        f"{rho:.2f} (95% interval {low:.2f} to {high:.2f}). {summary['k']} clusters of "
        f"trajectories agree to {ari:.2f} (ARI; {ari_low:.2f} to {ari_high:.2f}), where the proxy "
        f"agrees with itself to {summary['ari_proxy_ceiling']:.2f} and chance gives up to "
        f"{summary['ari_chance']:.2f}."
    )
