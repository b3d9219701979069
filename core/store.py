"""Artifacts on disk: the only truth. Sealed ones never change, so everything may be cached by id.

Work happens in `<workspace>/<kind>/<id>.partial/`. Sealing writes `manifest.json` last and renames
the directory, so a directory without the suffix is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import secrets
import shutil
import subprocess
from typing import Any, Literal, get_args

from core.files import canonical, fsync_dir, read_json, sha256_file, write_json

Kind = Literal["dataset", "trajectories", "layout", "clusters", "selection", "finetune", "study"]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["sealed", "unfinished", "damaged"]
SCHEMA = 1
PARTIAL = ".partial"
LIBRARIES = ("torch", "transformers", "scikit-learn", "umap-learn", "pandas", "pyarrow")


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


@dataclasses.dataclass
class Draft:
    """An artifact being made; `seal` turns it into an `Artifact`."""

    workspace: Workspace
    path: pathlib.Path
    run: dict[str, Any]

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
        for name in drop:
            shutil.rmtree(self.path / name, ignore_errors=True)
        files = {}
        for file in sorted(p for p in self.path.rglob("*") if p.is_file()):
            if file == self.path / "run.json":
                continue
            files[file.relative_to(self.path).as_posix()] = {
                "bytes": file.stat().st_size,
                "sha256": sha256_file(file),
            }
        started = dt.datetime.fromisoformat(self.run["created"])
        manifest = {
            **{k: self.run[k] for k in ("kind", "id", "name", "created", "config", "parents")},
            "schema": SCHEMA,
            "summary": summary,
            "seconds": round((utc_now() - started).total_seconds(), 1),
            "versions": versions(),
            "files": files,
        }
        manifest["self_sha256"] = _self_hash(manifest)
        write_json(self.path / "manifest.json", manifest)
        (self.path / "run.json").unlink()
        final = self.path.with_name(self.id)
        self.path.rename(final)
        fsync_dir(final.parent)
        return Artifact(final, manifest)

    def discard(self) -> None:
        """Delete the unfinished work."""
        shutil.rmtree(self.path, ignore_errors=True)


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
            fingerprint: Equal for runs that would give the same result; `unfinished` finds by it.

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
        draft = Draft(self, folder / (new + PARTIAL), run)
        write_json(draft.path / "run.json", run)
        return draft

    def unfinished(self, kind: Kind, fingerprint: str, name: str = "") -> Draft | None:
        """Return the newest unfinished run with this fingerprint (and name, if given)."""
        for path in sorted((self.root / kind).glob("*" + PARTIAL), reverse=True):
            run = read_json(path / "run.json")
            if run and run.get("fingerprint") == fingerprint and name in ("", run["name"]):
                return Draft(self, path, run)
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
        artifact = Artifact(path, _read_manifest(path))
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
            ValueError: something depends on it.
        """
        path = self.find(wanted)
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


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that can change a result: our commit, Python, the main libraries."""
    out = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            out[library] = importlib.metadata.version(library)
    root = pathlib.Path(__file__).parent.parent
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():
            command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
            out["code"] = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
    return out


def _entry(kind: Kind, path: pathlib.Path) -> Entry:
    if path.name.endswith(PARTIAL):
        run = read_json(path / "run.json") or {}
        state: State = "unfinished"
        facts, problem = run, ""
    else:
        try:
            facts, state, problem = _read_manifest(path), "sealed", ""
        except ValueError as e:
            facts, state, problem = read_json(path / "manifest.json") or {}, "damaged", str(e)
    parents = facts.get("parents")
    return Entry(
        id=path.name.removesuffix(PARTIAL),
        kind=kind,
        state=state,
        name=str(facts.get("name", "")),
        created=str(facts.get("created", "")),
        problem=problem,
        summary=facts.get("summary") or {},
        config=facts.get("config") or {},
        parents=parents if isinstance(parents, dict) else {},
    )


def _read_manifest(path: pathlib.Path) -> dict[str, Any]:
    manifest = read_json(path / "manifest.json")
    if manifest is None:
        raise ValueError(f"{path.name} is damaged: its manifest is missing or is not JSON")
    if isinstance(manifest.get("schema"), int) and manifest["schema"] > SCHEMA:
        raise ValueError(
            f"{path.name} was made by a newer version (schema {manifest['schema']}); update first"
        )
    if manifest.get("self_sha256") != _self_hash(manifest):
        raise ValueError(f"{path.name} is damaged: its manifest was edited or truncated")
    for name, facts in manifest["files"].items():
        file = path / name
        if not file.exists():
            raise ValueError(f"{path.name} is damaged: {name} is missing")
        size = file.stat().st_size
        if size != facts["bytes"]:
            raise ValueError(
                f"{path.name} is damaged: {name} has {size} bytes, not {facts['bytes']}"
            )
    return manifest


def _self_hash(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(
        canonical({k: v for k, v in manifest.items() if k != "self_sha256"}).encode()
    ).hexdigest()
