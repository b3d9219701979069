"""Results with their intervals, and what they cost."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from core.errors import InputError
from core.finetune.artifact import FinetuneSummary
from core.finetune.metrics import Metric, known
from core.report.document import (
    Block,
    Items,
    Number,
    Paragraph,
    Picture,
    Quoted,
    Section,
    Sentence,
    Spans,
    Table,
    fact,
    missing,
    worked_out,
)
from core.report.pictures import arms, bars
from core.report.project import Project, scores
from core.review import cost as bill
from core.selection.artifact import load_rows
from core.study import costs as study_costs
from core.study import findings, pairs
from core.study.artifact import TABLE, StudySummary
from core.study.artifact import table as study_table
from core.study.sentences import seen_of
from core.trajectories import cost as proxy_cost
from core.workspace.artifact import Artifact

SENTENCES = "core.study.findings.sentences"


def results(project: Project) -> Section:
    """Show what the arms scored, or what the one model did."""
    title = "Was it as good?"
    study = project.study
    if study is not None:
        return Section("results", title, _study(study))
    if project.finetune is not None:
        blocks: list[Block] = [Paragraph((*scores(project.finetune), "."))]
        if said := project.finetune.summary_as(FinetuneSummary).get("overlap"):
            blocks.append(Paragraph((Sentence(f"{said}.", "summary of the fine-tune"),)))
    else:
        blocks = [Paragraph(("Nothing was trained on these rows yet, so nothing was tested.",))]
    if project.clusters is not None:
        how = f"python -m core study --clusters {project.clusters.id}"
        blocks.append(missing("A comparison with random rows and with all rows is missing.", how))
    return Section("results", title, blocks)


def _study(study: Artifact) -> list[Block]:
    table = study_table(study)
    usable = known(table)
    if not usable:
        return [Paragraph(("No measure could be taken.",))]
    first = next(iter(usable))
    blocks: list[Block] = []
    if table[first].notna().any():
        blocks.append(_arms(study, table, first, usable[first]))
    blocks += [_scores(study, table, usable), *_planned(study, table, usable)]
    for key, metric in usable.items():
        said = findings.sentences(study, table, key)
        if said:
            blocks.append(Paragraph((f"{metric.called(seen_of(table))}:",)))
            blocks.append(Items([(Sentence(line, SENTENCES),) for line in said]))
    for test, one in study.summary_as(StudySummary).get("tests", {}).items():
        blocks.append(Paragraph(("Also tested on ", Quoted(str(one["title"])), ":")))
        blocks += _other_test(study, test)
    return blocks


def brief(project: Project) -> list[Block]:
    """Show the scores of the first measure and of right answers, and what they come to."""
    study = project.study
    if study is None:
        return list(results(project).blocks)
    table = study_table(study)
    usable = known(table)
    if not usable:
        return [Paragraph(("No measure could be taken.",))]
    first = next(iter(usable))
    shown = {key: metric for key, metric in usable.items() if key in (first, "exact_match")}
    lines: list[Spans] = [
        (Sentence(line, SENTENCES),)
        for line in findings.sentences(study, table, first)[1:]  # the first one is the verdict
    ]
    for test, one in study.summary_as(StudySummary).get("tests", {}).items():
        said = _other_test(study, test)[0]
        if isinstance(said, Items):
            lines.append(("Also tested on ", Quoted(str(one["title"])), ": ", *said.items[0]))
    return [_scores(study, table, shown), *([Items(lines)] if lines else [])]


def _other_test(study: Artifact, test: str) -> list[Block]:
    table = study_table(study, test)
    said = [
        (f"{metric.called(seen_of(table))}: ", Sentence(line, SENTENCES))
        for key, metric in known(table).items()
        for line in findings.sentences(study, table, key, test)[:1]
    ]
    return [Items(said)] if said else [Paragraph(("Nothing could be compared.",))]


def _arms(study: Artifact, table: pd.DataFrame, key: str, metric: Metric) -> Picture:
    rows = arms.of(table, key, metric.lower_is_better)
    better = "lower is better" if metric.lower_is_better else "higher is better"
    called = metric.called(seen_of(table))
    base = study.summary_as(StudySummary)["base"].get(key)
    full = next((a.mean for a in rows if a.name == pairs.FULL and math.isfinite(a.mean)), None)
    lines = {n: v for n, v in (("untuned", base), ("all the data", full)) if v is not None}
    title = f"{called} of each arm"
    svg = arms.picture(
        "arms", title, rows, metric.form, f"{called} ({metric.unit}) · {better}", lines
    )
    words: list[Any] = [f"Best first, {metric.unit}, {better}: "]
    for i, arm in enumerate(rows):
        words += ["; " if i else "", Quoted(arm.name), " "]
        if math.isfinite(arm.mean):
            words.append(_number(study, arm.name, key, "mean", arm.mean, metric))
        else:
            words.append("failed")
    if base is not None:
        number = fact(study, "summary", "base", key, form=metric.form.format)
        words += ["; the untuned model ", number]
    words.append(".")
    note = (
        "A dot is one fine-tune, the upright line the mean of an arm, the pale bar its interval "
        "where there are enough seeds, the grey band that of random."
    )
    return Picture("arms", title, svg, tuple(words), (note,))


def _number(study: Artifact, arm: str, key: str, what: str, value: float, metric: Metric) -> Number:
    return worked_out(study, TABLE, f"{arm}/{key}/{what}", value, metric.form.format)


def _scores(study: Artifact, table: pd.DataFrame, usable: dict[str, Metric]) -> Table:
    """Show each arm's mean and interval, or its range where there are too few seeds for one."""
    seen = seen_of(table)
    by_arm = {
        k: {a.name: a for a in arms.of(table, k, m.lower_is_better)} for k, m in usable.items()
    }
    rows: list[list[Spans]] = []
    for name, arm in by_arm[next(iter(usable))].items():
        cells: list[Spans] = [
            (Quoted(name),),
            (worked_out(study, TABLE, f"{name}/rows", arm.rows),),
            (worked_out(study, TABLE, f"{name}/seeds", len(arm.seeds)),),
        ]
        cells += [_cell(study, by_arm[key][name], key, metric) for key, metric in usable.items()]
        rows.append(cells)
    base: list[Spans] = [("untuned base",), ("none",), ("",)]
    for key, metric in usable.items():
        there = study.summary_as(StudySummary)["base"].get(key) is not None
        form = metric.form.format
        base.append((fact(study, "summary", "base", key, form=form),) if there else ("",))
    heads = ["arm", "rows", "seeds"]
    heads += [f"{m.called(seen)} ({m.unit})" for m in usable.values()]
    title = "Scores: the mean over seeds, and its interval (or the range of two seeds)"
    return Table(title, heads, [*rows, base])


