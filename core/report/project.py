"""What is told of: an artifact and all that it was made from, and the sentence it comes to."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from core.errors import InputError
from core.finetune.artifact import FinetuneSummary
from core.finetune.metrics import known
from core.report.document import Number, Quoted, Sentence, Span, Spans, fact
from core.study import findings
from core.study import worth as of_worth
from core.study.artifact import table as study_table
from core.workspace.artifact import Artifact


class Project(NamedTuple):
    """A lineage as far as it exists."""

    dataset: Artifact
    trajectories: Artifact | None = None
    clusters: Artifact | None = None
    selection: Artifact | None = None
    study: Artifact | None = None
    finetune: Artifact | None = None


DOWNSTREAM = ("study", "finetune", "selection", "clusters", "trajectories", "dataset")
UPSTREAM = {
    "study": ("trajectories", "clusters"),
    "finetune": ("trajectories", "clusters", "selection"),
    "selection": ("trajectories", "clusters"),
    "clusters": ("trajectories",),
}


def of(artifact: Artifact) -> Project:
    """Return what an artifact was made from; of a study also the selection that s2l drew for it.

    Raises:
        InputError: something of it is damaged, or it is of a kind that nothing is told of.
    """
    kind = artifact.kind
    if kind not in DOWNSTREAM:
        raise InputError(
            f"{artifact.id} is a {kind}; a report is of a {', '.join(DOWNSTREAM[:-1])} or a dataset"
        )
    dataset = artifact if kind == "dataset" else artifact.ancestor("dataset")
    line: dict[str, Artifact] = {kind: artifact} if kind != "dataset" else {}
    for above in UPSTREAM.get(kind, ()):
        with contextlib.suppress(InputError, KeyError):  # random draws come from no clusters
            line[above] = artifact.ancestor(above)  # type: ignore[arg-type]
    if kind == "study":
        arms = [id for role, id in artifact.parents.items() if role.startswith("s2l ")]
        with contextlib.suppress(InputError):  # a fine-tune may be deleted
            if arms:
                line["selection"] = artifact.open(arms[0]).ancestor("selection")
    return Project(dataset, **line)


def choosable(project: Project) -> Number:
    """Return how many rows there were to choose from: of a sample, those that the proxy read."""
    if project.selection is not None:
        return fact(project.selection, "summary", "pool")
    if project.trajectories is not None:
        return fact(project.trajectories, "summary", "measured")
    return fact(project.dataset, "summary", "pool_rows")


def verdict(project: Project) -> Spans:
    """Say what the project found, or how far it is."""
    if project.study is not None:
        table = study_table(project.study)
        usable = known(table)
        said = findings.sentences(project.study, table, next(iter(usable))) if usable else []
        return (
            (Sentence(said[0], "core.study.findings.sentences"),)
            if said
            else ("S2L was not compared with random.",)
        )
    rows: tuple[Number | str, ...] = (fact(project.dataset, "summary", "pool_rows"), " examples")
    if project.finetune is not None:
        return (*scores(project.finetune), ". One training: nothing was compared.")
    if project.selection is not None:
        selected = fact(project.selection, "summary", "rows")
        pool = choosable(project)
        return (selected, " of ", *_part(pool, rows), " are selected; nothing is trained.")
    if project.clusters is not None:
        count = fact(project.clusters, "summary", "clusters")
        clustered = fact(project.clusters, "summary", "clustered")
        return (*_part(clustered, rows), " in ", count, " clusters; nothing is selected.")
    return (*rows, f"; {'recorded' if project.trajectories is not None else 'not yet recorded'}.")


def _part(some: Number, rows: tuple[Number | str, ...]) -> tuple[Number | str, ...]:
    """Say how many examples there were to choose from, and of how many, where not of all."""
    number, words = rows
    if isinstance(number, Number) and number.text == some.text:
        return rows
    return (some, words, " (of ", number, ")")


def worth(project: Project) -> Spans:
    """Say what the selection saved against what it lost; empty where a study does not know."""
    if project.study is None:
        return ()
    table = study_table(project.study)
    key = next(iter(known(table)), None)
    said = "" if key is None else of_worth.sentence(project.study, table, key)
    return (Sentence(said, "core.study.worth.sentence"),) if said else ()


def scores(finetune: Artifact) -> Spans:
    """Say a fine-tune's scores, each with its unit and what it was measured on."""
    seen, out = finetune.summary_as(FinetuneSummary).get("seen", 0), list[Span]()
    for key, metric in known(finetune.summary).items():
        out += [
            "; " if out else "",
            f"{metric.called(seen)} ",
            fact(finetune, "summary", key, form=metric.form.format),
            f" {metric.unit} on ",
            fact(finetune, "summary", metric.of),
        ]
    return tuple(out) or ("Nothing was measured",)


def as_text(spans: Spans) -> str:
    """Return spans as one plain sentence."""
    return "".join(span if isinstance(span, str) else span.text for span in spans)


def title(project: Project) -> Spans:
    """Return what the report is called."""
    return (Quoted(project.dataset.name),)


def last(project: Project) -> Artifact:
    """Return what was made last of a project: the artifact that its report is of."""
    newest = (project.study, project.finetune, project.selection, project.clusters)
    return next(filter(None, newest), project.trajectories or project.dataset)
