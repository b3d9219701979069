"""Radiology reports, as MIMIC-III's NOTEEVENTS has them: one text with headed sections.

The impression is to be written from the findings. A report without either, of another category, or
marked as an error by its hospital is skipped with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from core.dataset.cells import missing, text
from core.dataset.readers import SkippedRow

INSTRUCTION = "Summarize the radiology findings into an impression."
HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /&()-]{2,50}):[ \t]*", re.MULTILINE)
"""A section begins with a line in capitals and a colon."""
ENDS = re.compile(r"_{4,}|\n[ \t]*(?:DR\.|Electronically signed|\(Over\))", re.IGNORECASE)
"""What stands below a report."""
WORDS = 2
"""Of findings and impression each, at least; shorter ones are left-overs of a heading."""


class RadiologyReport(NamedTuple):
    """What is asked and what is right."""

    prompt: str
    impression: str


def read(cells: Mapping[str, Any]) -> RadiologyReport:
    """Return the pair of a report.

    Args:
        cells: text, or findings and impression; category and iserror where there are any.

    Raises:
        SkippedRow: it is no radiology report, or lacks one of the two.
    """
    category = text(cells.get("category")).strip().lower()
    if category and category != "radiology":
        raise SkippedRow("no radiology report")
    if not missing(cells.get("iserror")) and text(cells.get("iserror")).strip() in ("1", "1.0"):
        raise SkippedRow("marked as an error by its hospital")
    parts = sections(text(cells.get("text"))) if "text" in cells else cells
    seen, impression = (text(parts.get(part)).strip() for part in ("findings", "impression"))
    for part, said in (("findings", seen), ("impression", impression)):
        if len(said.split()) < WORDS:
            raise SkippedRow(f"no {part}")
    return RadiologyReport(f"{INSTRUCTION}\n\n{seen}", impression)


def sections(report: str) -> dict[str, str]:
    """Return the headed sections of a report by name in small letters, lines joined.

    Of two of a name the last counts: an addendum corrects what stands above it.
    """
    heads = list(HEADING.finditer(report))
    out = {}
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = report[head.end() : following.start() if following else len(report)]
        plain = " ".join(ENDS.split(body)[0].split())
        name = head[1].strip().lower()
        name = "impression" if name.endswith(("impression", "conclusion")) else name
        name = "findings" if name.endswith("findings") else name
        if plain:
            out[name] = plain
    return out
