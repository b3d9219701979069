"""Reports: an artifact and what it was made from, in one file for people without this program."""

from __future__ import annotations

import pathlib

from core.errors import InputError
from core.export.target import publish
from core.jobs.progress import say
from core.report import html, markdown
from core.report.document import Report
from core.report.project import of, title, verdict, worth
from core.report.sections import clusters, limits, provenance, question, results, texts
from core.report.sections.brief import brief
from core.report.settings import Settings
from core.workspace.artifact import Artifact
from core.workspace.roles import editors
from core.workspace.store import Workspace

MAKERS = {"html": (html.render, ".html"), "md": (markdown.render, ".md")}
"""Format -> what writes it, and how its files end."""


def tell(artifact: Artifact, *, with_texts: bool = False) -> Report:
    """Return the report of an artifact.

    Raises:
        InputError: it is of a kind that nothing is told of, something that it was made from is
            damaged, or texts of private data were asked for.
    """
    project = of(artifact)
    if with_texts:
        texts.check(project)
    clustered = project.clusters is not None and project.trajectories is not None
    kinds = clusters.kinds(project) if clustered else None
    sections = [
        question.question(project),
        question.data(project),
        question.method(project),
        clusters.clusters(project, kinds),
        clusters.kept(project, kinds),
        results.results(project),
        results.costs(project),
        limits.limits(project),
        *([texts.texts(project, kinds)] if with_texts else []),
        provenance.provenance(project),
    ]
    said = (title(project), verdict(project), worth(project))
    return Report(artifact.id, *said, sections, brief(project, sections))


def page(artifact: Artifact, format: str = "html", *, with_texts: bool = False) -> str:
    """Return the text of a report's file."""
    return MAKERS[format][0](tell(artifact, with_texts=with_texts))


@editors("export")
def run(workspace: Workspace, settings: Settings) -> str:
    """Write the report; return its path.

    Raises:
        InputError: as `tell`; or the file exists, is not named for its format or cannot be written.
    """
    s = settings
    out, ending = pathlib.Path(s.out).expanduser().absolute(), MAKERS[s.format][1]
    if out.suffix.lower() != ending:
        raise InputError(f"--format {s.format} writes a file that ends in {ending}, not {out.name}")
    if out.is_dir():
        raise InputError(f"{out} is a folder; name a file with --out")
    if out.exists() and not s.overwrite:
        raise InputError(f"{out} exists; replace it with --overwrite, or choose another --out")
    text = page(workspace.open(s.id), s.format, with_texts=s.texts)
    with publish(out, False, s.overwrite) as temp:
        temp.write_bytes(text.encode("utf-8", "replace"))
    say(f"{len(text.encode('utf-8', 'replace')) / 1e6:.2f} MB in {out}")
    return str(out)
