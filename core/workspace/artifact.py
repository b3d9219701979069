"""An artifact: sealed, listed, or still a draft; its directory and its manifest.

Work happens in `<id>.partial/`. Sealing writes `manifest.json` last and renames the directory, so a
directory without the suffix is whole.
"""

from __future__ import annotations
from core.errors import InputError

import dataclasses
import datetime as dt
import fcntl
import pathlib
import secrets
import shutil
from typing import IO, Any, Literal, get_args

from core.workspace import manifest as manifests
from core.workspace.files import fsync, read_json, sha256_file, write_json

Kind = Literal[
    "dataset", "trajectories", "layout", "transfer", "clusters", "selection", "finetune", "study"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["sealed", "unfinished", "damaged"]
PARTIAL = ".partial"
EXTENDS = "extends"
"""The parent that an artifact carries on: of its own kind, and not what it was made from."""
MATCHES = "matches"
"""The parent that a selection is as large as: it was not made from it."""
BESIDE = (EXTENDS, MATCHES)
"""Parents that have a lineage of their own."""
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
        return self.settle(manifest)

    def whole(self) -> dict[str, Any] | None:
        """Return the manifest of a draft whose maker was killed after writing it, else None."""
        try:
            return manifests.read(self.path)
        except InputError:
            return None

    def settle(self, manifest: dict[str, Any]) -> Artifact:
        """Drop what is not part of the artifact, now that its manifest stands, and rename it."""
        kept = {pathlib.PurePath(name).parts[0] for name in manifest["files"]}
        for path in self.path.iterdir():
            if path.name in kept | {manifests.NAME, RUN}:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        final = self.path.with_name(self.id)
        self.path.rename(final)
        fsync(final.parent)
        (final / RUN).unlink(missing_ok=True)
        self.lock.close()
        return Artifact(final, manifest)

    def discard(self) -> None:
        """Delete the unfinished work."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


def new_id(now: dt.datetime) -> str:
    """Return a UTC time to the millisecond plus 4 hex digits: ids sort by age."""
    return f"{now:%Y%m%d-%H%M%S}{now.microsecond // 1000:03d}-{secrets.token_hex(2)}"


def utc_now() -> dt.datetime:
    """Return the time now, in UTC."""
    return dt.datetime.now(dt.UTC)


def claim(draft: pathlib.Path) -> IO[bytes]:
    """Lock a draft; the lock lasts as long as the file returned is open.

    Raises:
        InputError: another process has it.
    """
    lock = (draft / RUN).open("r+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        name = draft.name.removesuffix(PARTIAL)
        raise InputError(f"{name} is being worked on; wait for that run or stop it") from None
    return lock


def entry(kind: Kind, path: pathlib.Path) -> Entry:
    """Describe one directory of a workspace, whatever its state."""
    state: State = "unfinished"
    problem = ""
    if path.name.endswith(PARTIAL):
        facts = read_json(path / RUN) or {}
    else:
        try:
            facts, state = manifests.read(path), "sealed"
        except InputError as e:
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
