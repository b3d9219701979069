"""Selections: which rows the target is trained on, each with its reason."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.edits.log import Rows, read
from core.edits.row_sets import words
from core.jobs.progress import say
from core.selection import budget as budgets
from core.selection import filters, matched_size, s2l_options
from core.selection.choose import MATCHED, PINNED, SELECTORS, check_switches, choose
from core.selection.load_pool import load_pool
from core.selection.pool import Choice, Pool
from core.settings import MAX_SEED, Auto, check, setting, specs, to_config
from core.workspace.artifact import EXTENDS, MATCHES, Artifact, Kind
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

__all__ = ["Settings", "edited", "honoured", "keep", "key", "load_pool", "resolved", "run"]

PARENTS: tuple[Kind, ...] = ("clusters", "trajectories", "dataset")
FIRST = ("parent", "strategy", "budget", "seed", "keep")
"""Settings that every fingerprint holds; a later one counts where it differs from its default, so
that a selection made before there was such a setting is found again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw:
    """What to select from, how, and how much."""

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(matched_size.Matching, filters.Filters, s2l_options.Switches, Draw):
    """All settings of a selection; the last base's come first where they are listed."""

    space: str = setting(
        "embeddings",
        help="What facility_location, k_center and d4 compare rows by: the proxy's embeddings, or "
        "the trajectories where there are none",
        label="Compare rows by",
        choices=("embeddings", "trajectories"),
    )
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
        s2l_options.Switches.__post_init__(self)
        filters.Filters.__post_init__(self)
        check_switches(self.strategy, s2l_options.of(self), budgets.parse(self.budget))
        if bool(self.match) != (self.strategy in MATCHED):
            raise ValueError(
                f"{self.strategy} takes no --match; {' and '.join(sorted(MATCHED))} do"
                if self.match
                else f"{self.strategy} needs the selection that it is as large as: --match ID"
            )


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
    draft = workspace.draft(
        "selection",
        name=settings.name or f"{dataset.name} · {title(settings)}",
        config=to_config(settings),
        parents={parent.kind: parent.id}
        | ({EXTENDS: settings.keep} if settings.keep else {})
        | ({MATCHES: settings.match} if settings.match else {}),
        fingerprint=key(workspace, settings),
    )
    table.to_parquet(draft.path / "table.parquet")
    for text in sentences:
        say(text)
    return draft.seal(summary).id


def table_of(
    workspace: Workspace, settings: Settings, sealed: int = 0
) -> tuple[pd.DataFrame, dict[str, Any], list[str]]:
    """Select without sealing; return the table, the manifest's numbers, and what to say of it.

    Args:
        workspace: Where the parent stands; nothing is written to it.
        settings: With a number for their edits.
        sealed: Rows of a random_cost_matched that is made again; 0 counts them anew.

    Raises:
        ValueError: as `run`.
    """
    pool, kept = prepare(workspace, settings)
    if sealed and pool.match is not None:
        pool = dataclasses.replace(pool, match=pool.match._replace(rows=sealed))
    dataset = workspace.ancestor(workspace.open(settings.parent, *PARENTS), "dataset")
    log = read(workspace, dataset.id, int(settings.edits))
    choice = choose(
        pool,
        settings.strategy,
        budgets.parse(settings.budget),
        settings.seed,
        kept.stay,
        s2l_options.of(settings),
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
        "edited_rows": fingerprint(log.excluded.tolist(), log.pinned.tolist()),
        "excluded": pool.excluded,
        "filtered": pool.filtered,
        "pinned": kept.pinned,
        "pinned_unmeasured": kept.pinned_unmeasured,
        "pinned_missing": kept.pinned_missing,
    }
    sentences = [kept.sentence()] if settings.keep else []
    sentences += list(filter(None, [edited(pool, kept)]))
    sentences.append(f"selected {len(table):,} of {len(pool):,} rows by {settings.strategy}")
    return table, summary, sentences


