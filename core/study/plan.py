"""The fine-tunes that a study is made of, before one of them is trained: which, how many, how long.

A run that exists already is reused; here it is found without drawing or training anything.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import pandas as pd

from core import edits as edit_log
from core import finetune, selection
from core.dataset.artifact import DatasetSummary
from core.edits.state import Edits
from core.errors import InputError
from core.evaluations.load import Named
from core.finetune.settings import Target, Tested
from core.jobs.progress import say
from core.model import loading
from core.selection import budget as budgets
from core.selection import choose as selectors
from core.selection.pool import NO_SOURCE
from core.selection.strategies.catalog import STRATEGIES
from core.settings import specs, to_config
from core.study import arms as arms_of
from core.study import draws
from core.study.arms import Arm
from core.study.draws import at_budget
from core.study.settings import Settings, epochs_of
from core.training.settings import Shared
from core.workspace.artifact import Artifact, is_id
from core.workspace.store import Workspace


class Opened(NamedTuple):
    """A study's settings, and what they name."""

    settings: Settings
    """With a number for their edits, and only the arms that the data has."""
    clusters: list[Artifact]
    """That the seeds draw from in turn; the first are the study's own."""
    dataset: Artifact
    edits: Edits
    arms: list[Arm]
    left_out: list[str]
    """Arms that share a budget over sources, where the data names none."""


class Tests(NamedTuple):
    """What the target is tested on."""

    test: Artifact
    split: str
    """Of its rows: holdout or all."""
    more: tuple[Named, ...] = ()
    """Tests beside it."""


class Run(NamedTuple):
    """One fine-tune of a study."""

    arm: Arm
    budget: str
    seed: int
    """By which it is called and paired."""
    draw_seed: int
    train_seed: int
    clusters: Artifact

    @property
    def label(self) -> str:
        """Name it in a sentence."""
        return f"{self.arm.name}, seed {self.seed}, {self.budget}"


def open_study(workspace: Workspace, settings: Settings) -> Opened:
    """Open what a study's settings name.

    Raises:
        InputError: something is unknown, of another dataset, or cannot be compared.
    """
    clusters = workspace.open(settings.clusters, "clusters")
    dataset = clusters.ancestor("dataset")
    log = edit_log.replay(dataset, None if settings.edits == "auto" else int(settings.edits))
    s = dataclasses.replace(settings, edits=log.rows_at)
    s, left_out = with_sources_only(s, dataset)
    every = [
        clusters if id == clusters.id else _like(clusters, id) for id in arms_of.clusterings(s)
    ]
    compared = arms_of.of(clusters, s, epochs=epochs_of(s))
    return Opened(s, every, dataset, log, compared, left_out)


def known_tests(opened: Opened) -> Tests | None:
    """Return what is tested on, unless it has to be imported first.

    Raises:
        InputError: nothing was held out, or there is no such dataset.
    """
    s, dataset = opened.settings, opened.dataset
    if s.tests:
        return None
    if not s.eval:
        return Tests(*finetune.test_set(Workspace(dataset.root), dataset, ""))
    return Tests(dataset.open(s.eval, "dataset"), "all") if is_id(s.eval) else None


def _like(clusters: Artifact, id: str) -> Artifact:
    """Open another clustering of the same dataset."""
    other = clusters.open(id, "clusters")
    if (theirs := other.ancestor("dataset")).id != (ours := clusters.ancestor("dataset")).id:
        raise InputError(
            f"--clusterings has {id} of the dataset {theirs.name}, but this study is of "
            f"{ours.name}; take clusterings of one dataset"
        )
    return other


def with_sources_only(s: Settings, dataset: Artifact) -> tuple[Settings, list[str]]:
    """Leave out the arms that share a budget over sources where the data names none."""
    out = [name for name in arms_of.strategies(s) if STRATEGIES[name].sources]
    if not out or list(dataset.summary_as(DatasetSummary)["sources"]) != [NO_SOURCE]:
        return s, []
    rest = ",".join(name for name in arms_of.strategies(s) if name not in out)
    return dataclasses.replace(s, strategies=rest), out


def runs(opened: Opened) -> list[Run]:
    """List the fine-tunes: all arms of the first seed, of the next; more random draws; other sizes.

    In this order, so that what is there when half is done can be compared.
    """
    s = opened.settings
    seeds = arms_of.seeds(s)
    out = [_run(opened, arm, s.budget, seed) for seed in seeds for arm in opened.arms]
    extra = [seed for seed in arms_of.random_seeds(s) if seed not in seeds]
    random = [arm for arm in opened.arms if arm.name == "random"]
    out += [_run(opened, arm, s.budget, seed) for seed in extra for arm in random]
    for budget in arms_of.sizes(s):
        sized = [a for a in opened.arms if not a.saved and has_sizes(a)]
        out += [_run(opened, at_budget(a, budget), budget, seed) for seed in seeds for a in sized]
    return out


