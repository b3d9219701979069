"""Arms of a study: which selections are compared; each is drawn anew with every seed.

An arm is a strategy on the study's clusters, or the settings of a saved selection: its strategy,
switches, quotas, filters, budget and own clusters. So its rows are those it was saved with only
where its seed is among the study's.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from core import selection
from core.errors import InputError
from core.selection import budget as budgets
from core.selection.strategies.catalog import STRATEGIES, having
from core.settings import Group, setting, specs
from core.spec import MAX_SEED, Spec, listed
from core.study.results import PERCENTILE_FROM
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint

SEED = re.compile("[0-9]{1,12}")
SET_HERE = ("seed", "edits", "name")
"""What a study decides for every arm."""
EQUAL_EPOCHS = "compares at equal epochs, and the arms of this study have equal steps"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arms(Group):
    """What is compared, and over which seeds."""

    clusters: str = setting(help="Clusters id", hidden=True)
    strategies: str = setting(
        "s2l,random,random_per_source,full",
        members=tuple(
            name for name, row in STRATEGIES.items() if not row.scores and not row.queries
        ),
        label="Arms",
        help="Arms, separated by commas; random and full belong in every comparison",
    )
    selections: str = setting(
        "",
        help="Selection ids, separated by commas: more arms, which draw with the settings of these "
        "(switches, quotas, filters, budget, clusters) and with the study's seeds and edits",
        hidden=True,
    )
    budget: str = setting(
        "11%",
        suggestions=("2%", "5%", "11%", "20%", "50%"),
        help=f"Of every strategy but full: {budgets.GRAMMAR}",
    )
    budgets: str = setting(
        "",
        members=("2%", "5%", "11%", "20%", "50%"),
        label="Data sizes",
        help="More budgets, separated by commas: the strategies are trained at these, too, and the "
        "score is drawn against the size of the data",
        later=True,
    )
    seeds: str = setting(
        "0,1,2",
        members=tuple(map(str, range(10))),
        help="Draw and training seeds, separated by commas; one run each per arm",
    )
    vary: Literal["both", "draw", "training"] = setting(
        "both",
        label="What a seed changes",
        words={"both": "the draw and the training", "draw": "the draw", "training": "the training"},
        help="both: the rows that are drawn and the training; draw: the training keeps the first "
        "seed; training: the draw does",
        advanced=True,
        later=True,
    )
    clusterings: str = setting(
        "",
        help="Clusters ids, separated by commas: the n-th seed draws from the n-th of these, in "
        "turn, so that another proxy or another clustering counts as well",
        hidden=True,
        later=True,
    )
    random_draws: int = setting(
        0,
        label="Random draws",
        help="Draws of random, at least, where the arms have fewer seeds: from "
        f"{PERCENTILE_FROM} on S2L has a place among them",
        minimum=0,
        maximum=200,
        advanced=True,
        later=True,
    )

    def validate(self) -> None:
        for budget in (self.budget, *sizes(self)):
            budgets.parse(budget)
        named = strategies(self)
        for strategy in named:
            if strategy not in STRATEGIES:
                raise InputError(
                    f"--strategies has {strategy!r}; there are {', '.join(STRATEGIES)}"
                )
            if STRATEGIES[strategy].scores or STRATEGIES[strategy].queries:
                raise InputError(
                    f"{strategy} needs a file: save such a selection, and name it in --selections"
                )
        matched = [name for name in named if STRATEGIES[name].size == "matched"]
        if matched and STRATEGIES[named[0]].size != "budget":
            raise InputError(
                f"{matched[0]} is as large as the first arm, so that must be a selection by "
                f"budget, not {named[0]}"
            )
        seeds(self)


class Arm(NamedTuple):
    """One of the things compared."""

    name: str
    """Different for every arm of a study."""
    how: dict[str, Any]
    """The settings of its selections, but for those the study decides."""
    saved: str = ""
    """Id of the selection whose settings these are; empty for a strategy."""


def strategies(settings: Arms) -> list[str]:
    """Return the strategies without repeats, in the order given."""
    named = listed(settings.strategies)
    if not named:
        raise InputError("--strategies names no arm; try s2l,random,full")
    return named


def seeds(settings: Arms) -> list[int]:
    """Return the seeds without repeats."""
    parts = listed(settings.seeds)
    if not parts or not all(SEED.fullmatch(p) and int(p) <= MAX_SEED for p in parts):
        raise InputError(f"--seeds takes whole numbers such as 0,1,2; not {settings.seeds!r}")
    return list(dict.fromkeys(map(int, parts)))


def random_seeds(settings: Arms) -> list[int]:
    """Return the seeds of random's draws: those of the study, and more where more are wanted."""
    out = seeds(settings)
    new = (n for n in itertools.count() if n not in out)
    return [*out, *itertools.islice(new, max(0, settings.random_draws - len(out)))]


