"""Selections: which rows the target is trained on, each with its reason."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import budget as budgets
from core.artifact import EXTENDS, Artifact
from core.files import fingerprint
from core.progress import say
from core.recorded import from_start, load_flags, load_losses
from core.selectors import NEEDS_CLUSTERS, NEEDS_NOTHING, SELECTORS, Pool, choose
from core.settings import MAX_SEED, check, setting, to_config
from core.store import Workspace

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to select from and how."""

    parent: str = setting(
        help="Clusters, trajectories or dataset id, whichever the strategy needs",
        flags=("--clusters", "--trajectories", "--dataset"),
        hidden=True,
    )
    strategy: str = setting(
        "s2l",
        help="s2l draws evenly over the clusters; the others are baselines",
        choices=tuple(SELECTORS),
    )
    budget: str = setting("11%", help=f"How much to take: {budgets.GRAMMAR}")
    seed: int = setting(0, help="Of the draw", minimum=0, maximum=MAX_SEED)
    keep: str = setting(
        "",
        help="Selection id: its rows come first and stay, the strategy draws the rest",
        hidden=True,
    )
    name: str = setting("", help="What to call it", identity=False)

    def __post_init__(self) -> None:
        check(self)
        budgets.parse(self.budget)


def run(workspace: Workspace, settings: Settings) -> str:
    """Select, seal; return the id.

    Raises:
        ValueError: the budget does not fit the pool, or the parent lacks what the strategy needs.
    """
    parent = workspace.open(settings.parent, "clusters", "trajectories", "dataset")
    pool = load_pool(workspace, parent, settings.strategy)
    kept = keep(workspace, pool, settings.keep)
    choice = choose(
        pool, settings.strategy, budgets.parse(settings.budget), settings.seed, *kept[:2]
    )
    table = pd.DataFrame(
        {
            "row": pool.rows[choice.positions],
            "id": pool.ids[choice.positions],
            "cluster": pool.labels[choice.positions] if len(pool.labels) else -1,
            "rank": np.arange(1, len(choice.positions) + 1),
            "reason": choice.reasons,
        }
    )
    dataset = workspace.ancestor(parent, "dataset")
    title = "full" if settings.strategy == "full" else f"{settings.strategy} {settings.budget}"
    draft = workspace.draft(
        "selection",
        name=settings.name or f"{dataset.name} · {title}",
        config=to_config(settings),
        parents={parent.kind: parent.id} | ({EXTENDS: settings.keep} if settings.keep else {}),
        fingerprint=key(settings),
    )
    table.to_parquet(draft.path / "table.parquet")
    tokens = int(pool.tokens[choice.positions].sum()) if len(pool.tokens) else 0
    summary = {
        "rows": len(table),
        "pool": len(pool),
        "response_tokens": tokens,
        "pool_response_tokens": int(pool.tokens.sum()),
        "ids_sha256": ids_sha256(table["id"].tolist()),
        "kept": len(kept.positions),
        "kept_missing": kept.missing,
    }
    if settings.keep:
        say(kept.sentence())
    say(f"selected {len(table):,} of {len(pool):,} rows by {settings.strategy}")
    return draft.seal(summary).id


class Kept(NamedTuple):
    """What a selection keeps of an earlier one."""

    positions: Ints
    """In the pool, in the earlier order of rank (n_kept,)."""
    reason: str
    missing: int
    """Rows of the earlier selection that are not in the pool."""

    def sentence(self) -> str:
        """Say how many rows stay, and why not all."""
        text = f"{len(self.positions):,} of {len(self.positions) + self.missing:,} rows stay"
        gone = f"; {self.missing:,} cannot: held out, not measured, or gone from the data"
        return text + (gone if self.missing else "")


def keep(workspace: Workspace, pool: Pool, earlier: str) -> Kept:
    """Find the rows of an earlier selection in a pool, by id; none where none is named.

    Raises:
        ValueError: it is no selection, or no row of it is in the pool.
    """
    if not earlier:
        return Kept(np.zeros(0, np.int64), "", 0)
    old = workspace.open(earlier, "selection")
    ids = pd.read_parquet(old.path / "table.parquet").sort_values("rank")["id"]
    place = pd.Index(pool.ids).get_indexer(pd.Index(ids))
    if not (place >= 0).any():
        raise ValueError(f"none of the {len(ids):,} rows of {old.name} can be selected here")
    return Kept(place[place >= 0], f"kept from {old.id}", int((place < 0).sum()))


def key(settings: Settings) -> str:
    """Return the fingerprint of the selection that these settings give."""
    return fingerprint("selection", to_config(settings, identity=True))


def ids_sha256(ids: list[str]) -> str:
    """Hash the selected ids in order of id: equal for equal selections, whatever their ranks."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def load_pool(workspace: Workspace, parent: Artifact, strategy: str) -> Pool:
    """Read what a strategy needs from its parent.

    Raises:
        ValueError: the parent lacks trajectories or clusters that the strategy needs.
    """
    if strategy in NEEDS_CLUSTERS and parent.kind != "clusters":
        raise ValueError(f"{strategy} needs clusters; {parent.id} is a {parent.kind}")
    if strategy not in NEEDS_NOTHING and parent.kind == "dataset":
        raise ValueError(f"{strategy} needs trajectories; {parent.id} is a dataset")
    dataset = workspace.ancestor(parent, "dataset")
    frame = pd.read_parquet(
        dataset.path / "examples.parquet", columns=["row", "id", "source", "split"]
    )
    usable = (frame["split"] == "pool").to_numpy(copy=True)
    losses = np.zeros((len(frame), 0), np.float32)
    tokens = np.zeros(0, np.int64)
    labels = np.zeros(0, np.int32)
    if parent.kind != "dataset":
        trajectories = workspace.ancestor(parent, "trajectories")
        losses = np.asarray(load_losses(trajectories))
        flags = load_flags(trajectories)
        tokens = flags["n_response"].to_numpy()
        usable &= np.isfinite(losses).all(1) & (flags["flag"] == "").to_numpy()
    config: dict[str, Any] = {"k": 1, "features": "raw", "include_start": False}
    if parent.kind == "clusters":
        labels = np.load(parent.path / "labels.npy")
        config = {**parent.config}
        config["include_start"] = from_start(trajectories, config["include_start"])
    rows = frame["row"][usable].to_numpy()
    rows = rows[np.argsort(frame["id"].to_numpy()[rows])]
    return Pool(
        rows=rows,
        ids=frame["id"].to_numpy()[rows],
        sources=frame["source"].to_numpy()[rows],
        tokens=tokens[rows] if len(tokens) else tokens,
        losses=losses[rows],
        labels=labels[rows] if len(labels) else labels,
        k=int(config["k"]),
        features=config["features"],
        include_start=config["include_start"],
    )