def has_sizes(arm: Arm) -> bool:
    """Whether an arm is drawn at a budget: all the data is not."""
    return STRATEGIES[arm.how["strategy"]].size != "pool"


def _run(opened: Opened, arm: Arm, budget: str, seed: int) -> Run:
    s = opened.settings
    first, place = arms_of.seeds(s)[0], arms_of.random_seeds(s).index(seed)
    draw, train = {
        "both": (seed, seed),
        "draw": (seed, first),
        "training": (first, seed),
    }[s.vary]
    return Run(arm, budget, seed, draw, train, opened.clusters[place % len(opened.clusters)])


def varied(opened: Opened) -> str:
    """Say what differs between the seeds of a study, and what does not."""
    s = opened.settings
    used = opened.clusters[: len(arms_of.seeds(s))]
    proxies = len({c.parents.get("trajectories", c.id) for c in used})
    cuts = len({c.id for c in used})
    differ = {
        "both": ["draw and training seed vary together"],
        "draw": ["the draw varies, the training seed does not"],
        "training": ["the training seed varies, the draw does not"],
    }[s.vary]
    if proxies > 1:
        differ.append(f"the proxy varies ({proxies} in turn), and with it the clusters")
    elif cuts > 1:
        differ.append(f"the clustering varies ({cuts} in turn), the proxy does not")
    else:
        differ.append("proxy and clusters do not")
    return "; ".join(differ)


def steps_of(opened: Opened) -> int:
    """Return the optimizer steps of every arm; 0 where the epochs are equal."""
    s = opened.settings
    if s.equal == "epochs":
        return 0
    if s.steps != "auto":
        return int(s.steps)
    clusters, log = opened.clusters[0], opened.edits
    pool = selection.load_pool(clusters, "random", log.excluded, pinned=log.pinned)
    stay = selection.keep(pool, None, log.pinned).stay
    rows = len(selectors.choose(pool, "random", budgets.parse(s.budget), 0, stay).positions)
    return finetune.planned_steps(rows, "auto", s.batch_size, s.model)


def tuning(s: Settings, drawn: Artifact, seed: int, steps: int) -> finetune.Settings:
    """Return the settings of one fine-tune."""
    given = to_config(s)
    shared = {
        spec.name: given[spec.name] for cls in (Target, Tested, Shared) for spec in specs(cls)
    }
    shared |= {"steps": steps} if steps else {"epochs": epochs_of(s)}
    return finetune.Settings(selection=drawn.id, seed=seed, resume=s.resume, **shared)


def made_before(
    workspace: Workspace, drawn: Artifact, tests: Tests, settings: finetune.Settings
) -> Artifact | None:
    """Return the fine-tune of these settings where there is one that may be reused."""
    key = finetune.key(drawn, tests.test, settings, tests.more)
    done = workspace.same("finetune", key, like=drawn)
    if done and not loading.changed_since(settings.model, done.id, done.manifest["created"]):
        return done
    return None


def existing(workspace: Workspace, opened: Opened, planned: list[Run], steps: int) -> list[str]:
    """Return for each run the id of the fine-tune that it will reuse, empty where it is new."""
    tests = known_tests(opened)
    if tests is None:
        return [""] * len(planned)
    out = []
    for run in planned:
        sized = [at_budget(arm, run.budget) for arm in opened.arms]
        drawn = draws.drawn_before(
            workspace, run.clusters, sized, run.arm, run.draw_seed, opened.edits
        )
        settings = drawn and tuning(opened.settings, drawn, run.train_seed, steps)
        done = made_before(workspace, drawn, tests, settings) if drawn and settings else None
        out.append(done.id if done else "")
    return out


def as_frame(planned: list[Run], done: list[str]) -> pd.DataFrame:
    """List the runs for a person: arm, seed, budget, and whether it exists."""
    return pd.DataFrame(
        {
            "arm": [run.arm.name for run in planned],
            "seed": [run.seed for run in planned],
            "budget": [run.budget if has_sizes(run.arm) else "all" for run in planned],
            "exists": [bool(id) for id in done],
        }
    )


def tell(opened: Opened, settings: Settings) -> None:
    """Say which arms are not in the study, and why."""
    if opened.left_out:
        say(f"the data names no sources, so these arms are left out: {', '.join(opened.left_out)}")
    added = [arm.saved for arm in opened.arms if arm.saved]
    if twice := [id for id in arms_of.saved(settings) if id not in added]:
        say(f"drawn as another arm is, so left out: {', '.join(twice)}")
