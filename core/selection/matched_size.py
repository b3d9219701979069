"""How large a random selection is that costs what another selection cost."""

from __future__ import annotations

import dataclasses

from core.errors import InputError
from core.selection.artifact import SelectionSummary, load_rows
from core.selection.pool import Match
from core.settings import Group, setting
from core.trajectories import cost as proxy_cost
from core.workspace.artifact import Artifact


@dataclasses.dataclass(frozen=True, kw_only=True)
class Matching(Group):
    """What a matched baseline is as large as."""

    match: str = setting(
        "",
        help="Selection id that random_token_matched and random_cost_matched are as large as",
        hidden=True,
    )
    target_parameters: float = setting(
        0.0,
        help="Parameters of the target, 410e6 for example: what a row of random_cost_matched costs",
        minimum=0,
        advanced=True,
    )
    target_epochs: float = setting(
        3.0,
        help="Epochs that the target is trained for, of random_cost_matched",
        above=0,
        advanced=True,
    )


def measure(matching: Matching, dataset: Artifact, *, cost: bool) -> Match:
    """Return the size of the selection to match; with `cost`, enlarged by what its proxy cost.

    A row of the selection stands for a row drawn, so the rows grow by the proxy's operations
    (`proxy_cost`) over the target's on the selection.

    Raises:
        InputError: it is no selection, of other data, or its proxy's cost is not known.
    """
    selection = dataset.open(matching.match, "selection")
    if selection.ancestor("dataset").id != dataset.id:
        raise InputError(f"{selection.id} was drawn from another dataset than {dataset.name}")
    facts = selection.summary_as(SelectionSummary)
    rows, tokens = facts["rows"], facts["response_tokens"]
    if not cost:
        if not tokens:
            raise InputError(
                f"the response tokens of {selection.id} were not counted; match one that was drawn "
                "from trajectories or clusters"
            )
        return Match(rows, tokens)
    if not matching.target_parameters:
        raise InputError(
            "random_cost_matched needs the target's size: --target-parameters 410e6, for example"
        )
    try:
        trajectories = selection.ancestor("trajectories")
    except InputError:
        return Match(rows, tokens)  # no proxy, no cost
    each = proxy_cost.TRAIN * matching.target_parameters * matching.target_epochs
    target = each * proxy_cost.tokens(trajectories, load_rows(selection)).selected
    return Match(round(rows * (1 + proxy_cost.operations(trajectories) / target)), tokens)
