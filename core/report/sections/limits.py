"""When not to believe this: what weakens this very result, then what weakens every such result."""

from __future__ import annotations

from core.dataset.artifact import DatasetSummary
from core.dataset.overlap import describe
from core.export.data_card import LIMITS, S2L_LIMITS
from core.finetune.metrics import known
from core.report.document import Items, Quoted, Section, Sentence, Spans, fact, worked_out
from core.report.project import Project
from core.report.sections.question import exact
from core.selection.strategies.catalog import STRATEGIES
from core.study import findings
from core.study import sentences as said_of
from core.study.artifact import TABLE, StudySummary
from core.study.artifact import table as study_table
from core.study.results import INTERVAL_FROM
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.artifact import Artifact


def limits(project: Project) -> Section:
    """List the limits."""
    return Section("limits", "When not to believe this", [Items(items(project))])


def items(project: Project) -> list[Spans]:
    """Return the limits, those of this very result first."""
    return [*_tested(project), *_study(project.study), *_proxy(project), *_always(project)]


def _proxy(project: Project) -> list[Spans]:
    made, out = project.trajectories, list[Spans]()
    if made is None:
        return out
    if made.summary_as(TrajectoriesSummary).get("truncated"):
        cut, longest = fact(made, "summary", "truncated"), fact(made, "config", "max_length")
        out.append((cut, " rows are longer than ", longest, " tokens and were read only so far."))
    if made.summary_as(TrajectoriesSummary).get("unmeasurable"):
        number = fact(made, "summary", "unmeasurable")
        out.append((number, " rows have no loss that could be measured and cannot be selected."))
    if "seed" in made.config and made.summary_as(TrajectoriesSummary).get("parameters"):
        seed = fact(made, "config", "seed", form=exact)
        out.append(("One proxy (seed ", seed, ") was trained; another would give other clusters."))
    return out


def _tested(project: Project) -> list[Spans]:
    shared = project.dataset.summary_as(DatasetSummary).get("overlap", {})
    said = describe(shared, "rows of the pool")
    if project.study is None or not said or not shared.get("given_away"):
        return []
    return [(Sentence(f"{said[0].upper()}{said[1:]}.", "core.dataset.overlap.describe"),)]


def _study(study: Artifact | None) -> list[Spans]:
    if study is None:
        return [("Nothing was compared with random rows.",)]
    table, out = study_table(study), list[Spans]()
    seeds = int(table["seed"].nunique())
    if seeds < INTERVAL_FROM:
        number = worked_out(study, TABLE, "seeds", seeds)
        out.append(("Too few draws of each arm for an interval: ", number, "."))
    failed = study.summary_as(StudySummary).get("failed", [])
    out += [("Failed, and counts as worst: ", Quoted(s)) for s in failed]
    if unlike := findings.different_items(table):
        out.append((Sentence(unlike, "core.study.findings.different_items"),))
    if known(table) and (low := said_of.near_floor(table)):
        out.append((Sentence(low, "core.study.sentences.near_floor"),))
    if study.summary_as(StudySummary).get("exploratory"):
        said = said_of.caution(study.summary_as(StudySummary)["exploratory"])
        out.append((Sentence(said, "core.study.sentences.caution"),))
    return out


def _always(project: Project) -> list[Spans]:
    made, parts = project.selection, LIMITS
    if made is None or STRATEGIES[str(made.config["strategy"])].switches:
        parts += "\n" + S2L_LIMITS
    lines = " ".join(parts.split()).removeprefix("- ").split(" - ")
    return [(Sentence(line, "core.export.data_card.LIMITS"),) for line in lines]
