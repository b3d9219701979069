"""Studies: the same target fine-tuned on several selections with equal steps, and the untuned base.

What is compared stands in `core.study.arms`. Fine-tunes that already exist are reused; a study
names them as parents and copies nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from core import edits, finetune, selection
from core.dataset.overlap import describe
from core.edits.state import Edits
from core.finetune import metrics
from core.finetune.metrics import METRICS
from core.finetune.retest import scores_of
from core.finetune.seen import seen
from core.finetune.settings import Target, Tested, short
from core.jobs.progress import say
from core.model import loading
from core.model.pool_texts import pool_texts
from core.model.templates import choose
from core.selection import budget
from core.selection import choose as selectors
from core.selection.pool import NO_SOURCE
from core.selection.strategies import catalog
from core.settings import Auto, Group, setting, specs, to_config
from core.study import arms, comparison
from core.study.arms import Arms, seeds, strategies
from core.study.artifact import StudySummary, write
from core.study.sentences import BASE, as_text, caution, seen_of
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Equal(Group):
    """How long every arm is trained."""

    steps: int | Auto = setting(
        "auto",
        help="Optimizer steps of every arm; auto is 3 epochs of the budget (6 from scratch), "
        "at least 200",
        minimum=1,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Margins(Group):
    """How much worse than all the data is still as good: fixed before the first run."""

    margin_nats: float = setting(
        METRICS["loss"].margin,
        above=0,
        label="Margin of the loss",
        help="As good as all the data within so many nats per response token; fixed beforehand",
        advanced=True,
        later=True,
    )
    margin_points: float = setting(
        METRICS["exact_match"].margin,
        above=0,
        label="Margin of exact match",
        help="As good as all the data within so many points of exact match; fixed beforehand",
        advanced=True,
        later=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Arms, Target, Equal, Tested, Margins):
    """Which selections to compare, on which target."""

    edits: int | Auto = setting(
        "auto",
        help="Edits that every arm honours: auto is all up to now, 0 none, N the first N of the "
        "dataset's log",
        minimum=0,
        hidden=True,
    )
    resume: bool = setting(
        True, help="Reuse fine-tunes of the same settings", identity=False, hidden=True
    )
    name: str = setting("", help="What to call it", identity=False, advanced=True)


def run(workspace: Workspace, settings: Settings) -> str:
    """Make or reuse every arm, test the base, seal the table; return the id.

    Edits made meanwhile are not honoured: the arms draw from one pool.
    """
    clusters = workspace.open(settings.clusters, "clusters")
    dataset = clusters.ancestor("dataset")
    log = edits.replay(dataset, None if settings.edits == "auto" else int(settings.edits))
    s = dataclasses.replace(settings, edits=log.rows_at)
    s = _with_sources_only(s, dataset)
    compared = arms.of(clusters, s)
    added = [arm.saved for arm in compared if arm.saved]
    if twice := [id for id in arms.saved(s) if id not in added]:
        say(f"drawn as another arm is, so left out: {', '.join(twice)}")
    test, split = finetune.test_set(workspace, dataset, s.eval)
    steps = s.steps if s.steps != "auto" else _auto_steps(clusters, s, log)
    wanted = [  # all are drawn before the first is trained: one that cannot be is said at once
        (arm.name, seed, arms.draw(workspace, clusters, compared, arm, seed, log))
        for seed in seeds(s)
        for arm in compared
    ]
    runs: list[tuple[str, int, Artifact]] = []
    for number, (name, seed, drawn) in enumerate(wanted):
        say(f"arm {number + 1} of {len(wanted)}: {name}, seed {seed}, {steps:,} steps")
        runs.append((name, seed, _tuned(workspace, drawn, (test, split), s, seed, int(steps))))
    shared = seen(dataset, np.zeros(0, int), test, split).pool.counts()
    if told := describe(shared, "rows of the pool"):
        say(told)
    base = _base_scores(workspace, dataset, test, split, s)
    table = pd.DataFrame(
        [
            _record(arm, seed, made, scores_of(workspace, made, test, split))
            for arm, seed, made in runs
        ]
    )
    draft = workspace.draft(
        "study",
        name=s.name or f"{dataset.name} · {s.budget} · {short(s.model)}",
        config={**to_config(s), "steps": int(steps)},
        parents={"clusters": clusters.id}
        | {f"{arm} {seed}": made.id for arm, seed, made in runs}
        | {f"settings of arm {arm.name}": arm.saved for arm in compared if arm.saved},
    )
    write(draft, table, pd.DataFrame([{"arm": BASE, **base}]))
    means = table.groupby("arm")[list(metrics.known(table))].mean()
    exploratory = [arm.name for arm in compared if arm.saved]
    summary: StudySummary = {
        "arms": [arm.name for arm in compared],
        "exploratory": exploratory,
        "seeds": seeds(s),
        "steps": int(steps),
        "budget": s.budget,
        "test": test.name,
        "base": base,
        "means": {
            str(arm): {str(key): float(mean) for key, mean in row.items()}
            for arm, row in means.iterrows()
        },
        "overlap": shared,
    }
    artifact = draft.seal(summary)
    say(as_text(table, base))
    first = next(iter(metrics.known(table)))
    for found in comparison.registered(table, first):
        say(
            f"{METRICS[first].called(seen_of(table))}: {comparison.sentence(found, METRICS[first])}"
        )
    if exploratory:
        say(caution(exploratory))
    return artifact.id


def _with_sources_only(s: Settings, dataset: Artifact) -> Settings:
    """Leave out the arms that share a budget over sources where the data names none."""
    out = [name for name in strategies(s) if catalog.STRATEGIES[name].sources]
    if not out or list(dataset.summary["sources"]) != [NO_SOURCE]:
        return s
    say(f"the data names no sources, so these arms are left out: {', '.join(out)}")
    return dataclasses.replace(s, strategies=",".join(n for n in strategies(s) if n not in out))


def _auto_steps(clusters: Artifact, s: Settings, log: Edits) -> int:
    pool = selection.load_pool(clusters, "random", log.excluded, pinned=log.pinned)
    stay = selection.keep(pool, None, log.pinned).stay
    rows = len(selectors.choose(pool, "random", budget.parse(s.budget), 0, stay).positions)
    return finetune.planned_steps(rows, "auto", s.batch_size, s.model)


def _tuned(
    workspace: Workspace,
    drawn: Artifact,
    test: tuple[Artifact, str],
    s: Settings,
    seed: int,
    steps: int,
) -> Artifact:
    """Return the fine-tune of one arm and seed: draw seed and training seed vary together."""
    given = to_config(s)
    shared = {spec.name: given[spec.name] for cls in (Target, Tested) for spec in specs(cls)}
    target = finetune.Settings(
        selection=drawn.id, steps=steps, seed=seed, resume=s.resume, **shared
    )
    key = finetune.key(drawn, test[0], target)
    done = workspace.same("finetune", key, like=drawn) if s.resume else None
    if done and not loading.changed_since(s.model, done.id, done.manifest["created"]):
        return done
    return finetune.make(workspace, target, drawn, *test)


def _base_scores(
    workspace: Workspace, dataset: Artifact, test: Artifact, split: str, s: Settings
) -> dict[str, Any]:
    """Test the target before any training; one from scratch with the first seed's weights."""
    from core.finetune.evaluate import evaluate
    from core.model.tokens import tokenize, window

    texts = pool_texts(dataset, s.model)
    model, tokenizer = loading.load(s.model, seed=seeds(s)[0], texts=texts)
    template = choose("auto", tokenizer, scratch=loading.is_scratch(s.model))
    tokens = tokenize(workspace, dataset, tokenizer, template)
    tokens = tokens.cut(window(s.max_length, tokens.full_lengths(), model))
    result = evaluate(
        workspace,
        model,
        tokenizer,
        test,
        split=split,
        template=template,
        max_length=tokens.max_length,
        trained=tokens.response_lengths(),
        how=s,
    )
    return finetune.headline(result.scores)


def _record(arm: str, seed: int, made: Artifact, scores: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in scores.items() if not isinstance(v, str | dict)}
    return {
        "arm": arm,
        "seed": seed,
        "finetune": made.id,
        "seconds": made.manifest["seconds"],
        **kept,
    }
