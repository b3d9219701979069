"""A check of a whole workspace: every file against its manifest, and what lies around.

Nothing is changed unless it is named: the words of CLEANABLE, or ids that the report lists.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from core import edits, jobs
from core.errors import InputError
from core.jobs.progress import say
from core.jobs.record import alive
from core.workspace.artifact import KINDS, PARTIAL, Entry
from core.workspace.files import explain_os_error
from core.workspace.locks import network_problem
from core.workspace.roles import editors
from core.workspace.store import Workspace

CLEANABLE = {
    "leftovers": "temporary files and folders of killed processes",
    "drafts": "unfinished runs that no process works at",
    "jobs": "records of jobs that failed, were stopped or lost",
    "cache": "what is made again when it is needed",
}
BEGUN = 3600.0
"""Seconds after which a temporary file is a leftover: a younger one may be somebody's at work."""
OTHERS = ("edits", "jobs", "views", "uploads", "exports", "cache")
"""Folders of a workspace beside those of its kinds."""


class Use(NamedTuple):
    """What one folder of the workspace holds."""

    name: str
    items: int
    bytes: int


class Checkup(NamedTuple):
    """What a check has found; each problem is a sentence that begins with an id or a path."""

    root: pathlib.Path
    uses: list[Use]
    whole: int
    """Artifacts of which every file is as its manifest says."""
    damaged: list[str]
    orphans: list[str]
    leftovers: list[pathlib.Path]
    drafts: list[Entry]
    jobs: list[jobs.Job]
    place: str
    """What is wrong with where the workspace stands; empty where nothing is."""


def check(workspace: Workspace) -> Checkup:
    """Read every file of a workspace.

    Raises:
        InputError: there is no such folder.
    """
    root = workspace.root
    if not root.is_dir():
        raise InputError(f"there is no workspace at {root}; --workspace names another")
    entries = workspace.entries()
    bad = {e.id: e.problem for e in entries if e.state == "damaged"}
    for n, entry in enumerate(e for e in entries if e.state == "sealed"):
        if n % 50 == 49:
            say(f"checked {n + 1:,} artifacts")
        if (why := _wrong(workspace, entry)) and _stands(workspace, entry.id):
            bad[entry.id] = why
    known = {e.id for e in entries if e.state != "unfinished"}
    ended = [j for j in jobs.jobs(workspace) if j.state in ("failed", "stopped", "lost")]
    return Checkup(
        root=root,
        uses=list(_uses(root)),
        whole=sum(e.state == "sealed" and e.id not in bad for e in entries),
        damaged=[*(f"{id}: {why}" for id, why in sorted(bad.items())), *_damaged_edits(workspace)],
        orphans=[*_orphans(workspace, entries, known, bad), *_edits_of_nothing(root, known)],
        leftovers=sorted(_leftovers(root)),
        drafts=[e for e in entries if e.state == "unfinished"],
        jobs=ended,
        place=network_problem(root),
    )


@editors("delete")
def clean(workspace: Workspace, checkup: Checkup, named: list[str]) -> list[str]:
    """Delete what is named of what was found; return a line for each thing, done or not.

    Raises:
        InputError: a name is neither a word of CLEANABLE nor the id of something that was found.
    """
    draft_ids, job_ids = [e.id for e in checkup.drafts], [j.id for j in checkup.jobs]
    bad_ids = [line.partition(":")[0] for line in (*checkup.damaged, *checkup.orphans)]
    for name in named:
        if name not in (*CLEANABLE, *draft_ids, *job_ids, *bad_ids):
            raise InputError(
                f"--clean {name!r}: name {', '.join(CLEANABLE)}, or an id that the check lists"
            )
    said = []
    if "leftovers" in named:
        for path in checkup.leftovers:
            said.append(_delete(path, checkup.root))
    for id in job_ids:
        if "jobs" in named or id in named:
            said.append(_tried(id, functools.partial(jobs.forget, workspace, id)))
    for id in dict.fromkeys((*draft_ids, *bad_ids)):
        if id in named or ("drafts" in named and id in draft_ids):
            said.append(_tried(id, functools.partial(workspace.delete, id)))
    if "cache" in named:
        if jobs.active(workspace):
            said.append("cache: kept, as jobs are at work; clean it when none is")
        else:
            said.append(_delete(workspace.cache, checkup.root))
    return said


def report(checkup: Checkup) -> str:
    """Write what was found."""
    total = sum(u.bytes for u in checkup.uses)
    lines = [f"workspace {checkup.root}: {_size(total)}"]
    lines += [f"  {u.name:13}{u.items:>8,}  {_size(u.bytes):>10}" for u in checkup.uses]
    lines.append(f"{checkup.whole:,} artifacts: every file is as its manifest says")
    _list(
        lines, "damaged", checkup.damaged, "put them back from a backup, or name the id to --clean"
    )
    _list(lines, "without what they were made from", checkup.orphans, "")
    inside = [str(p.relative_to(checkup.root)) for p in checkup.leftovers]
    _list(lines, "leftovers of killed processes", inside, "--clean leftovers")
    drafts = [f"{e.id}  {e.kind}  {e.name}" for e in checkup.drafts]
    _list(lines, "unfinished runs", drafts, "resume them, or --clean drafts")
    ended = [f"{j.id}  {j.state}  {j.title}" for j in checkup.jobs]
    _list(lines, "jobs that did not end well", ended, "--clean jobs")
    if checkup.place:
        lines.append(checkup.place)
    return "\n".join(lines)


