"""The rows of a study's arms: each drawn with each seed, or found where it was drawn before."""

from __future__ import annotations

import dataclasses
from typing import Any

from core import selection
from core.edits.state import Edits
from core.selection.strategies.catalog import STRATEGIES
from core.study.arms import Arm
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace


def at_budget(arm: Arm, budget: str) -> Arm:
    """Return an arm at another budget."""
    return arm._replace(how={**arm.how, "budget": budget})


def draw(
    workspace: Workspace, clusters: Artifact, arms: list[Arm], arm: Arm, seed: int, edits: Edits
) -> Artifact:
    """Return the selection of one arm and seed; one that exists is reused.

    A strategy of matched tokens is as large as the first arm's selection of the same seed; a saved
    one keeps what it was matched with. An arm of the study's own clusters draws from `clusters`.

    Raises:
        InputError: the arm cannot be drawn with these edits.
    """
    match = ""
    if _needs_match(arm):
        match = draw(workspace, clusters, arms, arms[0], seed, edits).id
    chosen = _drawn_with_seed(clusters, arm, seed, match)
    drawn = selection.source(clusters.open(chosen.parent), chosen, edits)
    return selection.once(workspace, drawn, like=clusters)


def _needs_match(arm: Arm) -> bool:
    return STRATEGIES[arm.how["strategy"]].size == "matched" and not arm.how["match"]


def _drawn_with_seed(clusters: Artifact, arm: Arm, seed: int, match: str) -> selection.Settings:
    """Return the settings of the selection of one arm and seed."""
    own: dict[str, Any] = {} if arm.saved else {"parent": clusters.id}
    own |= {"match": match} if match else {}
    own |= {"seed": 0 if STRATEGIES[arm.how["strategy"]].size == "pool" else seed}
    return selection.Settings(**{**arm.how, **own})


def drawn_before(
    workspace: Workspace, clusters: Artifact, arms: list[Arm], arm: Arm, seed: int, edits: Edits
) -> Artifact | None:
    """Return the selection of one arm and seed where it was drawn before; nothing is drawn."""
    match = ""
    if _needs_match(arm):
        first = drawn_before(workspace, clusters, arms, arms[0], seed, edits)
        if first is None:
            return None
        match = first.id
    chosen = _drawn_with_seed(clusters, arm, seed, match)
    chosen = dataclasses.replace(chosen, edits=edits.rows_at)
    return workspace.same("selection", selection.key_of(chosen), like=clusters)
