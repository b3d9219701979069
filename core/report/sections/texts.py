"""Two examples of each large cluster, only where somebody asked for texts."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from core.dataset.artifact import examples_file
from core.dataset.privacy import is_private
from core.errors import InputError
from core.report.document import Paragraph, Quoted, Section, Spans, Table
from core.report.project import Project
from core.report.sections.clusters import Kinds

CLUSTERS, EACH, LONGEST = 12, 2, 280
"""Clusters, examples of each, characters of each text."""


def check(project: Project) -> None:
    """Refuse texts of private data.

    Raises:
        InputError: the data is private.
    """
    if is_private(project.dataset):
        raise InputError(
            f"{project.dataset.name} is private: its texts stand in no report; leave --texts out"
        )


def texts(project: Project, kinds: Kinds | None) -> Section:
    """Show examples, drawn at random with seed 0, cut to LONGEST characters."""
    title = "Examples"
    if kinds is None:
        said = "Examples are shown by cluster, and there are no clusters."
        return Section("examples", title, [Paragraph((said,))])
    columns = ["prompt", "response"]
    table = pq.read_table(examples_file(project.dataset), columns=columns)
    rng, rows = np.random.default_rng(0), list[list[Spans]]()
    for line in kinds.table.head(CLUSTERS).to_dict("records"):
        members = np.flatnonzero(kinds.labels == line["cluster"])
        for row in rng.permutation(members)[:EACH].tolist():
            cells: list[Spans] = [(Quoted(_cut(str(table[c][row].as_py()))),) for c in columns]
            rows.append([(Quoted(str(line["shown"])),), *cells])
    note = "Drawn at random from the largest clusters; … marks where a text is cut."
    heads = ("cluster", "prompt", "response")
    return Section("examples", title, [Paragraph((note,)), Table(title, heads, rows)])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
