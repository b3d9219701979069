"""Selections: which rows the target is trained on, each with its reason."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import write_array
from core.dataset.artifact import load_examples
from core.edits.log import replay
from core.edits.state import Edits
from core.errors import InputError
from core.jobs.progress import say
from core.selection import budget as budgets
from core.selection import given_scores, matched_size, s2l_options, target_queries
from core.selection.artifact import TABLE, SelectionSummary
from core.selection.choose import choose
from core.selection.given_scores import Given
from core.selection.kept_rows import Kept, earlier_rows, edited, keep
from core.selection.load_pool import load_pool
from core.selection.pool import Pool
from core.selection.settings import BEFORE, FIRST, Settings, title
from core.selection.strategies.catalog import STRATEGIES
from core.selection.strategies.coverage import MOST_REPEATED, near_share
from core.settings import identity, to_config
from core.workspace.artifact import EXTENDS, MATCHES, Artifact, Kind
from core.workspace.draft import InUse
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

__all__ = ["Settings", "edited", "honoured", "keep", "key", "load_pool", "once", "run"]

PARENTS: tuple[Kind, ...] = ("clusters", "trajectories", "dataset")
PATIENCE = 60.0
"""Seconds to wait for another process that makes the same selection."""


class DrawnFrom(NamedTuple):
    """What a selection is drawn from and how: opened once, and passed on."""

    parent: Artifact
    dataset: Artifact
    edits: Edits
    settings: Settings
    """With a number for their edits: up to the last of rows that is in effect, so that neither a
    note nor an edit that was undone makes another selection."""
    given: Given | None
    """Scores of another tool, where the strategy goes by them."""
    queries: target_queries.Queries | None
    """What rows are to be like, where the strategy goes by that."""


def source(parent: Artifact, settings: Settings, edits: Edits | None = None) -> DrawnFrom:
    """Return what settings draw from, with the edits they name, or those replayed before.

    Raises:
        InputError: the log has fewer edits than are wanted, or the scores cannot be used.
    """
    dataset = parent.ancestor("dataset")
    if edits is None:
        edits = replay(dataset, None if settings.edits == "auto" else int(settings.edits))
    given = None
    if settings.scores:
        ids = load_examples(dataset, ["id"])["id"]
        given = given_scores.load(settings, ids.to_numpy(object))
    now = dataclasses.replace(settings, edits=edits.rows_at)
    queries = None
    if settings.queries and parent.kind != "dataset":
        queries = target_queries.load(parent.ancestor("trajectories"), settings)
    return DrawnFrom(parent, dataset, edits, now, given, queries)


def open_source(workspace: Workspace, settings: Settings) -> DrawnFrom:
    """Open what settings draw from; see `source`."""
    return source(workspace.open(settings.parent, *PARENTS), settings)


def run(workspace: Workspace, settings: Settings) -> str:
    """Select, seal; return the id.

    Raises:
        InputError: the budget does not fit the pool or the pinned rows, or the parent lacks what
            the strategy needs.
    """
    return seal(workspace, open_source(workspace, settings)).id


def once(workspace: Workspace, source: DrawnFrom, like: Artifact | None = None) -> Artifact:
    """Return the selection that is equal, made here where there is none: of many at once, one.

    It is opened in the lineage of `like`, if that is given.

    Raises:
        InUse: another process has been making it for longer than PATIENCE.
    """
    fingerprint, deadline = key_of(source.settings), time.monotonic() + PATIENCE
    while not (same := workspace.same("selection", fingerprint, like=like)):
        try:
            return (like or workspace).open(seal(workspace, source, alone=True).id, "selection")
        except InUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    return same


def seal(workspace: Workspace, source: DrawnFrom, *, alone: bool = False) -> Artifact:
    """Select and seal, with everything opened before; `alone` as for `Workspace.draft`."""
    parent, settings = source.parent, source.settings
    repeated = d4_repeats(source)
    table, summary, sentences = table_of(source)
    sentences += [repeated] if repeated else []
    draft = workspace.draft(
        "selection",
        name=settings.name or f"{source.dataset.name} · {title(settings, source.dataset)}",
        config=to_config(settings),
        parents={parent.kind: parent.id}
        | ({EXTENDS: settings.keep} if settings.keep else {})
        | ({MATCHES: settings.match} if settings.match else {}),
        fingerprint=key_of(settings),
        alone=alone,
    )
    table.to_parquet(draft.path / TABLE)
    if source.given:
        source.given.table.to_parquet(draft.path / given_scores.KEPT)
    if source.queries:
        write_array(draft.path / target_queries.KEPT, source.queries.points)
    for text in sentences:
        say(text)
    return draft.seal(summary)


def d4_repeats(source: DrawnFrom) -> str:
    """Say what share of the pool D4 takes for near-duplicates; nothing of another strategy.

    Raises:
        InputError: more than half: then likeness tells no rows apart, as that of trajectories.
    """
    if source.settings.strategy != "d4":
        return ""
    pool, _ = pool_of(source)
    pool = pool.take(np.flatnonzero(pool.measured()))
    share = near_share(pool, source.settings.seed)
    words = f"d4 takes {100 * share:.0f}% of {len(pool):,} rows for near-duplicates"
    if share > MOST_REPEATED:
        raise InputError(
            f"{words} by their {pool.space}, so what is left is no choice; compare by embeddings "
            "(--space embeddings), or take out texts that repeat with --dedup near"
        )
    return words


def table_of(
    source: DrawnFrom, sealed: int = 0
) -> tuple[pd.DataFrame, SelectionSummary, list[str]]:
    """Select without sealing; return the table, the manifest's numbers, and what to say of it.

    Args:
        source: What to draw from.
        sealed: Rows of a random_cost_matched that is made again; 0 counts them anew.

    Raises:
        InputError: as `run`.
    """
    settings = source.settings
    pool, kept = pool_of(source)
    if sealed and pool.match is not None:
        pool = dataclasses.replace(pool, match=pool.match._replace(rows=sealed))
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
    summary: SelectionSummary = {
        "rows": len(table),
        "pool": len(pool),
        "response_tokens": int(pool.tokens[choice.positions].sum()) if len(pool.tokens) else 0,
        "pool_response_tokens": int(pool.tokens.sum()),
        "ids_sha256": ids_sha256(table["id"].tolist()),
        "kept": kept.earlier,
        "kept_missing": kept.missing,
        "edited_rows": fingerprint(source.edits.excluded.tolist(), source.edits.pinned.tolist()),
        "excluded": pool.excluded,
        "filtered": pool.filtered,
        "pinned": kept.pinned,
        "pinned_unmeasured": kept.pinned_unmeasured,
        "pinned_missing": kept.pinned_missing,
    }
    if source.given:
        summary["scores"] = source.given.summary
    if source.queries:
        summary["queries"] = source.queries.summary
    sentences = [kept.sentence()] if settings.keep else []
    sentences += [given_scores.sentence(source.given.summary)] if source.given else []
    sentences += [target_queries.sentence(source.queries.summary)] if source.queries else []
    sentences += list(filter(None, [edited(pool, kept)]))
    sentences.append(f"selected {len(table):,} of {len(pool):,} rows by {settings.strategy}")
    return table, summary, sentences


def prepare(workspace: Workspace, settings: Settings) -> tuple[Pool, Kept]:
    """Return the pool that settings choose from, and what is in it before they do."""
    return pool_of(open_source(workspace, settings))


def pool_of(source: DrawnFrom) -> tuple[Pool, Kept]:
    """Return the pool that is chosen from, and what is in it before."""
    parent, dataset, log, settings, given, queries = source
    old = dataset.open(settings.keep, "selection") if settings.keep else None
    pool = load_pool(
        parent,
        settings.strategy,
        log.excluded,
        settings,
        log.pinned,
        earlier_rows(dataset, old),
        given.of_rows if given else None,
    )
    match = None
    if settings.match:
        cost = STRATEGIES[settings.strategy].cost
        match = matched_size.measure(settings, dataset, cost=cost)
    pool = dataclasses.replace(pool, space=settings.space, match=match, rule=settings.rule)
    pool = dataclasses.replace(pool, forgetting_rule=settings.forgetting_rule)
    if queries:
        pool = dataclasses.replace(pool, embeddings=queries.rows, queries=queries.points)
    return pool, keep(pool, old, log.pinned)


def honoured(artifact: Artifact) -> int:
    """Return how many edits a selection honours: none, if it was made before there were edits."""
    return int(artifact.config.get("edits", 0))


def key(workspace: Workspace, settings: Settings) -> str:
    """Return the fingerprint of the selection that these settings give with the edits of now."""
    return key_of(open_source(workspace, settings).settings)


def key_of(settings: Settings) -> str:
    """Return the fingerprint of settings with a number for their edits, as in `DrawnFrom`.

    Without edits, and with every later setting at its default, it is what it always was.
    """
    ignored = ["scores", "queries"]
    ignored += [] if settings.dedup == "near" else ["near_rule"]
    ignored += [] if settings.strategy == "forgetting" else ["forgetting_rule"]
    kept = identity(settings, first=FIRST, before=BEFORE, ignored=ignored)
    if settings.scores:
        kept["scores"] = given_scores.file_hash(settings)
    if settings.queries:
        kept["queries"] = target_queries.identity(settings)
    if STRATEGIES[settings.strategy].cost:
        kept["cost"] = "inside the window"  # earlier ones are larger
    return fingerprint("selection", kept)


def ids_sha256(ids: list[str]) -> str:
    """Hash the selected ids in order of id: equal for equal selections, whatever their ranks."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
