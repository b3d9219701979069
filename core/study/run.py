"""Studies: the same target fine-tuned on several selections, and the untuned base.

What is compared stands in `core.study.arms`, which fine-tunes that makes in `core.study.plan`.
Fine-tunes that already exist are reused; a study names them as parents and copies nothing. A run
that fails is kept as failed, and the others go on.
"""

from __future__ import annotations

import collections
import time
import traceback
from typing import Any

import pandas as pd

from core import finetune
from core.dataset.overlap import describe
from core.errors import InputError
from core.finetune import metrics
from core.finetune.metrics import METRICS
from core.finetune.retest import scores_of
from core.finetune.settings import short
from core.jobs.launchers import launched
from core.jobs.progress import Stopped, say, stop_requested
from core.selection.artifact import SelectionSummary
from core.selection.strategies.catalog import STRATEGIES
from core.settings import identity, to_config
from core.study import arms as arms_of
from core.study import artifact as kept
from core.study import base as untuned
from core.study import comparison, draws, noise, pairs
from core.study.arms import Arm, sizes
from core.study.artifact import StudySummary, as_table
from core.study.checks import Checked, check, tests_of
from core.study.draws import at_budget
from core.study.plan import (
    Opened,
    Run,
    Tests,
    made_before,
    open_study,
    runs,
    steps_of,
    tell,
    tuning,
    varied,
)
from core.study.sentences import BASE, as_text, caution, seen_of
from core.study.settings import Settings, epochs_of
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft, InUse
from core.workspace.files import disk_full, fingerprint
from core.workspace.store import Workspace

__all__ = ["Settings", "run"]

WAIT = 2.0
"""Seconds between looks at a fine-tune that another process is at work on."""


def run(workspace: Workspace, settings: Settings) -> str:
    """Make or reuse every arm, test the base, seal the table; return the id.

    Edits made meanwhile are not honoured: the arms draw from one pool.

    Raises:
        InputError: bad settings, model or test set, in which case nothing is left behind; or all
            runs failed.
        Stopped: asked to stop; what is done is reused by the next run of these settings.
    """
    opened = open_study(workspace, settings)
    tell(opened, settings)
    s = opened.settings
    ready = check(workspace, opened.dataset, s, arms_of.seeds(s)[0])
    tested = tests_of(workspace, opened.dataset, s)
    test = tested.test
    opened = opened._replace(arms=_with_parameters(opened.arms, ready))
    steps = steps_of(opened)
    planned = runs(opened)
    drawn = _draw(workspace, opened, planned)
    draft = _draft(workspace, opened, test, steps)
    kept.begin(draft, len(planned))
    base, others, shared = untuned.measure(workspace, opened, tested, ready, draft)
    del ready  # its memory is the arms'
    tunings = [
        tuning(s, made, run.train_seed, steps) for run, made in zip(planned, drawn, strict=True)
    ]
    lines, made = _tune(workspace, draft, tested, list(zip(planned, drawn, tunings, strict=True)))
    if made is None:
        draft.discard()
        raise InputError(f"all {len(lines)} fine-tunes failed: {lines[0]['failed']}")
    if shared_words := describe(shared, "rows of the pool"):
        say(shared_words)
    table = as_table(lines)
    floor, floors = noise.floor(workspace, made, tested)
    own = table[table["budget"] == s.budget]
    exploratory = [arm.name for arm in opened.arms if arm.saved]
    summary: StudySummary = {
        "arms": [arm.name for arm in opened.arms],
        "exploratory": exploratory,
        "seeds": arms_of.seeds(s),
        "steps": steps,
        "epochs": epochs_of(s),
        "budget": s.budget,
        "budgets": sizes(s),
        "test": test.name,
        "base": base,
        "means": _means(own),
        "overlap": shared,
        "failed": [f"{r['arm']} seed {r['seed']}: {r['failed']}" for r in lines if r["failed"]],
        "varied": varied(opened),
        "tests": others,
        "noise": floor,
        "noise_of_tests": floors,
    }
    kept.write(draft, table, pd.DataFrame([{"arm": BASE, **base}]))
    draft.run["parents"] |= {
        _role(line, s.budget): line["finetune"] for line in lines if line["finetune"]
    }
    artifact = draft.seal(summary, drop=kept.WORK)
    _say(own, base, summary)
    return artifact.id


def _draft(workspace: Workspace, opened: Opened, test: Artifact, steps: int) -> Draft:
    """Begin the study's draft; one that was left unfinished has nothing that is not found again.

    Raises:
        InputError: the same study is running.
    """
    s, dataset = opened.settings, opened.dataset
    key = fingerprint("study", test.id, identity(s))
    old = workspace.unfinished("study", key)
    if old is not None:
        old.discard()
    return workspace.draft(
        "study",
        name=s.name or f"{dataset.name} · {s.budget} · {short(s.model)}",
        config={**to_config(s), "steps": steps or s.steps},
        parents={"clusters": opened.clusters[0].id}
        | {f"clusters of seed {n}": c.id for n, c in enumerate(opened.clusters) if n}
        | {f"settings of arm {arm.name}": arm.saved for arm in opened.arms if arm.saved},
        fingerprint=key,
    )


