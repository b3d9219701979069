"""The data doctor: is this dataset fit to be trained on, by this model and its chat template?

What is found of the texts needs no model (`text_checks`); what is found here is found by rendering
every row as training will, with the same tokens, from the same cache.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from core.arrays import Ints
from core.dataset.artifact import examples_file
from core.dataset.search import connect
from core.edits.row_sets import show
from core.model import loading
from core.model.chat_template import TODAY, Refused, asks_for_date, sources
from core.model.pool_texts import pool_texts
from core.model.remarks import by_reason
from core.model.rendering import Renderer
from core.model.templates import choose, renderer
from core.model.tokens import Tokens, longest, tokenize
from core.review.text_checks import check_texts
from core.trajectories.row_checks import Finding
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

PROBE = "\ue000system\ue001"
NAMED = 8
"""Rows named on a line of the report."""


@dataclasses.dataclass(frozen=True)
class Patient:
    """A dataset as one model sees it."""

    dataset: Artifact
    tokenizer: Any
    template: str
    render: Renderer
    tokens: Tokens


def examine(
    workspace: Workspace,
    dataset: Artifact,
    model: str,
    template: str = "auto",
    max_length: int | str = "auto",
) -> Patient:
    """Render and tokenize a dataset as training will; the tokens are kept in the cache.

    Raises:
        InputError: there is no such model, or its template is none.
    """
    tokenizer = loading.load_tokenizer_of(model, pool_texts(dataset, model, template))
    name = choose(template, tokenizer, scratch=loading.is_scratch(model))
    tokens = tokenize(workspace, dataset, tokenizer, name)
    room = min(int(tokenizer.model_max_length), 2**31)
    tokens = tokens.cut(longest(max_length, tokens.full_lengths(), room))
    return Patient(dataset, tokenizer, name, renderer(name, tokenizer), tokens)


def report(patient: Patient) -> str:
    """Return a line a check: what is well, and what deserves a look. No text of a row is in it."""
    lines = []
    for finding in [*check_template(patient), *check_texts(patient.dataset)]:
        mark = "look" if finding.remedy else "ok  "
        line = f"{mark}  {finding.title}: {finding.sentence} {finding.remedy}".rstrip()
        if finding.remedy and len(finding.rows):
            more = " and more" if len(finding.rows) > NAMED else ""
            line += f" (rows {show(finding.rows[:NAMED])}{more})"
        lines.append(line)
    return "\n".join(lines)


def check_template(patient: Patient) -> list[Finding]:
    """Look at how the template and the window treat the rows; every check, in a fixed order."""
    return [
        _refused(patient),
        _system(patient),
        _begins(patient),
        _ends(patient),
        _trainable(patient),
        *_cut(patient),
        _thinks(patient),
        *_noted(patient),
        _marks(patient),
        _date(patient),
    ]


def _none() -> Ints:
    return np.zeros(0, np.int64)


def _finding(name: str, title: str, rows: Ints, sentence: str, remedy: str) -> Finding:
    return Finding(name, title, rows, sentence, remedy if len(rows) else "")


def _rows(patient: Patient, where: str, *values: str) -> Ints:
    """Return the rows of the dataset that meet a condition on the stored columns."""
    with connect() as sql:
        rows = sql.execute(
            f"select row from read_parquet(?) where {where} order by row",
            [str(examples_file(patient.dataset)), *values],
        ).fetchnumpy()
    return np.asarray(rows["row"], np.int64)


def _refused(patient: Patient) -> Finding:
    refused, n = patient.tokens.remarks.refused, len(patient.tokens)
    own = patient.template == "chat"
    whose = "the model's own chat template" if own else f"the {patient.template} template"
    reasons = "; ".join(f"{len(rows):,}: {why}" for why, rows in by_reason(refused))
    return _finding(
        "refused",
        "Template",
        np.array(sorted(refused), np.int64),
        f"{whose[0].upper()}{whose[1:]} renders {n - len(refused):,} of {n:,} rows"
        + (f"; it skips {reasons}." if reasons else "."),
        "They are in no training. Exclude them, mend them in the file, or use another template.",
    )


def _system(patient: Patient) -> Finding:
    talk = [{"role": "system", "content": PROBE}, {"role": "user", "content": "a"}]
    try:
        kept = PROBE in patient.render(talk, True)
        how = "is shown" if kept else "is LEFT OUT"
    except Refused as e:
        kept, how = False, f"is not accepted ({e})"
    has = "len(list_filter(messages, lambda m: m.role = 'system')) > 0"
    rows = _rows(patient, has)
    return _finding(
        "system",
        "System turn",
        _none() if kept else rows,
        f"{len(rows):,} of {len(patient.tokens):,} rows have one; by this template it {how}.",
        "What stands there is not seen in training. Put it into the first question.",
    )


def _begins(patient: Patient) -> Finding:
    """Compare the first tokens with the mark that the tokenizer puts before a text."""
    t, begin = patient.tokens, patient.tokenizer.bos_token_id
    added = patient.tokenizer("a")["input_ids"][:1] == [begin] and begin is not None
    there = np.flatnonzero(t.full_lengths() > 1)
    first, second = t.ids[t.offsets[there]], t.ids[t.offsets[there] + 1]
    if begin is None:
        return _finding("begins", "Beginning of text", _none(), "The model has no such mark.", "")
    twice, missing = there[(first == begin) & (second == begin)], there[first != begin]
    wrong = np.union1d(twice, missing) if added else twice
    return _finding(
        "begins",
        "Beginning of text",
        wrong,
        f"{len(there) - len(missing):,} of {len(there):,} rows begin with the model's mark, "
        f"{len(twice):,} with two of it.",
        "The model was trained with one: the template or the tokenizer's settings are at fault.",
    )


def _ends(patient: Patient) -> Finding:
    t = patient.tokens
    ids = {patient.tokenizer.convert_tokens_to_ids(m) for m in patient.render.marks.special}
    known = np.array(sorted(i for i in ids if i is not None), np.int64)
    counts = np.diff(t.span_offsets)
    rows = np.flatnonzero((counts > 0) & (t.full_lengths() <= t.max_length))
    ends = t.spans[t.span_offsets[rows + 1] - 1, 1]
    last = t.ids[t.offsets[rows] + ends - 1]
    open_ended = rows[~np.isin(last, known)]
    stop = patient.render.marks.stop
    return _finding(
        "ends",
        "End of turn",
        open_ended,
        f"{len(rows) - len(open_ended):,} of {len(rows):,} uncut rows end with a mark that is "
        "trained" + (f"; the template writes none, so {stop!r} is put there." if stop else "."),
        "Without it the model does not learn to end. Use another --template.",
    )


def _trainable(patient: Patient) -> Finding:
    lengths = patient.tokens.response_lengths()
    silent = patient.tokens.untrained()
    rows = np.array([r for r in silent if r not in patient.tokens.remarks.refused], np.int64)
    some = lengths[lengths > 0]
    low, middle, high = np.quantile(some, [0, 0.5, 1]).astype(int) if len(some) else (0, 0, 0)
    reasons = "; ".join(f"{len(g):,}: {w}" for w, g in by_reason({int(r): silent[r] for r in rows}))
    return _finding(
        "trainable",
        "Tokens to train on",
        rows,
        f"{low:,} to {high:,} a row, {middle:,} in the middle, over {len(some):,} rows; "
        f"none in {len(rows):,}" + (f" ({reasons})." if reasons else "."),
        "They teach nothing. Exclude them, or raise --max-length where they were cut.",
    )


def _cut(patient: Patient) -> list[Finding]:
    t, n = patient.tokens, len(patient.tokens)
    cut = np.flatnonzero(t.full_lengths() > t.max_length)
    last = np.zeros(n, np.int64)
    has = np.diff(t.span_offsets) > 0
    last[has] = t.spans[t.span_offsets[1:][has] - 1, 1]
    endless = np.flatnonzero(last > t.max_length)
    return [
        _finding(
            "cut",
            "Cut",
            cut,
            f"{len(cut):,} of {n:,} rows are longer than {t.max_length:,} tokens.",
            "Raise --max-length, or exclude them.",
        ),
        _finding(
            "endless",
            "Answer cut short",
            endless,
            f"{len(endless):,} of {n:,} rows lose the end of their answer.",
            "They teach answers without an end. Raise --max-length, or exclude them.",
        ),
    ]


def _thinks(patient: Patient) -> Finding:
    thought = "contains(response, '<think>')"
    if "extras" in _columns(patient):
        thought += " or contains(coalesce(extras, ''), '\"reasoning_content\"')"
    rows, n = _rows(patient, thought), len(patient.tokens)
    some = 0 < len(rows) < n
    return Finding(
        "thinks",
        "Reasoning",
        rows if some else _none(),
        f"{len(rows):,} of {n:,} rows think before they answer.",
        "A model learns to think now and then. Is the mixture meant?" if some else "",
    )


def _columns(patient: Patient) -> list[str]:
    import pyarrow.parquet as pq

    return list(pq.read_schema(examples_file(patient.dataset)).names)


def _noted(patient: Patient) -> list[Finding]:
    n = len(patient.tokens)
    return [
        _finding(
            f"noted-{i}",
            "Read otherwise than written",
            np.array(rows, np.int64),
            f"{len(rows):,} of {n:,} rows: {what}.",
            "Read one below as the model sees it.",
        )
        for i, (what, rows) in enumerate(sorted(patient.tokens.remarks.noted.items()))
    ]


def _marks(patient: Patient) -> Finding:
    marks, n = patient.render.marks, len(patient.tokens)
    findings = [_none(), _none()]
    for i, (column, asked) in enumerate(
        (("prompt", marks.special), ("response", set(marks.special) - set(marks.own)))
    ):
        if pattern := "|".join(map(re.escape, sorted(asked))):
            findings[i] = _rows(patient, f"regexp_matches({column}, ?)", pattern)
    ends = [m for m in (*marks.ends, marks.stop) if m]
    ended = _none()
    if pattern := "|".join(map(re.escape, ends)):
        ended = _rows(patient, "regexp_matches(response, ?)", rf"(?:{pattern})\s*$")
    rows = np.union1d(*findings)
    return _finding(
        "marks",
        "Special tokens in texts",
        rows,
        f"{len(findings[0]):,} of {n:,} prompts and {len(findings[1]):,} responses hold some; "
        f"{len(ended):,} responses end with the template's own mark, which is not doubled.",
        "A space is put into the others, so that they end nothing. Are they meant as text?",
    )


def _date(patient: Patient) -> Finding:
    dated = patient.template == "chat" and asks_for_date(sources(patient.tokenizer))
    said = f"asks for today's date and is always told {TODAY}" if dated else "asks for no date"
    return Finding("date", "Date", _none(), f"The template {said}.", "")
