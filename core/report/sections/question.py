"""The question, the data it was asked of, and the method in five sentences."""

from __future__ import annotations

from typing import Any

from core.dataset.artifact import EXAMPLES, DatasetSummary
from core.dataset.overlap import describe
from core.dataset.privacy import HIDDEN, is_private
from core.export.data_card import measure
from core.publish.model_card import base_name
from core.report.document import (
    Block,
    Form,
    Items,
    Link,
    Paragraph,
    Quoted,
    Section,
    Sentence,
    Span,
    Spans,
    Table,
    fact,
    missing,
    whole,
    worked_out,
)
from core.report.project import Project, choosable
from core.selection.artifact import TABLE as SELECTED
from core.selection.strategies.catalog import STRATEGIES
from core.study.artifact import TABLE, StudySummary
from core.study.artifact import table as study_table
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.artifact import Artifact

PAPER = Link("arXiv 2403.07384", "https://arxiv.org/abs/2403.07384")
SOURCES = 30
"""Shown one by one."""


def share(value: float) -> str:
    """Write a share of 1."""
    return f"{value:.1%}"


def exact(value: Any) -> str:
    """Write a setting as it was given."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def question(project: Project) -> Section:
    """Say what was asked, and what would count as an answer."""
    return Section("question", "The question", _question(project))


def _question(project: Project) -> list[Block]:
    rows = choosable(project)
    if project.study is not None:
        study = project.study
        blocks: list[Block] = [
            Paragraph(
                (
                    "One target model (",
                    Quoted(base_name(str(study.config["model"]))),
                    ") is trained in the same way on different rows. Does it do as well on a small "
                    "selection, a budget of ",
                    Quoted(str(study.config["budget"])),
                    " of ",
                    rows,
                    " rows, as on random rows, and as on all of them?",
                )
            )
        ]
        margins = [
            (fact(study, "config", name, form=exact), f" {unit}")
            for name, unit in (
                ("margin_nats", "nats per response token"),
                ("margin_points", "points of exact match"),
            )
            if study.config.get(name)
        ]
        if margins:
            spans: list[Span] = ["Set before the first run: as good as all the data means within "]
            for i, pair in enumerate(margins):
                spans += [", "] * (i > 0) + list(pair)
            blocks.append(Paragraph((*spans, ".")))
        return blocks
    if project.finetune is not None:
        return [Paragraph(("What does one target model learn from the selected rows?",))]
    if project.selection is not None:
        return [Paragraph(("Which of ", rows, " rows should a model be trained on?"))]
    return [Paragraph(("Which of ", rows, " rows does a small model learn in the same way?"))]


def data(project: Project) -> Section:
    """Say what the rows are, what could not be used, and what was held out."""
    dataset = project.dataset
    s = dataset.summary_as(DatasetSummary)
    items: list[Spans] = [
        (fact(dataset, "summary", "rows_read"), " rows were read from ", _place(dataset), "."),
    ]
    for reason in s["set_aside"]:
        number = fact(dataset, "summary", "set_aside", reason)
        items.append((number, " could not be used: ", Quoted(reason), "."))
    if s.get("not_sampled"):
        items.append((fact(dataset, "summary", "not_sampled"), " are not in the sample imported."))
    if s.get("duplicates"):
        items.append(
            (fact(dataset, "summary", "duplicates"), " are exact duplicates of another row.")
        )
    if s["holdout_rows"]:
        items.append(
            (
                fact(dataset, "summary", "holdout_rows"),
                " were held out before anything was trained: neither proxy nor target learned from "
                "them. ",
                fact(dataset, "summary", "pool_rows"),
                " are the pool to choose from.",
            )
        )
    else:
        items.append(("No rows were held out: nothing here was tested on rows of this data.",))
    if said := describe(s.get("overlap", {}), "rows of the pool"):
        items.append((Sentence(f"{said[0].upper()}{said[1:]}.", "core.dataset.overlap.describe"),))
    if (read := project.trajectories) is not None:
        small = read.summary_as(TrajectoriesSummary)
        if small["unmeasurable"]:
            number = fact(read, "summary", "unmeasurable")
            items.append((number, " of them have no answer that the proxy could read."))
        if small["not_sampled"]:
            number = fact(read, "summary", "not_sampled")
            items.append((number, " of them are not in the sample that the proxy read."))
    if is_private(dataset):
        items.append(("The data is private: no text, no name of a source is in this report.",))
    return Section("data", "The data, and what was held out", [Items(items), *_sources(project)])


def _place(dataset: Artifact) -> Quoted:
    """Return where a dataset came from without the folders of this machine."""
    path = str(dataset.config["path"])
    local = path.startswith(("/", "~", "."))
    return Quoted(path.replace("\\", "/").rstrip("/").rpartition("/")[2] if local else path)


def _sources(project: Project) -> list[Block]:
    """Count the rows of each source; those of private data have no names."""
    dataset, selection = project.dataset, project.selection
    private = is_private(dataset)
    shown: list[tuple[str, list[float]]]
    heads: tuple[str, ...]
    keys: tuple[str, ...]
    forms: tuple[Form, ...]
    if selection is None:
        counts = list(dataset.summary_as(DatasetSummary).get("sources", {}).items())
        shown = [(s, [n]) for s, n in counts]
        title, heads = "Rows of each source, held-out rows too", ("source", "rows")
        made, file, keys = dataset, EXAMPLES, ("rows",)
        forms = (whole,)
    else:
        spread = measure(dataset, selection).sources
        pool, taken = (sum(n) for n in zip(*spread.values(), strict=True))
        shown = [(s, [a, b, a / pool, b / taken]) for s, (a, b) in spread.items()]
        title = "Rows of each source"
        heads = ("source", "pool", "selected", "share of the pool", "share of the selection")
        made, file, keys = selection, SELECTED, heads[1:]
        forms = (whole, whole, share, share)
    rows = []
    for i, (source, numbers) in enumerate(shown[:SOURCES]):
        cells = [
            (worked_out(made, file, f"source {i}/{key}", n, form),)
            for key, n, form in zip(keys, numbers, forms, strict=True)
        ]
        rows.append([(HIDDEN,) if private else (Quoted(source),), *cells])
    blocks: list[Block] = [Table(title, heads, rows)] if rows else []
    if len(shown) > SOURCES:
        rest = worked_out(made, file, "sources not shown", len(shown) - SOURCES)
        blocks.append(Paragraph((rest, " smaller sources are not shown.")))
    return blocks


def method(project: Project) -> Section:
    """Say in five sentences how it was done, and where the method comes from."""
    steps = [_proxy(project), _clusters(project), _selection(project), *_target(project)]
    source = Paragraph(
        ("The method is SmallToLarge (S2L): Yang, Mishra, Chiang and Mirzasoleiman, ", PAPER, ".")
    )
    return Section("method", "How it was done", [Items(steps, counted=True), source])


def _proxy(project: Project) -> Spans:
    made = project.trajectories
    if made is None:
        return ("No small model has looked at the rows: their order of learning is not known.",)
    recorded = fact(made, "summary", "checkpoints")
    measured = fact(made, "summary", "measured")
    if not made.summary_as(TrajectoriesSummary).get("parameters"):
        return (measured, " rows have losses that were recorded elsewhere, ", recorded, " times.")
    return (
        "A small proxy model (",
        Quoted(base_name(str(made.config["model"]))),
        ", ",
        fact(made, "summary", "parameters"),
        " parameters) learned all rows in ",
        fact(made, "config", "epochs", form=exact),
        " passes, and the loss of each response was recorded ",
        recorded,
        " times, for ",
        measured,
        " rows.",
    )


def _clusters(project: Project) -> Spans:
    if project.clusters is None:
        return ("The loss curves were not clustered.",)
    features = str(project.clusters.config.get("features", "raw"))
    return (
        f"k-means put the loss curves ({features} losses) into ",
        fact(project.clusters, "summary", "clusters"),
        " clusters, so that rows of one cluster were learned in the same way.",
    )


def _selection(project: Project) -> Spans:
    made = project.selection
    if made is None:
        return ("No rows were selected yet.",)
    strategy = str(made.config["strategy"])
    return (
        fact(made, "summary", "rows"),
        " of ",
        fact(made, "summary", "pool"),
        " rows were selected (seed ",
        fact(made, "config", "seed", form=exact),
        "): ",
        Sentence(STRATEGIES[strategy].sentence, f"core.selection.strategies.catalog {strategy}"),
    )


def _target(project: Project) -> list[Spans]:
    made = project.study or project.finetune
    if made is None:
        return [("No target was trained.",), ("Nothing was tested.",)]
    trained: Spans
    if project.study is not None:
        table = study_table(made)
        epochs = made.summary_as(StudySummary).get("epochs", 0)
        size = (
            (fact(made, "summary", "epochs", form=exact), " passes over its own rows")
            if epochs
            else (fact(made, "summary", "steps"), " optimizer steps")
        )
        seeds = worked_out(made, TABLE, "seeds", int(table["seed"].nunique()))
        trained = (
            "The same target model was trained once for each arm and seed (",
            worked_out(made, TABLE, "runs", len(table)),
            " fine-tunes, ",
            seeds,
            " of each arm), always for ",
            *size,
            ".",
        )
        tested: Spans = (
            "Every model was tested in the same way, on ",
            Quoted(str(made.summary_as(StudySummary)["test"])),
            "; random rows are what S2L has to beat.",
        )
        return [trained, tested]
    trained = (
        "The target model (",
        Quoted(base_name(str(made.config["model"]))),
        ", ",
        fact(made, "summary", "parameters"),
        " parameters) was trained on ",
        fact(made, "summary", "rows"),
        " rows for ",
        fact(made, "summary", "steps"),
        " optimizer steps.",
    )
    return [
        trained,
        ("It was tested on ", fact(made, "summary", "items"), " rows that it was not trained on."),
    ]


def not_there(project: Project) -> list[Block]:
    """Say what is missing before there can be clusters, and the command for it."""
    if project.trajectories is None:
        made = project.dataset.id
        return [
            missing(
                "No losses are recorded for this.",
                f"python -m core trajectories --dataset {made}",
            )
        ]
    if project.clusters is None:
        made = project.trajectories.id
        return [missing("There are no clusters.", f"python -m core clusters --trajectories {made}")]
    return []
