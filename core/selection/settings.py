"""What may be set of a selection."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from typing import Literal

from core.errors import InputError
from core.selection import budget as budgets
from core.selection import filters, given_scores, matched_size, s2l_options, target_queries
from core.selection.choose import check_switches
from core.selection.strategies.catalog import STRATEGIES, having, named
from core.settings import Group, setting
from core.spec import MAX_SEED, Auto
from core.workspace.artifact import Artifact, is_id

FIRST = ("parent", "strategy", "budget", "seed", "keep")
"""Settings that every fingerprint holds; a later one counts where it differs from its default, so
that a selection made before there was such a setting is found again."""
BEFORE = {"edits": 0, "near_rule": 1, "forgetting_rule": 1}
"""What selections did before there were these settings, where that is not the default."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw(Group):
    """What to select from, how, and how much."""

    parent: str = setting(
        help="Clusters, trajectories or dataset id, whichever the strategy needs",
        flags=("--clusters", "--trajectories", "--dataset"),
        hidden=True,
    )
    strategy: str = setting(
        "s2l",
        help="s2l draws evenly over the clusters; the others are baselines",
        choices=tuple(STRATEGIES),
    )
    budget: str = setting("11%", help=f"How much to take: {budgets.GRAMMAR}")
    seed: int = setting(0, help="Of the draw", minimum=0, maximum=MAX_SEED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(
    Draw,
    s2l_options.Switches,
    filters.Filters,
    matched_size.Matching,
    given_scores.GivenScores,
    target_queries.TargetQueries,
):
    """All settings of a selection."""

    space: Literal["embeddings", "trajectories"] = setting(
        "embeddings",
        help=f"What {', '.join(having(prefix=True, queries=False))} compare rows by: the "
        "proxy's embeddings, or the trajectories where there are none",
        label="Compare rows by",
    )
    forgetting_rule: int = setting(
        2,
        help="How rows forgotten equally often are told apart: 2 by the height of rises, then "
        "by the seed; 1 by id, as selections did before",
        minimum=1,
        maximum=2,
        hidden=True,
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

    def validate(self) -> None:
        check_switches(self.strategy, s2l_options.of(self), budgets.parse(self.budget))
        if bool(self.scores) != STRATEGIES[self.strategy].scores:
            raise InputError(
                f"{self.strategy} takes no --scores; {named(scores=True)} do"
                if self.scores
                else f"{self.strategy} needs the file of scores that it goes by: --scores FILE"
            )
        if bool(self.queries) != STRATEGIES[self.strategy].queries:
            raise InputError(
                f"{self.strategy} takes no --queries; {named(queries=True)} does"
                if self.queries
                else f"{self.strategy} needs examples to be like: --queries FILE or a dataset's id"
            )
        if self.strategy == "s2l_scores" and self.pick != "random":
            raise InputError("s2l_scores takes by score inside clusters; --pick is for s2l")
        if bool(self.match) != (STRATEGIES[self.strategy].size == "matched"):
            raise InputError(
                f"{self.strategy} takes no --match; {named(size='matched')} do"
                if self.match
                else f"{self.strategy} needs the selection that it is as large as: --match ID"
            )


def title(settings: Settings, lineage: Artifact | None = None) -> str:
    """Name a strategy, its budget, and what differs from the default.

    What it takes from the workspace has its name where its lineage is given, else its id.
    """
    row = STRATEGIES[settings.strategy]
    size = row.size
    shown = {"budget": settings.budget, "matched": f"of {_called(settings.match, lineage)}"}
    parts = [settings.strategy, *([shown[size]] if size in shown else [])]
    if row.scores:
        parts.append(f"{settings.rule} of {pathlib.PurePath(settings.scores).name}")
    parts += [f"of {_called(settings.queries, lineage)}"] if row.queries else []
    parts += s2l_options.words(settings) + filters.words(settings)
    return " ".join([*parts, *(["by trajectories"] if settings.space == "trajectories" else [])])


def _called(text: str, lineage: Artifact | None) -> str:
    """Return the name of what an id or path stands for."""
    if lineage and is_id(text):
        with contextlib.suppress(InputError):
            return lineage.open(text).name
    return pathlib.PurePath(text).name
