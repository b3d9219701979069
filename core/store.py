"""Artifacts on disk: the only truth. Sealed ones never change, so everything may be cached by id.

Work happens in `<workspace>/<kind>/<id>.partial/`. Sealing writes `manifest.json` last and renames
the directory, so a directory without the suffix is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import os
import pathlib
import secrets
import shutil
from typing import IO, Any, Literal, get_args

from core import manifest as manifests
from core.files import fsync, read_json, sha256_file, write_json

Kind = Literal["dataset", "trajectories", "layout", "clusters", "selection", "finetune", "study"]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["sealed", "unfinished", "damaged"]
PARTIAL = ".partial"
RUN = "run.json"


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A sealed, opened artifact."""

    path: pathlib.Path
    manifest: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.manifest["id"])

    @property
    def kind(self) -> Kind:
        return self.manifest["kind"]  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def config(self) -> dict[str, Any]:
        return self.manifest["config"]  # type: ignore[no-any-return]

    @property
    def parents(self) -> dict[str, str]:
        return self.manifest["parents"]  # type: ignore[no-any-return]

    @property
    def summary(self) -> dict[str, Any]:
        return self.manifest["summary"]  # type: ignore[no-any-return]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of a workspace listing; damaged and unfinished work is listed too."""

    id: str
    kind: Kind
    state: State
    name: str
    created: str
    """UTC, ISO 8601."""
    problem: str
    """Why it is damaged; empty otherwise."""
    summary: dict[str, Any]
    config: dict[str, Any]
    parents: dict[str, str]
    fingerprint: str
    """Equal for runs that would give the same result; may be empty."""


