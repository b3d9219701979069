"""Replays: a selection is made again from its manifests, unsealed, and compared with itself."""

from __future__ import annotations

import dataclasses

import pandas as pd

from core.edits.row_sets import words
from core.errors import InputError
from core.jobs.progress import say
from core.selection import given_scores, target_queries
from core.selection.artifact import SelectionSummary, load_table
from core.selection.run import PARENTS, DrawnFrom, honoured, pool_of, source, table_of
from core.selection.settings import Settings
from core.selection.strategies.catalog import STRATEGIES
from core.settings import specs
from core.workspace.artifact import Artifact
from core.workspace.manifest import versions
from core.workspace.store import Workspace

SHOWN = 5
"""Ids named of a difference."""


def differences(workspace: Workspace, id: str) -> list[str]:
    """Make a selection again; return a sentence for each way in which it differs: none if in none.

    Raises:
        InputError: it is no selection, or it cannot be made again: something that it came from is
            damaged or gone, or it has settings that this version does not know.
    """
    artifact = workspace.open(id, "selection")
    was, said = load_table(artifact), artifact.summary_as(SelectionSummary)
    settings = settings_of(artifact)
    matched = STRATEGIES[settings.strategy].cost
    drawn = source(artifact.open(settings.parent, *PARENTS), settings)
    now, summary, _ = table_of(drawn, len(was) if matched else 0)
    problems = compare(was, now)
    if matched and not problems:
        _note_size(drawn, len(was))
    if not problems:
        return []
    if said.get("edited_rows", summary["edited_rows"]) != summary["edited_rows"]:
        problems.append(
            f"the rows excluded or pinned by the first {settings.edits} edits are no longer those "
            "of then"
        )
    for one in lineage(artifact):
        problems += [f"{one.kind} {one.id}: {problem}" for problem in one.verify()]
    return problems + newer(artifact)


def _note_size(drawn: DrawnFrom, sealed: int) -> None:
    """Say where a baseline for the cost of another was made with another count of costs."""
    pool, kept = pool_of(drawn)
    rows = max(pool.match.rows if pool.match else 0, len(kept.stay.positions))
    if rows != sealed:
        say(
            f"its {sealed:,} rows are as its manifest has them; the cost of the proxy is counted "
            f"otherwise since, and a new one would have {rows:,}"
        )


def settings_of(artifact: Artifact) -> Settings:
    """Return the settings that a selection was made with.

    Raises:
        InputError: this version does not know one of them.
    """
    known = {spec.name for spec in specs(Settings)}
    unknown = sorted(artifact.config.keys() - known)
    if unknown:
        raise InputError(
            f"{artifact.id} was made with settings that this version does not have: "
            f"{', '.join(unknown)}; replay it with its own version of the code"
        )
    # without a rule of its own it is older than the rule of today
    rule = artifact.config.get("near_rule", 1)
    config = {"forgetting_rule": 1, **artifact.config}
    if (kept := artifact.path / given_scores.KEPT).exists():
        config |= {"scores": str(kept), "score_column": "score"}
    if (kept := artifact.path / target_queries.KEPT).exists():
        config |= {"queries": str(kept)}
    return dataclasses.replace(Settings(**config), edits=honoured(artifact), near_rule=rule)


def lineage(artifact: Artifact) -> list[Artifact]:
    """Return what a selection was made from, parents before children, itself last."""
    line: dict[str, Artifact] = {}

    def visit(one: Artifact) -> None:
        for parent in one.parents.values():
            if parent not in line:
                visit(one.open(parent))
        line[one.id] = one

    visit(artifact)
    return list(line.values())


def compare(was: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Say how the table of a replay differs from the sealed one."""
    out = []
    if len(was) != len(now):
        out.append(f"{words(len(was))} sealed, {len(now):,} replayed")
    for who, mine, other in (("sealed", was, now), ("replayed", now, was)):
        only = mine["id"][~mine["id"].isin(other["id"])].sort_values()
        if len(only):
            more = f" and {len(only) - SHOWN:,} more" if len(only) > SHOWN else ""
            shown = ", ".join(f"{id!r}" for id in only[:SHOWN])
            out.append(f"{words(len(only))} only in the {who} one: {shown}{more}")
    both = was.merge(now, on="id", suffixes=("", "_now"))
    for column in [c for c in was.columns if c != "id"]:
        if column not in now:
            out.append(f"the replayed one has no {column}")
        elif changed := int((both[column] != both[f"{column}_now"]).sum()):
            out.append(f"{column} differs in {changed:,} of {words(len(both))} that both have")
    return out


def newer(artifact: Artifact) -> list[str]:
    """Say which versions were others when an artifact was made."""
    was, now = artifact.manifest["versions"], versions()
    return [
        f"{name} was {was.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
