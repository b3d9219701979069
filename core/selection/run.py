"""Selections: which rows the target is trained on, each with its reason."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pandas as pd

from core.edits.log import read
from core.jobs.progress import say
from core.selection import budget as budgets
from core.selection import matched_size, s2l_options
from core.selection.choose import choose
from core.selection.kept_rows import Kept, earlier_rows, edited, keep
from core.selection.load_pool import load_pool
from core.selection.pool import Pool
from core.selection.settings import BEFORE, FIRST, Settings, title
from core.selection.strategies.catalog import STRATEGIES
from core.settings import identity, to_config
from core.workspace.artifact import EXTENDS, MATCHES, Artifact, Kind
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

__all__ = ["Settings", "edited", "honoured", "keep", "key", "load_pool", "resolved", "run"]

PARENTS: tuple[Kind, ...] = ("clusters", "trajectories", "dataset")


def run(workspace: Workspace, settings: Settings) -> str:
    """Select, seal; return the id.

    Raises:
        InputError: the budget does not fit the pool or the pinned rows, or the parent lacks what
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
        InputError: as `run`.
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
    earlier = earlier_rows(workspace, dataset, settings.keep)
    pool = load_pool(
        workspace, parent, settings.strategy, log.excluded, settings, log.pinned, earlier
    )
    match = None
    if settings.match:
        cost = STRATEGIES[settings.strategy].cost
        match = matched_size.measure(workspace, settings, dataset, cost=cost)
    pool = dataclasses.replace(pool, space=settings.space, match=match)
    return pool, keep(workspace, pool, settings.keep, log.pinned)


def resolved(workspace: Workspace, settings: Settings) -> Settings:
    """Return the settings with a number for their edits: up to the last of rows that is in effect.

    So neither a note nor an edit that was undone makes another selection.

    Raises:
        InputError: the log has fewer edits than are wanted.
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
    return fingerprint_of(resolved(workspace, settings))


def fingerprint_of(settings: Settings) -> str:
    """Return the fingerprint of a selection by settings with a number for their edits."""
    ignored = () if settings.dedup == "near" else ("near_rule",)
    kept = identity(settings, first=FIRST, before=BEFORE, ignored=ignored)
    if STRATEGIES[settings.strategy].cost:
        kept["cost"] = "inside the window"  # earlier ones are larger
    return fingerprint("selection", kept)


def ids_sha256(ids: list[str]) -> str:
    """Hash the selected ids in order of id: equal for equal selections, whatever their ranks."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
