"""Commands on what there is already: list, show, verify, delete, reproduce."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, Literal

from core.chat.settings import Talk
from core.errors import InputError, Unequal
from core.report.settings import Settings as Reported
from core.settings import Group, setting
from core.spec import Auto
from core.workspace.artifact import Kind
from core.workspace.store import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListSettings(Group):
    """What to list."""

    kind: Kind | None = setting(None, help="Only these", positional=True)
    json: bool = setting(False, help="As JSON")


@dataclasses.dataclass(frozen=True, kw_only=True)
class One(Group):
    """Which artifact."""

    id: str = setting(help="Artifact id", positional=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowSettings(One):
    """Which artifact, and how it is shown."""

    json: bool = setting(False, help="As JSON")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examined(Group):
    """Which dataset, and whose eyes it is seen with; without one the whole workspace."""

    id: str = setting("", help="Dataset id; without one the whole workspace", positional=True)
    model: str = setting("scratch:small", help="The model whose tokenizer and template count")
    template: Literal["auto", "chat", "alpaca", "plain"] = setting(
        "auto", help="auto is the model's chat template, or plain"
    )
    max_length: int | Auto = setting("auto", help="Longest row in tokens", minimum=8)
    clean: str = setting(
        "",
        help="Of the whole workspace delete these, commas between: leftovers, drafts, jobs, "
        "cache, or ids that the check lists",
    )

    def validate(self) -> None:
        of_dataset = (self.model, self.template, self.max_length)
        if not self.id and of_dataset != ("scratch:small", "auto", "auto"):
            raise InputError("--model, --template and --max-length go with a dataset's id; give it")
        if self.id and self.clean:
            raise InputError(f"--clean is of the whole workspace; leave {self.id} out")


def list_(workspace: Workspace, settings: ListSettings) -> str:
    """Return a line an artifact."""
    entries = workspace.entries(*([settings.kind] if settings.kind else []))
    if settings.json:
        return json.dumps([e._asdict() for e in entries], indent=1, ensure_ascii=False)
    if not entries:
        return f"nothing in {workspace.root} yet; start with `python -m core dataset --path FILE`"
    width = max(len(e.name) for e in entries)
    return "\n".join(
        f"{e.id}  {e.kind:12}  {e.state:10}  {e.name:{width}}  {e.problem}".rstrip()
        for e in entries
    )


def show(workspace: Workspace, settings: ShowSettings) -> str:
    """Return a manifest."""
    manifest = workspace.open(settings.id).manifest
    if settings.json:
        return json.dumps(manifest, indent=1, ensure_ascii=False)
    lines = [f"{manifest['kind']} {manifest['id']}  {manifest['name']}  ({manifest['seconds']} s)"]
    for part in ("parents", "config", "summary"):
        lines += [f"{part}:"] + [f"  {k}: {v}" for k, v in manifest[part].items()]
    return "\n".join(lines)


def verify(workspace: Workspace, settings: One) -> str:
    """Raise InputError with what is damaged, if anything is."""
    if problems := workspace.verify(settings.id):
        raise InputError("; ".join(problems))
    return f"{settings.id}: every file is as its manifest says"


def delete(workspace: Workspace, settings: One) -> str:
    """Return the id of what was."""
    workspace.delete(settings.id)
    return settings.id


def reproduce(workspace: Workspace, settings: One) -> str:
    """Raise Unequal with the differences, if there are any."""
    from core.selection.reproduce import differences

    if problems := differences(workspace, settings.id):
        raise Unequal("\n".join(problems))
    return "identical"


def doctor(workspace: Workspace, settings: Examined) -> str:
    """Return a line a check of a dataset's texts and how a model sees them; or the workspace's.

    Raises:
        Unequal: something in the workspace is damaged, or not there.
    """
    s = settings
    if not s.id:
        return _whole(workspace, [name for name in s.clean.replace(",", " ").split() if name])
    from core.review.doctor import examine, report
    from core.selection.advice import advise, facts_of, in_lines

    dataset = workspace.open(s.id, "dataset")
    lines = report(examine(workspace, dataset, s.model, s.template, s.max_length))
    return "\n".join([lines, *in_lines(advise(facts_of(dataset)))])


def _whole(workspace: Workspace, named: list[str]) -> str:
    from core.review import whole_workspace

    checkup = whole_workspace.check(workspace)
    lines = [whole_workspace.report(checkup)]
    if named:
        lines += ["cleaned:", *(whole_workspace.clean(workspace, checkup, named) or ["nothing"])]
    if checkup.damaged or checkup.orphans:
        raise Unequal("\n".join(lines))
    return "\n".join(lines)


def chat(workspace: Workspace, settings: Talk) -> str:
    """Return what models answer, each under its name."""
    from core.chat.run import run

    return run(workspace, settings)


def report(workspace: Workspace, settings: Reported) -> str:
    """Write a report for people without this program; return its path."""
    from core.report.run import run

    return run(workspace, settings)


COMMANDS: dict[str, tuple[str, type[Group], Callable[[Workspace, Any], str]]] = {
    "list": ("list artifacts, newest first", ListSettings, list_),
    "show": ("print a manifest", ShowSettings, show),
    "verify": ("compare every file with its manifest", One, verify),
    "delete": ("delete an artifact nothing depends on, or an unfinished run", One, delete),
    "reproduce": (
        "make a selection again and say whether it is identical (exit 1: it is not)",
        One,
        reproduce,
    ),
    "report": (
        "write what was done and found as one page, or as a summary to paste",
        Reported,
        report,
    ),
    "chat": ("ask a fine-tune, and others beside it, from the terminal", Talk, chat),
    "doctor": (
        "check a dataset's texts, and how a model sees them; without an id, every file of the "
        "workspace (`doctor --workspace`, exit 1: something is damaged)",
        Examined,
        doctor,
    ),
}
"""Name -> what it does, its settings, its function."""
