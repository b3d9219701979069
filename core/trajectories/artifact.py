"""What trajectories are on the disk: losses, flags, recordings, and what their manifest says."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Ints, by_id
from core.dataset.artifact import load_examples
from core.errors import InputError
from core.model.remarks import by_reason, remedy
from core.workspace.artifact import Artifact
from core.workspace.files import read_json, read_jsonl

if TYPE_CHECKING:
    from core.model.tokens import Tokens

LOSSES, STEPS, FLAGS, POOLED = "losses.npy", "steps.npy", "flags.parquet", "pooled.npy"
RECORDINGS, PLAN = "columns.jsonl", "plan.json"
"""A line a recording, and the steps at which they are planned."""
KEPT = "kept"
"""Where the weights of each recording stand, as `checkpoint-<step>`."""


class Recording(TypedDict):
    """One line of the log of recordings: a column of losses that is whole on the disk."""

    column: int
    step: int
    sha256: str
    seconds: float
    quantiles: list[float]
    """10, 25, 50, 75 and 90% of the finite losses; empty without any."""


class TrajectoriesSummary(TypedDict):
    """What the manifest of trajectories says; more of a proxy that was trained here."""

    rows: int
    """Of the dataset."""
    measured: int
    unmeasurable: int
    """Without a response token, or with a loss that is not finite."""
    not_finite: int
    holdout: int
    not_sampled: int
    truncated: int
    checkpoints: int
    """Recordings."""
    first_loss: float
    """Mean over the measured rows, nats per response token."""
    final_loss: float
    record_seconds: float
    steps: int
    parameters: NotRequired[int]
    """Of the proxy; not known of imported losses."""
    positions: NotRequired[int]
    """Tokens that the proxy reads at once."""
    tokenize_seconds: NotRequired[float]
    train_seconds: NotRequired[float]
    estimated_seconds: NotRequired[list[float]]
    """Said before the run: low, high."""
    remarks: NotRequired[list[str]]
    """What the template did to rows, a sentence each."""
    source_sha256: NotRequired[str]
    """Of imported losses."""
    imported: NotRequired[bool]
    carried: NotRequired[int]
    """Of an extension: rows that keep their losses."""
    new: NotRequired[int]
    held_out_before: NotRequired[int]
    """New rows that were test rows of the run that is extended."""


def load_losses(artifact: Artifact) -> npt.NDArray[np.float32]:
    """Memory-map the losses (n_rows, n_checkpoints), nats per response token."""
    return np.load(artifact.path / LOSSES, mmap_mode="r")  # type: ignore[no-any-return]


def from_start(artifact: Artifact, include_start: bool) -> bool:
    """Say whether the first column is a feature: if asked, or if it is not from before training."""
    return include_start or bool(load_steps(artifact)[0] > 0)


def load_steps(artifact: Artifact) -> Ints:
    """Return the optimizer step of every column (n_checkpoints,)."""
    return np.load(artifact.path / STEPS)  # type: ignore[no-any-return]


WHY_NOT = {"holdout": "held out", "not sampled": "not in the sample", "": "excluded"}
"""Flag of a row that no cluster has -> why, where its flag does not say it."""


def why_left_out(flags: pd.DataFrame, left_out: npt.NDArray[np.bool_]) -> str:
    """Say for how many rows why they are in no cluster, most first; "" where all are in one.

    Args:
        flags: As `load_flags` gives them.
        left_out: Of each row, whether it is in none (n_rows,).
    """
    counted = flags.loc[left_out, "flag"].astype(str).value_counts()
    return ", ".join(f"{n:,} {WHY_NOT.get(str(why), why)}" for why, n in counted.items() if n)


def load_flags(artifact: Artifact) -> pd.DataFrame:
    """Return per row: id, source, n_tokens, n_response, truncated, flag ('' if measured), reason.

    The reason says why a row has no response token, or what its template did to it; '' for most,
    and for all where it was not kept.
    """
    flags = pd.read_parquet(artifact.path / FLAGS)
    return flags if "reason" in flags else flags.assign(reason="")


def load_recordings(folder: pathlib.Path) -> list[Recording]:
    """Read what was recorded so far in a run's folder."""
    return cast("list[Recording]", list(read_jsonl(folder / RECORDINGS)))


def load_plan(folder: pathlib.Path) -> list[int]:
    """Read the steps at which a run records; empty before it knows."""
    return list((read_json(folder / PLAN) or {}).get("steps", []))


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
    examples = load_examples(dataset, ["id", "source", "split"])
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