def _cell(study: Artifact, arm: arms.DrawnArm, key: str, metric: Metric) -> Spans:
    values = [v for v in arm.seeds.values() if math.isfinite(v)]
    if not values:
        return ("failed",)
    mean = _number(study, arm.name, key, "mean", arm.mean, metric)
    if math.isfinite(arm.low):
        ends, what = (arm.low, arm.high), ("low", "high")
    elif len(values) > 1:
        ends, what = (min(values), max(values)), ("least", "most")
    else:
        return (mean,)
    low, high = (
        _number(study, arm.name, key, w, v, metric) for w, v in zip(what, ends, strict=True)
    )
    return (mean, " (", low, " to ", high, ")")


def _planned(study: Artifact, table: pd.DataFrame, usable: dict[str, Metric]) -> list[Block]:
    """Show the comparisons that were set beforehand, where they have intervals."""
    rows: list[list[Spans]] = []
    for key, metric in usable.items():
        for comparison in pairs.registered(table, key, findings.noise_of(study, key)):
            test = comparison.test
            if not math.isfinite(test.low):
                continue
            of, form = f"{comparison.arm} minus {comparison.other}/{key}", _signed(metric)
            low, high = (
                worked_out(study, TABLE, f"{of}/{what}", value, form)
                for what, value in (("low", test.low), ("high", test.high))
            )
            p: Spans = ("too few seeds",)
            if math.isfinite(comparison.p):
                p = (worked_out(study, TABLE, f"{of}/p", comparison.p, "{:.2g}".format),)
            rows.append(
                [
                    (Quoted(comparison.arm), " minus ", Quoted(comparison.other)),
                    (f"{metric.title} ({metric.short})",),
                    (worked_out(study, TABLE, f"{of}/difference", test.mean, form),),
                    (low, " to ", high),
                    (worked_out(study, TABLE, f"{of}/seeds", test.n),),
                    p,
                ]
            )
    heads = ("difference", "measure", "mean", "interval", "seeds", "p, adjusted")
    title = "Comparisons that were set beforehand, paired by seed"
    return [Table(title, heads, rows)] if rows else []


def _signed(metric: Metric) -> Any:
    return ("{:+.1f}" if metric.short == "points" else "{:+.3f}").format


def costs(project: Project) -> Section:
    """Show what it took: each arm of the study, the proxy, whether selecting pays."""
    blocks: list[Block] = []
    if project.study is not None:
        by_arm = study_costs.by_arm(project.study)
        if not by_arm.empty and by_arm["training"].notna().any():
            blocks += _by_arm(project.study, by_arm)
    if project.clusters is not None and (said := _proxy(project)):
        blocks.append(Paragraph(said))
    if not blocks:
        blocks = [Paragraph(("What it took is not known: it was measured elsewhere, or not yet.",))]
    return Section("cost", "What it cost", blocks)


def _by_arm(study: Artifact, by_arm: pd.DataFrame) -> list[Block]:
    title = "Seconds of one fine-tune of each arm"
    svg = bars.costs("costs", title, by_arm)
    said = study_costs.sentence(by_arm, epochs=study.summary_as(StudySummary).get("epochs", 0))
    rows: list[list[Spans]] = []
    for line in by_arm.to_dict("records"):
        cells: list[Spans] = [(Quoted(line["arm"]),)]
        for part in ("training", "testing", "proxy", "tokens"):
            value = line[part]
            what = f"{line['arm']}/{part}"
            there = math.isfinite(value)
            form = "{:,.1f}".format if part != "tokens" else "{:,.0f}".format
            cells.append(
                (worked_out(study, TABLE, what, value, form),) if there else ("not known",)
            )
        rows.append(cells)
    heads = ("arm", "training (s)", "testing (s)", "proxy (s)", "response tokens in its rows")
    return [
        Picture("costs", title, svg, (Sentence(said, "core.study.costs.sentence"),)),
        Table("What each arm took, the mean of its runs", heads, rows),
    ]


def _proxy(project: Project) -> Spans:
    """Say what came before the selection and, beside a fine-tune, whether it pays."""
    assert project.clusters is not None
    try:
        done = bill.proxy(project.clusters)
        said = (Sentence(done.sentence(), "core.trajectories.cost"),)
        if project.finetune is None or project.selection is None:
            return said
        target = bill.target(project.finetune)
        rows = load_rows(project.selection)
        tokens = proxy_cost.tokens(project.selection.ancestor("trajectories"), rows)
        paid = bill.measured(done, target, tokens.share, target.epochs)
    except (InputError, KeyError, ZeroDivisionError):  # imported losses, early manifests
        return ()
    return (*said, " ", Sentence(paid.sentence(), "core.review.cost"))