def sizes(settings: Arms) -> list[str]:
    """Return the budgets beside the study's own, in the order given."""
    own = str(budgets.parse(settings.budget))
    return [b for b in listed(settings.budgets) if str(budgets.parse(b)) != own]


def clusterings(settings: Arms) -> list[str]:
    """Return the clusters ids that the seeds draw from in turn, the study's own where none is."""
    return listed(settings.clusterings) or [settings.clusters]


def saved(settings: Arms) -> list[str]:
    """Return the ids of the saved selections without repeats, in the order given."""
    return listed(settings.selections)


def of(clusters: Artifact, settings: Arms, *, epochs: float = 0.0) -> list[Arm]:
    """Return the arms: the strategies, then the saved selections that are not among them already.

    Args:
        epochs: Passes over its rows that every arm makes; 0 for equal steps.

    Raises:
        InputError: a saved selection is unknown, of another dataset, or not for equal steps.
    """
    names = strategies(settings)
    for name in names:
        if STRATEGIES[name].cost and not epochs:
            raise InputError(f"{name} {EQUAL_EPOCHS}; leave it out, or take --equal epochs")
    common = {"parent": settings.clusters, "budget": settings.budget}
    more = {"target_epochs": epochs} if epochs else {}
    out = [
        Arm(name, how(common | {"strategy": name} | (more if STRATEGIES[name].cost else {})))
        for name in names
    ]
    dataset = clusters.ancestor("dataset")
    for id in saved(settings):
        artifact = clusters.open(id, "selection")
        other = artifact.ancestor("dataset")
        if other.id != dataset.id:
            raise InputError(
                f"--selections has {id} of the dataset {other.name} ({other.id}), but these "
                f"clusters are of {dataset.name} ({dataset.id}); take selections of one dataset"
            )
        strategy = artifact.config["strategy"]
        if strategy in having(cost=True) and not epochs:
            raise InputError(f"{strategy} {EQUAL_EPOCHS}; leave {id} out of --selections")
        new = how(artifact.config)
        if identity(new) not in map(identity, (arm.how for arm in out)):
            out.append(Arm(_title(artifact, clusters), new, id))
    return _distinct(out)


def how(config: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a selection's config an arm: all but seed, edits and name.

    Settings that are younger than the selection stand at their default.
    """
    return {s.name: config.get(s.name, s.default) for s in _drawn_with()}


@functools.cache
def _drawn_with() -> list[Spec]:
    """Return the settings of a selection that are an arm's own."""
    return [s for s in specs(selection.Settings) if s.name not in SET_HERE]


def identity(config: dict[str, Any]) -> str:
    """Return a text that is equal for arms that draw the same; full looks at no budget."""
    whole = config["strategy"] not in having(size="budget")
    return fingerprint({**config, "budget": ""} if whole else config)


def _title(artifact: Artifact, clusters: Artifact) -> str:
    """Name a saved selection by its settings, and by its clusters where they are others."""
    settings = selection.Settings(**how(artifact.config))
    title = selection.title(settings) + (f" keeping {settings.keep}" if settings.keep else "")
    parent = artifact.parents.get("clusters", clusters.id)
    if parent == clusters.id or STRATEGIES[settings.strategy].needs != "clusters":
        return title
    ours, theirs = (_cut(c) for c in (clusters, clusters.open(parent)))
    return f"{title} · {theirs if theirs != ours else f'clusters {parent}'}"


def _cut(clusters: Artifact) -> str:
    """Say how a clustering cut the trajectories."""
    c = clusters.config
    return f"K = {c['k']}, {c['features']}" + (" with step 0" if c["include_start"] else "")


def _distinct(arms: Iterable[Arm]) -> list[Arm]:
    """Add the id to the name of a saved selection that is called as another arm."""
    arms = list(arms)
    counts = collections.Counter(arm.name for arm in arms)
    return [
        arm._replace(name=f"{arm.name} · {arm.saved}")
        if arm.saved and counts[arm.name] > 1
        else arm
        for arm in arms
    ]
