"""Manifests: what a sealed artifact says of itself, and the checks that it still says the truth."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

from core.errors import InputError
from core.workspace import shape
from core.workspace.files import ROOT, canonical, read_json, while_unchanged

SCHEMA = 1
NAME = "manifest.json"
_PLACES: dict[tuple[str, str], str] = {}
"""Workspace and id -> the manifest that was found there."""
LIBRARIES = ("torch", "transformers", "scikit-learn", "umap-learn", "pandas", "pyarrow")


def signed(facts: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of these facts: with schema, versions and a hash over itself."""
    manifest = {**facts, "schema": SCHEMA, "versions": versions()}
    return {**manifest, "self_sha256": _self_hash(manifest)}


def read(folder: pathlib.Path) -> dict[str, Any]:
    """Read and check the manifest of an artifact, and the sizes of its files.

    Raises:
        InputError: it was made by a newer version, edited, truncated, or a file is not as it says.
    """
    manifest, problem = look(str(folder))
    if problem:
        raise InputError(problem)
    return manifest


def look(folder: str) -> tuple[dict[str, Any], str]:
    """Return what a manifest says, and why it cannot be used; empty where it can.

    Sizes are compared every time; the manifest is read and hashed when it changed.
    """
    manifest, sizes, problem = _checked(f"{folder}/{NAME}")
    for path, size in sizes:
        try:
            bytes_there = os.stat(path).st_size  # noqa: PTH116
        except OSError:
            bytes_there = -1
        if bytes_there != size:
            name = path.removeprefix(f"{folder}/")
            seen = "is missing" if bytes_there < 0 else f"has {bytes_there} bytes, not {size}"
            return manifest, f"{os.path.basename(folder)} is damaged: {name} {seen}"  # noqa: PTH119
    if not problem and _circle(folder, manifest["parents"]):
        name = os.path.basename(folder)  # noqa: PTH119
        return manifest, f"{name} is damaged: it is said to be made from itself"
    return manifest, problem


def _circle(folder: str, parents: dict[str, str]) -> bool:
    """Say whether going up from an artifact leads to it again.

    Ids sort by age, so every circle has a step from an artifact to a parent that is not older;
    one who takes such a step is looked at, which is nobody else but after a clock was put back.
    """
    root, _, own = folder.rpartition("/")
    root = os.path.dirname(root)  # noqa: PTH120
    own = own.removesuffix(".partial")
    if all(parent < own for parent in parents.values()):
        return False
    seen, above = set(), [*parents.values()]
    while above:
        parent = above.pop()
        if parent == own:
            return True
        if parent not in seen and parent.replace("-", "").isalnum():
            seen.add(parent)
            facts = _checked(_place(root, parent))[0].get("parents")
            if isinstance(facts, dict):
                above += [p for p in facts.values() if isinstance(p, str)]
    return False


def _place(root: str, id: str) -> str:
    """Return where the manifest of an artifact is, of whatever kind; no such file if nowhere."""
    known = _PLACES.get((root, id), "")
    if not os.path.exists(known):  # noqa: PTH110
        known = next((f"{p}" for p in pathlib.Path(root).glob(f"*/{id}/{NAME}")), "")
        _PLACES[root, id] = known
    return known or f"{root}/{id}"


@while_unchanged
def _checked(path: str) -> tuple[dict[str, Any], list[tuple[str, int]], str]:
    """Return a manifest, the path and bytes of each file that it names, and what is wrong."""
    folder, manifest = pathlib.Path(path).parent, read_json(pathlib.Path(path))
    if manifest is None:
        return {}, [], f"{folder.name} is damaged: its manifest is missing or is not JSON"
    schema = manifest.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        new = f"{folder.name} was made by a newer version (schema {schema}); update first"
        return manifest, [], new
    if manifest.get("self_sha256") != _self_hash(manifest):
        return manifest, [], f"{folder.name} is damaged: its manifest was edited or truncated"
    if wrong := shape.sealed(manifest, folder.parent.name):
        return manifest, [], f"{folder.name} is damaged: in its manifest {wrong}"
    return manifest, [(f"{folder}/{n}", f["bytes"]) for n, f in manifest["files"].items()], ""


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that can change a result: our commit, Python, the main libraries."""
    out = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            out[library] = importlib.metadata.version(library)
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if (ROOT / ".git").exists():
            command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
            out["code"] = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
    return out


def _self_hash(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(
        canonical({k: v for k, v in manifest.items() if k != "self_sha256"}).encode(
            errors="backslashreplace"
        )
    ).hexdigest()