def _list(lines: list[str], what: str, items: list[str], remedy: str) -> None:
    if items:
        lines.append(f"{len(items):,} {what}{f' ({remedy})' if remedy else ''}:")
        lines += [f"  {line}" for line in items]


def _wrong(workspace: Workspace, entry: Entry) -> str:
    """Read all files of a sealed artifact; return why it is not what it says, or nothing."""
    try:
        made = workspace.open(entry.id)
        if made.id != entry.id or made.kind != entry.kind:
            return f"its manifest is that of {made.kind} {made.id}"
        return "; ".join(made.verify())
    except InputError as e:
        return str(e)
    except OSError as e:
        return explain_os_error(e)


def _stands(workspace: Workspace, id: str) -> bool:
    """Say whether an artifact is there now; it may have been deleted, or made, meanwhile."""
    try:
        return not workspace.find(id).name.endswith(PARTIAL)
    except InputError:
        return False


def _orphans(
    workspace: Workspace, entries: list[Entry], known: set[str], bad: dict[str, str]
) -> Iterator[str]:
    for e in entries:
        if e.id in bad:
            continue
        for role, parent in e.parents.items():
            if parent not in known and not _stands(workspace, parent):
                yield f"{e.id}: its {role} {parent} is not here"
            elif parent in bad:
                yield f"{e.id}: its {role} {parent} is damaged"


def _edits_of_nothing(root: pathlib.Path, known: set[str]) -> Iterator[str]:
    for path in sorted((root / "edits").glob("*.jsonl")):
        if path.stem not in known:
            yield f"edits/{path.name}: its dataset is not here"


def _damaged_edits(workspace: Workspace) -> Iterator[str]:
    for entry in workspace.entries("dataset"):
        if entry.state == "sealed":
            try:
                edits.read(workspace, entry.id)
            except InputError as e:
                yield f"edits/{entry.id}.jsonl: {e}"


def _leftovers(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield hidden files and folders that nobody has touched for BEGUN, the outermost of each."""
    now = time.time()
    for folder, names, files in os.walk(root):
        here = pathlib.Path(folder)
        for name in sorted((*names, *files)):
            path = here / name
            if not name.startswith(".") or name.endswith(".lock"):
                continue
            if name in names:
                names.remove(name)
            newest = max(_times(path), default=now)
            if now - newest > BEGUN and not _held(path):
                yield path


def _times(path: pathlib.Path) -> Iterator[float]:
    inside = [] if path.is_symlink() else os.walk(path)
    below = (pathlib.Path(folder, n) for folder, names, files in inside for n in (*names, *files))
    for one in itertools.chain([path], below):
        with contextlib.suppress(OSError):  # gone meanwhile
            yield one.lstat().st_mtime


def _held(path: pathlib.Path) -> bool:
    """Say whether a process works in a hidden folder: an export, or a job that is being made."""
    return path.is_dir() and alive(path)


def _uses(root: pathlib.Path) -> Iterator[Use]:
    for name in (*KINDS, *OTHERS):
        folder = root / name
        if folder.is_dir():
            items = sum(not p.name.startswith(".") for p in folder.iterdir())
            yield Use(name, items, _bytes(folder))
    other = [p for p in root.iterdir() if p.name not in (*KINDS, *OTHERS)]
    if other:
        yield Use("other", len(other), sum(map(_bytes, other)))


def _bytes(folder: pathlib.Path) -> int:
    """Return what files, or one file, take on the disk; what has two names counts once."""
    seen: dict[tuple[int, int], int] = {}
    files = (os.path.join(parent, n) for parent, _, names in os.walk(folder) for n in names)  # noqa: PTH118
    for path in files if folder.is_dir() and not folder.is_symlink() else [str(folder)]:
        with contextlib.suppress(OSError):  # gone meanwhile
            s = os.lstat(path)
            seen[s.st_dev, s.st_ino] = s.st_size
    return sum(seen.values())


def _delete(path: pathlib.Path, root: pathlib.Path) -> str:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as e:
        return f"{path.relative_to(root)}: kept: {explain_os_error(e)}"
    return f"{path.relative_to(root)}: deleted"


def _tried(id: str, delete: Callable[[], None]) -> str:
    try:
        delete()
    except (InputError, OSError) as e:
        return f"{id}: kept: {e}"
    return f"{id}: deleted"


def _size(n: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if n < 1000:
            return f"{n:,.0f} {unit}" if unit == "bytes" else f"{n:,.1f} {unit}"
        n /= 1000
    return f"{n:,.1f} TB"
