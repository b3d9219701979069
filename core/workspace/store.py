"""A workspace: artifacts on disk are the only truth. Sealed ones never change: cache them by id."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import sys
import time
from typing import Any

from core.errors import InputError
from core.workspace import shape
from core.workspace.artifact import (
    KINDS,
    PARTIAL,
    RUN,
    Artifact,
    Entry,
    Kind,
    entry,
    find,
    load,
)
from core.workspace.draft import (
    DYING,
    MOMENT,
    Draft,
    Ended,
    InUse,
    begin,
    lock_draft,
    locked,
)
from core.workspace.files import SETTLED, folders_in, read_json, remove
from core.workspace.roles import editors, person

RECHECK = 2.0
"""Seconds after which a listing for a page looks into every artifact's folder again."""
QUICK, SELDOM = 0.005, 15.0
"""A listing that takes longer than QUICK seconds waits as much longer, at most SELDOM times."""
_LISTED: dict[str, tuple[int, float, list[Entry]]] = {}
"""Folder of a kind -> its time of change when it was listed, when to look again, what it had."""


class Workspace:
    """A directory of artifacts, jobs and a rebuildable cache."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = pathlib.Path(root).expanduser().absolute()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @property
    def cache(self) -> pathlib.Path:
        """Where rebuildable files live (tokens, base models); safe to delete when nothing runs."""
        return self.root / "cache"

    @editors("start work")
    def draft(
        self,
        kind: Kind,
        *,
        name: str,
        config: dict[str, Any],
        parents: dict[str, str],
        fingerprint: str = "",
        alone: bool = False,
        after: str = "",
    ) -> Draft:
        """Begin an artifact.

        Args:
            parents: Role -> artifact id.
            fingerprint: Equal for runs that would give the same result.
            alone: Only where none of this fingerprint is at work or sealed; else that is said.
            after: Id of an equal one that is out of date: it and those before it do not count.

        Raises:
            OSError: the workspace cannot be written.
            InUse: `alone`, and an equal run is at work, or has made one of this name.
        """
        folder = self.root / kind
        folder.mkdir(parents=True, exist_ok=True)
        run = {
            **{"kind": kind, "id": "", "name": name, "created": ""},
            **{"config": config, "parents": parents, "fingerprint": fingerprint},
        }
        if user := person().name:
            run["user"] = user
        with locked(folder):  # of two that look at once, the second sees that the first goes on
            draft = begin(folder, run)
            twin, said = (
                self._at_work(kind, fingerprint, draft.path),
                "is an equal run, at work now",
            )
            equal = [e.id for e in self._sealed(kind, fingerprint, name * alone) if e.id > after]
            if not twin and equal:
                twin, said = equal[0], "is equal and was made before"
            if twin and alone:
                draft.discard()
        if twin and alone:
            raise InUse(f"{twin} {said}; wait for it and use it, or stop or delete it")
        if twin:
            sys.stderr.write(f"{twin} {said}; this one, {draft.id}, makes a second\n")
        return draft

    def _at_work(self, kind: Kind, fingerprint: str, but: pathlib.Path) -> str:
        """Return the id of another run with this fingerprint that a process works on, or "".

        Looked up after our own is there: of two that begin at once, one at least sees the other.
        """
        for path in self._drafts(kind) if fingerprint else ():
            if path != but and (read_json(path / RUN) or {}).get("fingerprint") == fingerprint:
                try:
                    lock_draft(path, MOMENT).close()
                except InUse:
                    return path.name.removesuffix(PARTIAL)
                except (Ended, OSError):  # of a person whose files are not ours
                    continue
        return ""

    def _drafts(self, kind: Kind) -> list[pathlib.Path]:
        """List the folders of unfinished runs, newest first; hidden ones come or go just now."""
        found = (self.root / kind).glob("*" + PARTIAL)  # which matches hidden ones, too
        return sorted((p for p in found if not p.name.startswith(".")), reverse=True)

    def unfinished(self, kind: Kind, fingerprint: str, name: str = "") -> Draft | None:
        """Return the newest unfinished run with this fingerprint (and name, if given).

        Raises:
            InputError: a process is at work on it.
        """
        for path in self._drafts(kind):
            run = read_json(path / RUN)
            if not run or shape.begun(run):
                continue
            if run["fingerprint"] == fingerprint and name in ("", run["name"]):
                with contextlib.suppress(Ended):
                    return Draft(path, run, lock_draft(path, DYING))
        return None

    def finished(self, kind: Kind, fingerprint: str, name: str = "") -> Artifact | None:
        """Return what a resumed run has made already; None if there is work left, or no such run.

        A process can be killed when its work is done: before its draft is renamed, or before it has
        told anyone the id.

        Raises:
            InputError: a process is at work on it.
        """
        draft = self.unfinished(kind, fingerprint, name)
        if draft is None:
            done = self.same(kind, fingerprint, name)
            if done:
                (done.path / RUN).unlink(missing_ok=True)  # killed just after the rename
            return done
        manifest = draft.read_manifest()
        if manifest:
            return draft.finish_rename(manifest)
        draft.lock.close()
        return None

    def same(
        self, kind: Kind, fingerprint: str, name: str = "", *, like: Artifact | None = None
    ) -> Artifact | None:
        """Return the newest sealed artifact with this fingerprint (and name, if given).

        It is opened in the lineage of `like`, if that is given.
        """
        for earlier in self._sealed(kind, fingerprint, name):
            with contextlib.suppress(InputError):  # damaged a moment ago
                return (like or self).open(earlier.id)
        return None

    def _sealed(self, kind: Kind, fingerprint: str, name: str) -> list[Entry]:
        """List what was made by equal runs (of this name, if given), newest first."""
        equal = (e for e in self.recent(kind) if fingerprint and e.fingerprint == fingerprint)
        return [e for e in equal if e.state == "sealed" and name in ("", e.name)]

    def find(self, id: str) -> pathlib.Path:
        """Return the directory of an artifact, finished or not.

        Raises:
            InputError: there is none, or the id is no id.
        """
        return find(self.root, id)

    def open(self, id: str, *kinds: Kind) -> Artifact:
        """Open a sealed artifact, any kind when none is named, for a lineage of its own.

        Raises:
            InputError: unknown, unfinished, damaged, made by a newer version, or of another kind.
        """
        return load(self.root, id, kinds, {})

    def entries(self, *kinds: Kind) -> list[Entry]:
        """List artifacts of these kinds (all when empty), newest first."""
        out = []
        for kind in kinds or KINDS:
            folder = self.root / kind
            for item in folders_in(folder) if folder.is_dir() else []:
                begun = not item.name.endswith(PARTIAL) or (folder / item / RUN).exists()
                if begun and not item.name.startswith("."):
                    out += _entry(kind, item.path)
        return sorted(out, key=lambda e: e.id, reverse=True)

    def recent(self, *kinds: Kind) -> list[Entry]:
        """List as `entries` does, for pages: what changes *inside* an artifact is seen a bit later.

        New, sealed, renamed and deleted ones are seen at once, as they change the folder of their
        kind; a file that is changed in place is seen after RECHECK seconds, in a workspace of
        thousands after half a minute at most.
        """
        out: list[Entry] = []
        for kind in kinds or KINDS:
            folder = str(self.root / kind)
            try:
                changed, clock = pathlib.Path(folder).stat().st_mtime_ns, time.monotonic()
            except (FileNotFoundError, NotADirectoryError):
                continue
            kept = _LISTED.get(folder)
            settled = changed < (time.time() - SETTLED) * 1e9
            if kept is None or kept[0] != changed or not settled or clock > kept[1]:
                listed = self.entries(kind)
                now = time.monotonic()
                again = now + RECHECK * min(max((now - clock) / QUICK, 1.0), SELDOM)
                kept = _LISTED[folder] = (changed, again, listed)
            out += kept[2]
        return sorted(out, key=lambda e: e.id, reverse=True)

    def verify(self, id: str) -> list[str]:
        """Compare every file's content with the manifest; return a sentence per problem."""
        return self.open(id).verify()

    def made_from(self, of: str, kind: Kind) -> list[Entry]:
        """List the sealed artifacts of a kind that come from this one, newest first.

        Nothing is opened; what comes from something damaged or unfinished is not in.
        """
        listed = functools.cache(lambda role: {e.id: e for e in self.recent(role)})

        @functools.cache
        def comes(id: str, kind: Kind) -> bool:
            one = listed(kind).get(id)
            if one is None or one.state != "sealed":
                return False
            above = ((role, parent) for role, parent in one.parents.items() if role in KINDS)
            return id == of or any(comes(parent, role) for role, parent in above)

        return [e for e in listed(kind).values() if comes(e.id, kind)]

    def children(self, id: str) -> list[Entry]:
        """List what names this artifact as a parent, unfinished work included."""
        return [e for e in self.entries() if id in e.parents.values()]

    @editors("delete")
    def delete(self, id: str) -> None:
        """Delete an artifact or unfinished run.

        Raises:
            InputError: something depends on it, or a process is at work on it or ended it just now.
        """
        dependants = self.children(id)
        path = self.find(id)
        if dependants:
            named = ", ".join(f"{e.kind} {e.id}" for e in dependants[:3])
            more = f" and {len(dependants) - 3} more" if len(dependants) > 3 else ""
            raise InputError(f"{id} is needed by {named}{more}; delete those first")
        with contextlib.ExitStack() as stack:
            if (path / RUN).exists():  # nobody goes on with it before it is gone
                stack.enter_context(lock_draft(path, MOMENT))
            try:
                remove(path)
            except FileNotFoundError:
                raise Ended(f"{id} ended just now; look again") from None


def _entry(kind: Kind, path: str) -> list[Entry]:
    """Describe one directory; nothing where it was deleted meanwhile, what it became if sealed."""
    found = entry(kind, path)
    if found.state != "damaged" or os.path.isdir(path):  # noqa: PTH112
        return [found]
    sealed = path.removesuffix(PARTIAL)
    return _entry(kind, sealed) if os.path.isdir(sealed) else []  # noqa: PTH112
