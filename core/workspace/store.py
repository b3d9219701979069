"""A workspace: artifacts on disk are the only truth. Sealed ones never change: cache them by id."""

from __future__ import annotations
from core.errors import InputError

import contextlib
import os
import pathlib
import shutil
from typing import Any

from core.workspace import manifest as manifests
from core.workspace.artifact import BESIDE, EXTENDS, KINDS, PARTIAL, RUN, Artifact, Draft, Entry, Kind, claim, entry, new_id, utc_now
from core.workspace.files import read_json, sha256_file, write_json


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

    def draft(
        self,
        kind: Kind,
        *,
        name: str,
        config: dict[str, Any],
        parents: dict[str, str],
        fingerprint: str = "",
    ) -> Draft:
        """Begin an artifact.

        Args:
            kind: What it will be.
            name: What people call it.
            config: Its settings, plain data.
            parents: Role -> artifact id.
            fingerprint: Equal for runs that would give the same result.

        Raises:
            OSError: the workspace cannot be written.
        """
        folder = self.root / kind
        folder.mkdir(parents=True, exist_ok=True)
        now = utc_now()
        while True:
            new = new_id(now)
            if not (folder / new).exists():
                with contextlib.suppress(FileExistsError):
                    (folder / (new + PARTIAL)).mkdir()
                    break
        run = {
            "kind": kind,
            "id": new,
            "name": name,
            "created": now.isoformat(timespec="milliseconds"),
            "config": config,
            "parents": parents,
            "fingerprint": fingerprint,
        }
        path = folder / (new + PARTIAL)
        try:
            write_json(path / RUN, run)
        except OSError:
            path.rmdir()
            raise
        return Draft(path, run, claim(path))

    def unfinished(self, kind: Kind, fingerprint: str, name: str = "") -> Draft | None:
        """Return the newest unfinished run with this fingerprint (and name, if given).

        Raises:
            InputError: a process is at work on it.
        """
        for path in sorted((self.root / kind).glob("*" + PARTIAL), reverse=True):
            run = read_json(path / RUN)
            if run and run.get("fingerprint") == fingerprint and name in ("", run["name"]):
                return Draft(path, run, claim(path))
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
        manifest = draft.whole()
        if manifest:
            return draft.settle(manifest)
        draft.lock.close()
        return None

    def same(self, kind: Kind, fingerprint: str, name: str = "") -> Artifact | None:
        """Return the newest sealed artifact with this fingerprint (and name, if given)."""
        for found in self.entries(kind):
            same = found.fingerprint == fingerprint and name in ("", found.name)
            if found.state == "sealed" and same:
                return self.open(found.id)
        return None

    def find(self, wanted: str) -> pathlib.Path:
        """Return the directory of an artifact, finished or not.

        Raises:
            InputError: there is none, or the id is no id.
        """
        if wanted and all(c.isalnum() or c == "-" for c in wanted):
            for kind in KINDS:
                for path in (self.root / kind / wanted, self.root / kind / (wanted + PARTIAL)):
                    if path.is_dir():
                        return path
        raise InputError(f"no artifact {wanted!r} in {self.root}; `python -m core list` shows all")

    def open(self, wanted: str, *kinds: Kind) -> Artifact:
        """Open a sealed artifact after checking its manifest and file sizes.

        Args:
            wanted: The id.
            kinds: The kinds accepted; any when empty.

        Raises:
            InputError: unknown, unfinished, damaged, made by a newer version, or of another kind.
        """
        path = self.find(wanted)
        if path.name.endswith(PARTIAL):
            raise InputError(f"{wanted} is unfinished; resume or delete it")
        artifact = Artifact(path, manifests.read(path))
        if kinds and artifact.kind not in kinds:
            raise InputError(f"{wanted} is a {artifact.kind}, not a {' or '.join(kinds)}")
        return artifact

    def entries(self, *kinds: Kind) -> list[Entry]:
        """List artifacts of these kinds (all when empty), newest first."""
        out = []
        for kind in kinds or KINDS:
            folder = self.root / kind
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                begun = not path.name.endswith(PARTIAL) or (path / RUN).exists()
                if path.is_dir() and begun and not path.name.startswith("."):
                    out.append(entry(kind, path))
        return sorted(out, key=lambda e: e.id, reverse=True)

    def verify(self, wanted: str) -> list[str]:
        """Compare every file's content with the manifest; return a sentence per problem."""
        artifact = self.open(wanted)
        return [
            f"{name}: content differs from the manifest"
            for name, facts in artifact.manifest["files"].items()
            if sha256_file(artifact.path / name) != facts["sha256"]
        ]

    def ancestor(self, artifact: Artifact, kind: Kind) -> Artifact:
        """Walk up the lineage to the artifact of a kind (itself included).

        Raises:
            InputError: the lineage has none.
        """
        if artifact.kind == kind:
            return artifact
        for role, parent in artifact.parents.items():
            if role not in BESIDE:
                with contextlib.suppress(InputError):
                    return self.ancestor(self.open(parent), kind)
        raise InputError(f"{artifact.id} ({artifact.kind}) does not come from a {kind}")

    def extended(self, artifact: Artifact) -> list[Artifact]:
        """Return the artifacts that this one carries on, nearest first, itself before them.

        Raises:
            InputError: one of them cannot be opened.
        """
        out = [artifact]
        while EXTENDS in out[-1].parents:
            out.append(self.open(out[-1].parents[EXTENDS], artifact.kind))
        return out

    def children(self, wanted: str) -> list[Entry]:
        """List what names this artifact as a parent, unfinished work included."""
        return [e for e in self.entries() if wanted in e.parents.values()]

    def delete(self, wanted: str) -> None:
        """Delete an artifact or unfinished run.

        Raises:
            InputError: something depends on it, or a process is at work on it.
        """
        path = self.find(wanted)
        if (path / RUN).exists():
            claim(path).close()
        dependants = self.children(wanted)
        if dependants:
            named = ", ".join(f"{e.kind} {e.id}" for e in dependants[:3])
            more = f" and {len(dependants) - 3} more" if len(dependants) > 3 else ""
            raise InputError(f"{wanted} is needed by {named}{more}; delete those first")
        doomed = path.with_name(".deleted-" + path.name)  # a crash half-way leaves no half artifact
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
