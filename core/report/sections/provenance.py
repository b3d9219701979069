"""Provenance: what was made from what, by which versions, with which hashes, how to repeat it."""

from __future__ import annotations

import contextlib
from typing import Any

from core.dataset.privacy import is_private
from core.errors import InputError
from core.export.data_card import commands
from core.publish.model_card import source_names
from core.report.document import (
    Block,
    Code,
    Command,
    Paragraph,
    Quoted,
    Section,
    Spans,
    Table,
    fact,
)
from core.report.project import Project
from core.selection.reproduce import lineage
from core.workspace.artifact import Artifact

SETTINGS_OF = "settings of arm "
"""Begins the role of a saved selection in a study."""


def plain(value: Any) -> str:
    """Write a text of a manifest as it is."""
    return str(value)


def line_of(project: Project) -> list[Artifact]:
    """Return the artifacts that the commands make, parents before children."""
    study = project.study
    if study is None:
        last = project.finetune or project.selection or project.clusters or project.trajectories
        return lineage(last or project.dataset)
    first = [study.parents[role] for role in ("clusters",) if role in study.parents]
    first += [id for role, id in study.parents.items() if role.startswith(SETTINGS_OF)]
    line: dict[str, Artifact] = {}
    for id in first:
        with contextlib.suppress(InputError):  # a saved selection may be deleted
            line |= {one.id: one for one in lineage(study.open(id))}
    if project.selection is not None:
        line |= {one.id: one for one in lineage(project.selection)}
    return [*line.values(), study]


def provenance(project: Project) -> Section:
    """List the artifacts, versions, hashes and commands."""
    line = line_of(project)
    rows: list[list[Spans]] = []
    for one in line:
        code = (fact(one, "versions", "code", form=plain),) if _code(one) else ("not known",)
        rows.append(
            [
                (one.kind,),
                (Quoted(one.name),),
                (fact(one, "id", form=plain),),
                (fact(one, "created", form=_minute),),
                code,
            ]
        )
    hashes: list[list[Spans]] = []
    for one in line:
        for key, what in (("source_sha256", "the file"), ("ids_sha256", "the ids, sorted")):
            if one.summary.get(key):
                number = fact(one, "summary", key, form=plain)
                hashes.append([(f"{one.kind}: {what}",), (number,)])
        if "self_sha256" in one.manifest:
            number = fact(one, "self_sha256", form=plain)
            hashes.append([(f"{one.kind}: the manifest",), (number,)])
    last = line[-1]
    versions: list[list[Spans]] = [
        [(name,), (fact(last, "versions", name, form=plain),)]
        for name in last.manifest.get("versions", {})
        if name != "code"
    ]
    return Section(
        "provenance",
        "Where it comes from, and how to repeat it",
        [
            Table("Artifacts", ("what", "name", "id", "made (UTC)", "code version"), rows),
            Table(f"Libraries that made the {last.kind}", ("library", "version"), versions),
            Table("SHA-256", ("of", "hash"), hashes),
            *_commands(project, line),
            Paragraph(
                (
                    "Another processor or other versions of the libraries can give other losses, "
                    "and so other rows. ",
                    Command(f"python -m core verify {last.id}"),
                    " compares every file with its manifest. In the HTML page each number carries "
                    "where it was read (its data-from attribute); none was typed.",
                )
            ),
        ],
    )


def _code(one: Artifact) -> bool:
    return bool(one.manifest.get("versions", {}).get("code"))


def _minute(created: str) -> str:
    return created[:16].replace("T", " ")


def _commands(project: Project, line: list[Artifact]) -> list[Block]:
    steps = commands(line)
    shown = steps
    if is_private(project.dataset):
        names = [name for name in source_names(project.dataset) if len(name) > 2]
        shown = [step for step in steps if not any(name in step for name in names)]
    blocks: list[Block] = [Code("\n".join(shown))]
    if len(shown) < len(steps):
        blocks.append(Paragraph(("Commands that name sources of the private data are left out.",)))
    return blocks