def _with_parameters(arms: list[Arm], ready: Checked) -> list[Arm]:
    """Give the arms that count what a proxy cost the size of the target."""
    size = float(sum(p.numel() for p in ready.model.parameters()))
    return [
        arm._replace(how={**arm.how, "target_parameters": size})
        if STRATEGIES[arm.how["strategy"]].cost and not arm.how["target_parameters"]
        else arm
        for arm in arms
    ]


def _draw(workspace: Workspace, opened: Opened, planned: list[Run]) -> list[Artifact]:
    """Draw every arm before the first is trained: where one cannot be, none is left behind."""
    before = {e.id for e in workspace.entries("selection")}
    out: list[Artifact] = []
    try:
        for run in planned:
            sized = [at_budget(arm, run.budget) for arm in opened.arms]
            out.append(
                draws.draw(workspace, run.clusters, sized, run.arm, run.draw_seed, opened.edits)
            )
    except InputError:
        for made in reversed(dict.fromkeys(a.id for a in out)):
            if made not in before:
                workspace.delete(made)
        raise
    return out


Todo = tuple[Run, Artifact, finetune.Settings]
"""A run, its selection, and how it is trained."""


def _tune(
    workspace: Workspace, draft: Draft, tested: Tests, todo: list[Todo]
) -> tuple[list[dict[str, Any]], Artifact | None]:
    """Train or reuse each run; return a line for each, in the order planned, and one that is good.

    One that another process trains is waited for, after the others.
    """
    lines: dict[int, dict[str, Any]] = {}
    waiting = collections.deque(range(len(todo)))
    looked, good = 0, None
    while waiting:
        if stop_requested():
            raise Stopped("stopped between two fine-tunes; --resume goes on with the next")
        at = waiting.popleft()
        label = todo[at][0].label
        say(f"arm {len(lines) + 1} of {len(todo)}: {label}")
        try:
            lines[at], made = _line(workspace, tested, *todo[at])
        except InUse as e:
            say(f"{label}: {e}")
            waiting.append(at)
            looked += 1
            if looked >= len(waiting):
                time.sleep(WAIT)
            continue
        looked, good = 0, good or made
        kept.add(draft, lines[at])
    return [lines[at] for at in range(len(todo))], good


def _line(
    workspace: Workspace,
    tested: Tests,
    run: Run,
    drawn: Artifact,
    tuned: finetune.Settings,
) -> tuple[dict[str, Any], Artifact | None]:
    """Train or reuse one run, and return its line with it; a failure is a line, too."""
    facts = {
        "arm": run.arm.name,
        "seed": run.seed,
        "budget": run.budget,
        "draw_seed": run.draw_seed,
        "train_seed": run.train_seed,
        "clusters": run.clusters.id,
        "rows": drawn.summary_as(SelectionSummary)["rows"],
        "finetune": "",
        "failed": "",
    }
    try:
        made = made_before(workspace, drawn, tested, tuned) if tuned.resume else None
        made = made or _make(workspace, tuned, drawn, tested)
        scores = scores_of(workspace, made, *tested)
    except (Stopped, InUse):
        raise
    except InputError as e:
        return facts | {"failed": _told(run, str(e))}, None
    except Exception as e:
        if disk_full(e):  # nor could the others be kept
            raise
        traceback.print_exc()
        return facts | {"failed": _told(run, f"{type(e).__name__}: {e}")}, None
    numbers = {k: v for k, v in scores.items() if not isinstance(v, str | dict | list)}
    return facts | {"seconds": made.manifest["seconds"], **numbers, "finetune": made.id}, made


def _make(
    workspace: Workspace, tuned: finetune.Settings, drawn: Artifact, tested: Tests
) -> Artifact:
    """Fine-tune here, or in the processes that the settings ask for."""
    if id := launched("finetune", workspace, tuned):
        return drawn.open(id, "finetune")
    return finetune.make(workspace, tuned, drawn, *tested)


def _told(run: Run, why: str) -> str:
    say(f"{run.label} failed, the others go on: {why}")
    return why


def _role(line: dict[str, Any], budget: str) -> str:
    role = f"{line['arm']} {line['seed']}"
    return role if line["budget"] == budget else f"{role} at {line['budget']}"


def _means(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean of the runs that gave a number, by arm and metric."""
    means = table.groupby("arm")[list(metrics.known(table))].mean()
    return {
        str(arm): {str(key): float(mean) for key, mean in row.dropna().items()}
        for arm, row in means.iterrows()
    }


def _say(table: pd.DataFrame, base: dict[str, Any], summary: StudySummary) -> None:
    """Write what came of it for a person."""
    say(as_text(table, base))
    for failed in summary["failed"]:
        say(f"failed: {failed}")
    first = next(iter(metrics.known(table)))
    row = METRICS[first]
    for planned in pairs.registered(table, first, summary["noise"].get(first, 0.0)):
        say(f"{row.called(seen_of(table))}: {comparison.sentence(planned, row)}")
    if summary["exploratory"]:
        say(caution(summary["exploratory"]))