def prepare(workspace: Workspace, settings: Settings) -> tuple[Pool, Kept]:
    """Return the pool that settings choose from, and what is in it before they do.

    Args:
        workspace: Where.
        settings: With a number for their edits, as `resolved` gives it.
    """
    parent = workspace.open(settings.parent, *PARENTS)
    dataset = workspace.ancestor(parent, "dataset")
    log = read(workspace, dataset.id, int(settings.edits))
    earlier = _earlier_rows(workspace, dataset, settings.keep)
    pool = load_pool(
        workspace, parent, settings.strategy, log.excluded, settings, log.pinned, earlier
    )
    match = None
    if settings.match:
        cost = settings.strategy == "random_cost_matched"
        match = matched_size.measure(workspace, settings, dataset, cost=cost)
    pool = dataclasses.replace(pool, space=settings.space, match=match)
    return pool, keep(workspace, pool, settings.keep, log.pinned)


def _earlier_rows(workspace: Workspace, dataset: Artifact, earlier: str) -> npt.NDArray[np.int64]:
    """Return the rows of a dataset that an earlier selection has, by id."""
    if not earlier:
        return np.zeros(0, np.int64)
    old = workspace.open(earlier, "selection")
    ids = pd.read_parquet(old.path / "table.parquet", columns=["id"])["id"]
    now = pd.read_parquet(dataset.path / "examples.parquet", columns=["id"])["id"]
    return np.flatnonzero(now.isin(ids))


def title(settings: Settings) -> str:
    """Name a strategy, its budget, and what differs from the default."""
    parts = [settings.strategy]
    if settings.strategy in MATCHED:
        parts.append(f"of {settings.match}")
    elif settings.strategy != "full":
        parts.append(settings.budget)
    parts += s2l_options.words(settings) + filters.words(settings)
    return " ".join([*parts, *(["by trajectories"] if settings.space == "trajectories" else [])])


class Kept(NamedTuple):
    """What is in before the strategy draws: pinned rows, and those of an earlier selection."""

    stay: Choice
    """Positions in the pool: pinned rows in order of id, then the others in their order of rank."""
    pinned: int
    """Pinned rows that are in."""
    pinned_unmeasured: int
    """Of those, rows without a loss or without a cluster."""
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
    there = pool.take(pins)
    grouped = there.labels >= 0 if len(there.labels) else np.ones(len(pins), bool)
    unmeasured = int((~(there.measured() & grouped)).sum())
    if not earlier:
        return Kept(Choice(pins, [PINNED] * len(pins)), len(pins), unmeasured, unpinnable, 0, 0)
    old = workspace.open(earlier, "selection")
    ids = pd.read_parquet(old.path / "table.parquet").sort_values("rank")["id"]
    place = pd.Index(pool.ids).get_indexer(pd.Index(ids))
    found = place[place >= 0]
    if not len(found):
        raise ValueError(f"none of the {len(ids):,} rows of {old.name} can be selected here")
    others = found[~np.isin(found, pins)]
    reasons = [PINNED] * len(pins) + [f"kept from {old.id}"] * len(others)
    stay = Choice(np.concatenate([pins, others]), reasons)
    missing = int((place < 0).sum())
    return Kept(stay, len(pins), unmeasured, unpinnable, len(found), missing)


def edited(pool: Pool, kept: Kept) -> str:
    """Say how many rows edits and filters take out and put in; empty where there are none."""
    parts = [f"{words(pool.excluded)} excluded"] if pool.excluded else []
    parts += [f"{words(rows)} taken out: {reason}" for reason, rows in pool.filtered.items()]
    if kept.pinned:
        without = f", {kept.pinned_unmeasured:,} of them without a loss or a cluster"
        parts.append(f"{words(kept.pinned)} pinned" + (without if kept.pinned_unmeasured else ""))
    if kept.pinned_missing:
        missing = f"{words(kept.pinned_missing)} pinned but not to be selected"
        parts.append(f"{missing}: held out for testing, or without a response token")
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

    Without edits, and with every later setting at its default, it is what it always was.
    """
    config = to_config(resolved(workspace, settings), identity=True)
    defaults = {s.name: s.default for s in specs(Settings)} | {"edits": 0}
    kept = {k: v for k, v in config.items() if k in FIRST or v != defaults[k]}
    if settings.strategy == "random_cost_matched":
        kept["cost"] = "inside the window"  # earlier ones are larger
    return fingerprint("selection", kept)


def ids_sha256(ids: list[str]) -> str:
    """Hash the selected ids in order of id: equal for equal selections, whatever their ranks."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
