"""Recorded losses: sealed with their flags, and read again by whoever builds on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Ints, by_id
from core.errors import InputError
from core.jobs.progress import say
from core.model.remarks import by_reason, remedy
from core.trajectories import proxy_warnings
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft
from core.workspace.files import read_jsonl

if TYPE_CHECKING:
    from core.model.tokens import Tokens

KEPT = "kept"
"""Where the weights of each recording stand, as `checkpoint-<step>`."""


def finish(draft: Draft, rows: Ints, flags: pd.DataFrame, facts: dict[str, Any]) -> Artifact:
    """Write the flags of recorded losses, count, and seal.

    Args:
        draft: With losses.npy, steps.npy and columns.jsonl written.
        rows: The rows that were to be recorded.
        flags: As `load_flags` gives them; rows whose loss is not finite are flagged here.
        facts: What else the summary holds.
    """
    losses = np.load(draft.path / "losses.npy", mmap_mode="r")
    measured = rows[np.isfinite(losses[rows]).all(1)]
    if not len(measured):
        remedy = "import others" if facts.get("imported") else "try a smaller --lr"
        raise InputError(
            f"no row has a finite loss at every recording, so there is nothing to use; {remedy}"
        )
    flags.loc[np.setdiff1d(rows, measured), "flag"] = "loss not finite"
    flags.to_parquet(draft.path / "flags.parquet")
    means = losses[measured].mean(0, np.float64)
    columns = list(read_jsonl(draft.path / "columns.jsonl"))
    counts = flags["flag"].value_counts()
    summary = {
        "rows": len(flags),
        "measured": len(measured),
        "unmeasurable": int(counts.get("no response token", 0) + counts.get("loss not finite", 0)),
        "not_finite": int(counts.get("loss not finite", 0)),
        "holdout": int(counts.get("holdout", 0)),
        "not_sampled": int(counts.get("not sampled", 0)),
        "truncated": int(flags["truncated"].sum()),
        "checkpoints": len(columns),
        "first_loss": round(float(means[0]), 4),
        "final_loss": round(float(means[-1]), 4),
        "record_seconds": round(sum(c["seconds"] for c in columns), 1),
        **facts,
    }
    artifact = draft.seal(summary, drop=("checkpoints",))
    say(
        f"mean loss {means[0]:.3f} -> {means[-1]:.3f} nats per response token over "
        f"{len(measured):,} of {len(flags):,} rows, {len(columns)} recordings"
    )
    found = proxy_warnings.warnings(
        summary, draft.run["config"], flags["n_tokens"].to_numpy(), int(columns[0]["step"])
    )
    for warning in found:
        say(f"warning: {warning}")
    return artifact


def load_losses(artifact: Artifact) -> npt.NDArray[np.float32]:
    """Memory-map the losses (n_rows, n_checkpoints), nats per response token."""
    return np.load(artifact.path / "losses.npy", mmap_mode="r")  # type: ignore[no-any-return]


def from_start(artifact: Artifact, include_start: bool) -> bool:
    """Say whether the first column is a feature: if asked, or if it is not from before training."""
    return include_start or bool(load_steps(artifact)[0] > 0)


def load_steps(artifact: Artifact) -> Ints:
    """Return the optimizer step of every column (n_checkpoints,)."""
    return np.load(artifact.path / "steps.npy")  # type: ignore[no-any-return]


def load_flags(artifact: Artifact) -> pd.DataFrame:
    """Return per row: id, source, n_tokens, n_response, truncated, flag ('' if measured), reason.

    The reason says why a row has no response token, or what its template did to it; '' for most,
    and for all where it was not kept.
    """
    flags = pd.read_parquet(artifact.path / "flags.parquet")
    return flags if "reason" in flags else flags.assign(reason="")


def no_row_left(dataset: Artifact, tokens: Tokens) -> InputError:
    """Say why no row can be trained on, and what to change."""
    (reason, rows), *_ = by_reason(tokens.untrained())
    return InputError(
        f"no row of {dataset.name} has a response token left within {tokens.max_length} tokens; "
        f"{remedy(reason)} ({len(rows):,} of {len(tokens):,} rows: {reason})"
    )


def pool_rows(
    dataset: Artifact, tokens: Tokens, limit: int, seed: int
) -> tuple[Ints, pd.DataFrame]:
    """Return the rows to train on, in order of id, and the flags of all rows."""
    examples = pd.read_parquet(dataset.path / "examples.parquet", columns=["id", "source", "split"])
    flags = examples[["id", "source"]].copy()
    flags["n_tokens"] = tokens.full_lengths()
    flags["n_response"] = tokens.response_lengths()
    flags["truncated"] = tokens.full_lengths() > tokens.max_length
    flags["flag"] = np.where(flags["n_response"] > 0, "", "no response token")
    flags["reason"] = tokens.reasons()
    pool = flags[(examples["split"] == "pool") & (flags["flag"] == "")]
    pool = pool.iloc[by_id(pool["id"].to_numpy())]
    if 0 < limit < len(pool):
        kept = pool.iloc[np.random.default_rng(seed).permutation(len(pool))[:limit]]
        flags.loc[pool.index.difference(kept.index), "flag"] = "not sampled"
        pool = kept.iloc[by_id(kept["id"].to_numpy())]
    flags.loc[examples["split"] != "pool", "flag"] = "holdout"
    return pool.index.to_numpy(), flags
