"""The summary to paste into a pull request: the report's own blocks, the few that decide.

What is left out stands in the HTML page; nothing is worked out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.report.document import (
    Block,
    Code,
    Command,
    Items,
    Paragraph,
    Picture,
    Section,
    Span,
    Spans,
    fact,
)
from core.report.project import Project
from core.report.sections import limits, provenance, results

LIMITS = 5
"""Limits that are said; those of this very result come first."""


def brief(project: Project, whole: Sequence[Section]) -> list[Section]:
    """Return the sections of the summary, from those of the whole report."""
    by_key = {section.key: section.blocks for section in whole}
    missing = [block for block in by_key["kinds"] if isinstance(block, Paragraph)]
    kept = _words(by_key["kept"])
    costs = [*_words(by_key["cost"])]
    few = limits.items(project)
    rest: Spans = (str(len(few) - LIMITS), " more limits stand in the HTML report.")
    shown = [*few[:LIMITS], *([rest] if len(few) > LIMITS else [])]
    sections = [
        Section(
            "question",
            "What was asked, of what data",
            [*by_key["question"], _lists(by_key["data"])],
        ),
        Section("method", "How it was done", [*by_key["method"], *missing, *kept]),
        Section("results", "Was it as good?", [*results.brief(project), *costs]),
        Section("limits", "When not to believe this", [Items(shown)]),
    ]
    if "examples" in by_key:
        sections.append(Section("examples", "Examples", by_key["examples"]))
    return [*sections, Section("provenance", "How to repeat it", _provenance(project, by_key))]


def _lists(blocks: Iterable[Block]) -> Block:
    return next(block for block in blocks if isinstance(block, Items))


def _words(blocks: Iterable[Block]) -> list[Block]:
    """Return the sentences of some blocks as one paragraph: pictures in words, no tables."""
    said: list[Span] = []
    for block in blocks:
        words = block.words if isinstance(block, Picture) else ()
        words = block.spans if isinstance(block, Paragraph) else words
        said += [*([" "] if said and words else []), *words]
    return [Paragraph(said)] if said else []


def _provenance(project: Project, by_key: dict[str, Sequence[Block]]) -> list[Block]:
    last = provenance.line_of(project)[-1]
    made: list[Span] = [f"Made as {last.kind} ", fact(last, "id", form=provenance.plain), " with "]
    for i, name in enumerate(last.manifest.get("versions", {})):
        made += [", " if i else "", f"{name} ", fact(last, "versions", name, form=provenance.plain)]
    check: Spans = (". ", Command(f"python -m core verify {last.id}"), " checks every file.")
    commands = [block for block in by_key["provenance"] if isinstance(block, Code)]
    return [Paragraph((*made, *check)), *commands]
