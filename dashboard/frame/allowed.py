"""Which folders and files of the disk a page may look at."""

from __future__ import annotations

import itertools
import os
import pathlib

from core.errors import InputError
from core.workspace.artifact import KINDS
from core.workspace.files import ROOT, regular
from dashboard.frame import state

VARIABLE = "S2L_DATA"
UPLOADS, EXPORTS = "uploads", "exports"
OWN = (*KINDS, "cache", EXPORTS)
"""Folders of the workspace whose files and folders pages may read; of uploads the files alone."""
MOST = 20_000
"""Files and folders of a folder that is read."""


def folders() -> list[pathlib.Path]:
    """Return the folders below which pages may read: those of S2L_DATA, else this repository."""
    named = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    places = [os.path.expanduser(part) for part in named or [str(ROOT)]]  # noqa: PTH111
    return list(dict.fromkeys(pathlib.Path(place).resolve() for place in places))


def where() -> str:
    """Name the allowed folders in a sentence."""
    return " or ".join(map(str, folders()))


def resolved(path: str | pathlib.Path) -> pathlib.Path:
    """Return a path with every link followed; one whose links go round in a circle as it is."""
    try:
        return pathlib.Path(path).resolve()
    except (OSError, RuntimeError):
        return pathlib.Path(os.path.abspath(path))  # noqa: PTH100


def exists(path: pathlib.Path) -> bool:
    """Say whether there is something at a path, as far as this process may see."""
    return os.path.exists(path)  # noqa: PTH110, a Path's raises where a folder may not be entered


def is_folder(path: pathlib.Path) -> bool:
    """Say whether a path is a folder that this process may enter."""
    return os.path.isdir(path)  # noqa: PTH112, as above


def allowed(path: pathlib.Path) -> bool:
    """Say whether a page may look at a resolved path."""
    home = state.workspace().root.resolve()
    for own in OWN:
        if path.is_relative_to(place := (home / own).resolve()) and path != place:
            return not _hidden(path, place)
    place = (home / UPLOADS).resolve()
    if path.is_relative_to(place) and path != place:
        return not _hidden(path, place) and not is_folder(path)
    within = [root for root in folders() if path.is_relative_to(root) and not _hidden(path, root)]
    if path.is_relative_to(home):  # jobs, edits and views are not data
        within = [root for root in within if root != home and root.is_relative_to(home)]
    return bool(within)


def _hidden(path: pathlib.Path, root: pathlib.Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def check_folder(top: pathlib.Path) -> None:
    """Refuse a folder that has a link out of the allowed ones, or something that is no file.

    Hidden files are not read, so they are not looked at.
    """
    if state.workspace().root.resolve().is_relative_to(top):
        raise InputError(f"{top} holds the workspace itself; name a folder of data")
    seen, waiting, count = {top}, [top], 0
    while waiting:
        for item in _entries(waiting.pop()):
            if item.name.startswith("."):
                continue
            path, count = pathlib.Path(item.path), count + 1
            if count > MOST:
                raise InputError(f"{top} has more than {MOST:,} files; name a folder of data")
            if item.is_symlink():
                path = resolved(path)
                if not allowed(path):
                    raise InputError(f"{item.path} is a link out of {where()}; copy the file")
            if regular(path).is_dir() and path not in seen:
                seen.add(path)
                waiting.append(path)


def _entries(folder: pathlib.Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(itertools.islice(entries, MOST + 1))
    except OSError as e:
        raise InputError(f"{folder} cannot be read: {e.strerror}") from None
