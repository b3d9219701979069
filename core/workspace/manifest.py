"""Manifests: what a sealed artifact says of itself, and the checks that it still says the truth."""

from __future__ import annotations
from core.errors import InputError

import contextlib
import functools
import hashlib
import importlib.metadata
import pathlib
import platform
import subprocess
from typing import Any

from core.workspace.files import ROOT, canonical, read_json

SCHEMA = 1
NAME = "manifest.json"
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
    manifest = read_json(folder / NAME)
    if manifest is None:
        raise InputError(f"{folder.name} is damaged: its manifest is missing or is not JSON")
    if isinstance(manifest.get("schema"), int) and manifest["schema"] > SCHEMA:
        raise InputError(
            f"{folder.name} was made by a newer version (schema {manifest['schema']}); update first"
        )
    if manifest.get("self_sha256") != _self_hash(manifest):
        raise InputError(f"{folder.name} is damaged: its manifest was edited or truncated")
    for name, facts in manifest["files"].items():
        file = folder / name
        if not file.exists():
            raise InputError(f"{folder.name} is damaged: {name} is missing")
        size = file.stat().st_size
        if size != facts["bytes"]:
            raise InputError(
                f"{folder.name} is damaged: {name} has {size} bytes, not {facts['bytes']}"
            )
    return manifest


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
        canonical({k: v for k, v in manifest.items() if k != "self_sha256"}).encode()
    ).hexdigest()
