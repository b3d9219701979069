"""Selections: which rows the target is trained on, each with its reason."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import budget as budgets
from core.artifact import EXTENDS, Artifact, Kind
from core.edits import Rows, read
from core.files import fingerprint
from core.progress import say
from core.recorded import from_start, load_flags, load_losses
from core.rowset import words
from core.selectors import (
    NEEDS_CLUSTERS,
    NEEDS_NOTHING,
    PINNED,
    SELECTORS,
    Choice,
    Pool,
    choose,
)
from core.settings import MAX_SEED, Auto, check, setting, to_config
from core.store import Workspace

Ints = npt.NDArray[np.int64]
PARENTS: tuple[Kind, ...] = ("clusters", "trajectories", "dataset")


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
    edits: int | Auto = setting(
        "auto",
        help="Edits honoured: auto is all up to now, 0 none, N the first N of the dataset's log",
        minimum=0,
        hidden=True,
    )
    name: str = setting("", help="What to call it", identity=False)

    def __post_init__(self) -> None:
        check(self)
        budgets.parse(self.budget)


def run(workspace: Workspace, settings: Settings) -> str:
    """Select, seal; return the id.

    Raises:
        ValueError: the budget does not fit the pool or the pinned rows, or the parent lacks what
            the strategy needs.
    """
    settings = resolved(workspace, settings)
    parent = workspace.open(settings.parent, *PARENTS)
    dataset = workspace.ancestor(parent, "dataset")
    table, summary, sentences = table_of(workspace, settings)
    title = "full" if settings.strategy == "full" else f"{settings.strategy} {settings.budget}"
    draft = workspace.draft(
        "selection",
        name=settings.name or f"{dataset.name} · {title}",
        config=to_config(settings),
        parents={parent.kind: parent.id} | ({EXTENDS: settings.keep} if settings.keep else {}),
        fingerprint=key(workspace, settings),
    )
    table.to_parquet(draft.path / "table.parquet")
    for text in sentences:
        say(text)
    return draft.seal(summary).id


def table_of(
    workspace: Workspace, settings: Settings
) -> tuple[pd.DataFrame, dict[str, Any], list[str]]:
    """Select without sealing; return the table, the manifest's numbers, and what to say of it.

    Args:
        workspace: Where the parent stands; nothing is written to it.
        settings: With a number for their edits.

    Raises:
        ValueError: as `run`.
    """
    parent = workspace.open(settings.parent, *PARENTS)
    dataset = workspace.ancestor(parent, "dataset")
    log = read(workspace, dataset.id, int(settings.edits))
    pool = load_pool(workspace, parent, settings.strategy, log.excluded)
    kept = keep(workspace, pool, settings.keep, log.pinned)
    choice = choose(
        pool, settings.strategy, budgets.parse(settings.budget), settings.seed, kept.stay
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
    summary = {
        "rows": len(table),
        "pool": len(pool),
        "response_tokens": int(pool.tokens[choice.positions].sum()) if len(pool.tokens) else 0,
        "pool_response_tokens": int(pool.tokens.sum()),
        "ids_sha256": ids_sha256(table["id"].tolist()),
        "kept": kept.earlier,
        "kept_missing": kept.missing,
        "excluded": pool.excluded,
        "pinned": kept.pinned,
        "pinned_missing": kept.pinned_missing,
    }
    sentences = [kept.sentence()] if settings.keep else []
    sentences += [text] if (text := edited(pool, kept)) else []
    sentences.append(f"selected {len(table):,} of {len(pool):,} rows by {settings.strategy}")
    return table, summary, sentences


class Kept(NamedTuple):
    """What is in before the strategy draws: pinned rows, and those of an earlier selection."""

    stay: Choice
    """Positions in the pool: pinned rows in order of id, then the others in their order of rank."""
    pinned: int
    """Pinned rows that are in."""
    pinned_missing: int
    """Pinned rows that are not in the pool."""
    earlier: int
    """Rows of the earlier selection that are in, pinned or not."""
    missing: int
    """Rows of the earlier selection that are not in the pool."""

    def sentence(self) -> str:
        """Say how many rows of the earlier selection stay, and why not all."""
        text = f"{self.earlier:,} of {self.earlier + self.missing:,} rows stay"
        gone = f"; {self.missing:,} cannot: held out, not measured, excluded, or gone from the data"
        return text + (gone if self.missing else "")


def keep(workspace: Workspace, pool: Pool, earlier: str, pinned: Rows = ()) -> Kept:
    """Find the pinned rows in a pool, and by id those of an earlier selection where one is named.

    Raises:
        ValueError: it is no selection, or no row of it is in the pool.
    """
    places = pd.Index(pool.rows).get_indexer(pd.Index(np.asarray(pinned, np.int64)))
    pins = np.sort(places[places >= 0])
    unpinnable = len(places) - len(pins)
    if not earlier:
        return Kept(Choice(pins, [PINNED] * len(pins)), len(pins), unpinnable, 0, 0)
    old = workspace.open(earlier, "selection")
    ids = pd.read_parquet(old.path / "table.parquet").sort_values("rank")["id"]
    place = pd.Index(pool.ids).get_indexer(pd.Index(ids))
    found = place[place >= 0]
    if not len(found):
        raise ValueError(f"none of the {len(ids):,} rows of {old.name} can be selected here")
    others = found[~np.isin(found, pins)]
    reasons = [PINNED] * len(pins) + [f"kept from {old.id}"] * len(others)
    stay = Choice(np.concatenate([pins, others]), reasons)
    return Kept(stay, len(pins), unpinnable, len(found), int((place < 0).sum()))


def edited(pool: Pool, kept: Kept) -> str:
    """Say how many rows people's edits take out and put in; empty where there are none."""
    parts = [f"{words(pool.excluded)} excluded"] if pool.excluded else []
    parts += [f"{words(kept.pinned)} pinned"] if kept.pinned else []
    if kept.pinned_missing:
        missing = f"{words(kept.pinned_missing)} pinned but"
        parts.append(f"{missing} not to be selected: held out or not measured")
    return "; ".join(parts)


def resolved(workspace: Workspace, settings: Settings) -> Settings:
    """Return the settings with a number for their edits: up to the last of rows that is in effect.

    So neither a note nor an edit that was undone makes another selection.

    Raises:
        ValueError: the log has fewer edits than are wanted.
    """
    dataset = workspace.ancestor(workspace.open(settings.parent, *PARENTS), "dataset")
    upto = None if settings.edits == "auto" else int(settings.edits)
    return dataclasses.replace(settings, edits=read(workspace, dataset.id, upto).rows_at)


def honoured(artifact: Artifact) -> int:
    """Return how many edits a selection honours: none, if it was made before there were edits."""
    return int(artifact.config.get("edits", 0))


def key(workspace: Workspace, settings: Settings) -> str:
    """Return the fingerprint of the selection that these settings give with the edits of now.

    Without edits it is what it was before there were any.
    """
    config = to_config(resolved(workspace, settings), identity=True)
    if not config["edits"]:
        del config["edits"]
    return fingerprint("selection", config)


def ids_sha256(ids: list[str]) -> str:
    """Hash the selected ids in order of id: equal for equal selections, whatever their ranks."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def load_pool(workspace: Workspace, parent: Artifact, strategy: str, excluded: Rows = ()) -> Pool:
    """Read what a strategy needs from its parent, but for rows that were excluded.

    Rows that a clustering left out cannot be selected from it.

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
        usable &= labels >= 0
    before = int(usable.sum())
    usable[np.asarray(excluded, np.int64)] = False
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
        excluded=before - len(rows),
    )