@dataclasses.dataclass
class Draft:
    """An artifact being made; `seal` turns it into an `Artifact`.

    Its maker holds a lock on run.json, so that nobody else continues or deletes it meanwhile.
    """

    path: pathlib.Path
    run: dict[str, Any]
    lock: IO[bytes]

    @property
    def id(self) -> str:
        return str(self.run["id"])

    def seal(self, summary: dict[str, Any], *, drop: tuple[str, ...] = ()) -> Artifact:
        """Write the manifest last, fsync, and rename the directory.

        Args:
            summary: The few numbers a listing shows.
            drop: Work files below the directory that are not part of the artifact.

        Raises:
            OSError: the disk is full or not writable; the draft stays and can be resumed.
        """
        files = {}
        for file in sorted(p for p in self.path.rglob("*") if p.is_file()):
            inside = file.relative_to(self.path)
            left_out = inside.parts[0] in (RUN, manifests.NAME, *drop)
            if left_out or file.name.startswith("."):  # dots: what a killed writer left
                continue
            fsync(file)
            files[inside.as_posix()] = {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
        started = dt.datetime.fromisoformat(self.run["created"])
        seconds = round((utc_now() - started).total_seconds(), 1)
        facts = {**self.run, "summary": summary, "seconds": seconds, "files": files}
        manifest = manifests.signed(facts)
        write_json(self.path / manifests.NAME, manifest)
        final = self.path.with_name(self.id)
        self.path.rename(final)
        fsync(final.parent)
        for name in drop:  # only now: until sealed they are what a resumed run starts from
            shutil.rmtree(final / name, ignore_errors=True)
        (final / RUN).unlink()
        self.lock.close()
        return Artifact(final, manifest)

    def discard(self) -> None:
        """Delete the unfinished work."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


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
        return Draft(path, run, _claim(path))

    def unfinished(self, kind: Kind, fingerprint: str, name: str = "") -> Draft | None:
        """Return the newest unfinished run with this fingerprint (and name, if given).

        Raises:
            ValueError: a process is at work on it.
        """
        for path in sorted((self.root / kind).glob("*" + PARTIAL), reverse=True):
            run = read_json(path / RUN)
            if run and run.get("fingerprint") == fingerprint and name in ("", run["name"]):
                return Draft(path, run, _claim(path))
        return None

    def same(self, kind: Kind, fingerprint: str) -> Artifact | None:
        """Return the newest sealed artifact with this fingerprint."""
        for entry in self.entries(kind):
            if entry.state == "sealed" and entry.fingerprint == fingerprint:
                return self.open(entry.id)
        return None

    def find(self, wanted: str) -> pathlib.Path:
        """Return the directory of an artifact, finished or not.

        Raises:
            ValueError: there is none, or the id is no id.
        """
        if wanted and all(c.isalnum() or c == "-" for c in wanted):
            for kind in KINDS:
                for path in (self.root / kind / wanted, self.root / kind / (wanted + PARTIAL)):
                    if path.is_dir():
                        return path
        raise ValueError(f"no artifact {wanted!r} in {self.root}; `python -m core list` shows all")

    def open(self, wanted: str, *kinds: Kind) -> Artifact:
        """Open a sealed artifact after checking its manifest and file sizes.

        Args:
            wanted: The id.
            kinds: The kinds accepted; any when empty.

        Raises:
            ValueError: unknown, unfinished, damaged, made by a newer version, or of another kind.
        """
        path = self.find(wanted)
        if path.name.endswith(PARTIAL):
            raise ValueError(f"{wanted} is unfinished; resume or delete it")
        artifact = Artifact(path, manifests.read(path))
        if kinds and artifact.kind not in kinds:
            raise ValueError(f"{wanted} is a {artifact.kind}, not a {' or '.join(kinds)}")
        return artifact

    def entries(self, *kinds: Kind) -> list[Entry]:
        """List artifacts of these kinds (all when empty), newest first."""
        out = []
        for kind in kinds or KINDS:
            folder = self.root / kind
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                if path.is_dir() and not path.name.startswith("."):
                    out.append(_entry(kind, path))
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
            ValueError: the lineage has none.
        """
        if artifact.kind == kind:
            return artifact
        for parent in artifact.parents.values():
            with contextlib.suppress(ValueError):
                return self.ancestor(self.open(parent), kind)
        raise ValueError(f"{artifact.id} ({artifact.kind}) does not come from a {kind}")

    def children(self, wanted: str) -> list[Entry]:
        """List what names this artifact as a parent, unfinished work included."""
        return [e for e in self.entries() if wanted in e.parents.values()]

    def delete(self, wanted: str) -> None:
        """Delete an artifact or unfinished run.

        Raises:
            ValueError: something depends on it, or a process is at work on it.
        """
        path = self.find(wanted)
        if (path / RUN).exists():
            _claim(path).close()
        dependants = self.children(wanted)
        if dependants:
            named = ", ".join(f"{e.kind} {e.id}" for e in dependants[:3])
            more = f" and {len(dependants) - 3} more" if len(dependants) > 3 else ""
            raise ValueError(f"{wanted} is needed by {named}{more}; delete those first")
        doomed = path.with_name(".deleted-" + path.name)  # a crash half-way leaves no half artifact
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def new_id(now: dt.datetime) -> str:
    """Return a UTC time to the millisecond plus 4 hex digits: ids sort by age."""
    return f"{now:%Y%m%d-%H%M%S}{now.microsecond // 1000:03d}-{secrets.token_hex(2)}"


def utc_now() -> dt.datetime:
    """Return the time now, in UTC."""
    return dt.datetime.now(dt.UTC)


def _claim(draft: pathlib.Path) -> IO[bytes]:
    """Lock a draft; the lock lasts as long as the file returned is open.

    Raises:
        ValueError: another process has it.
    """
    lock = (draft / RUN).open("r+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        name = draft.name.removesuffix(PARTIAL)
        raise ValueError(f"{name} is being worked on; wait for that run or stop it") from None
    return lock


def _entry(kind: Kind, path: pathlib.Path) -> Entry:
    state: State = "unfinished"
    problem = ""
    if path.name.endswith(PARTIAL):
        facts = read_json(path / RUN) or {}
    else:
        try:
            facts, state = manifests.read(path), "sealed"
        except ValueError as e:
            facts, state, problem = read_json(path / manifests.NAME) or {}, "damaged", str(e)
    part = {k: v if isinstance(v, dict) else {} for k, v in facts.items()}
    return Entry(
        id=path.name.removesuffix(PARTIAL),
        kind=kind,
        state=state,
        name=str(facts.get("name", "")),
        created=str(facts.get("created", "")),
        problem=problem,
        summary=part.get("summary", {}),
        config=part.get("config", {}),
        parents=part.get("parents", {}),
        fingerprint=str(facts.get("fingerprint", "")),
    )
