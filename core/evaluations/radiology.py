"""Radiology reports: the impression is to be written from the findings.

Reports as MIMIC-III's NOTEEVENTS has them, one text with headed sections, or tables that have the
two in columns. Credentialed texts: nothing here writes them anywhere but into the workspace.
"""

from __future__ import annotations

import re

from core.dataset.cells import missing, text
from core.dataset.readers import SkippedRow
from core.evaluations.shapes import Item, Row

INSTRUCTION = "Summarize the radiology findings into an impression."
HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /&()-]{2,50}):[ \t]*", re.MULTILINE)
"""A section begins with a line in capitals and a colon."""
ENDS = re.compile(r"_{4,}|\n[ \t]*(?:DR\.|Electronically signed|\(Over\))", re.IGNORECASE)
"""What stands below a report."""
WORDS = 2
"""Of findings and impression each, at least; shorter ones are left-overs of a heading."""


def findings(row: Row) -> Item:
    """Return the findings of a report as a question, its impression as the reference."""
    cells = {name.strip().lower(): cell for name, cell in row.items()}
    category = text(cells.get("category")).strip().lower()
    if category and category != "radiology":
        raise SkippedRow("no radiology report")
    if not missing(cells.get("iserror")) and text(cells.get("iserror")).strip() in ("1", "1.0"):
        raise SkippedRow("marked as an error by its hospital")
    found = sections(text(cells.get("text"))) if "text" in cells else cells
    seen, told = (text(found.get(part)).strip() for part in ("findings", "impression"))
    for part, said in (("findings", seen), ("impression", told)):
        if len(said.split()) < WORDS:
            raise SkippedRow(f"no {part}")
    source = text(cells.get("description")).strip()[:80] or "radiology"
    return Item(f"{INSTRUCTION}\n\n{seen}", told, told, source, measure="text")


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
