"""What a browser may name: the one place that decides which files a page reads or writes.

Whoever reaches the dashboard acts with the rights of its server. So each path, model and dataset
that is typed, chosen or linked passes here before anything is opened: where it is asked for, and
once more when a job starts. The command line is not limited; its user has those rights anyway.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import re
from typing import TypeVar

from core.dataset.readers.hub import is_file_type
from core.errors import InputError
from core.evaluations.load import each
from core.model import loading
from core.settings import Names, specs
from core.workspace.artifact import KINDS
from core.workspace.files import ROOT, regular
from dashboard.frame import state

T = TypeVar("T")
VARIABLE = "S2L_DATA"
WRITE_VARIABLE = "S2L_EXPORTS"
UPLOADS, EXPORTS = "uploads", "exports"
OWN = (*KINDS, "cache", EXPORTS)
"""Folders of the workspace whose files and folders pages may read; of uploads the files alone."""
LONGEST = 4_096
"""Characters of a path, as the system takes them."""
LONGEST_TEXT = 100_000
"""Characters of any other text of a job: a command takes 131,072 bytes in one argument."""
MOST = 20_000
"""Files and folders of a folder that is read."""
CONFIGURATION = re.compile(r"[^<>:/\\|?*\s\x00-\x1f.-][^<>:/\\|?*\x00-\x1f]{0,199}")
"""What the datasets library takes for the name of a configuration, no leading dot or dash."""


def folders() -> list[pathlib.Path]:
    """Return the folders below which pages may read: those of S2L_DATA, else this repository."""
    named = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    found = [pathlib.Path(os.path.expanduser(part)).resolve() for part in named or [str(ROOT)]]  # noqa: PTH111
    return list(dict.fromkeys(found))


def where() -> str:
    """Name the allowed folders in a sentence."""
    return " or ".join(map(str, folders()))


def readable(text: str, *, files: bool = True, directories: bool = True) -> pathlib.Path:
    """Return the file or folder that a text names, every link followed.

    A relative text is looked for below each allowed folder. Of what lies elsewhere not even its
    existence is told.

    Raises:
        InputError: it is not there, not allowed, hidden, or neither file nor folder.
    """
    inside = [p for p in _candidates(text) if _allowed(p)]
    if not inside:
        raise InputError(
            f"Only files below {where()} can be read from the browser, none that are hidden; "
            f"{VARIABLE} names the allowed folders"
        )
    there = [p for p in inside if _exists(p)]
    if not there:
        raise InputError(f"There is no file {text} below {where()}")
    path = regular(there[0])
    if path.is_dir():
        if not directories:
            raise InputError(f"{text} is a folder; name a file")
        _check_folder(path)
    elif not files:
        raise InputError(f"{text} is no folder")
    elif not os.access(path, os.R_OK):
        raise InputError(f"{text} cannot be read by the server; change its rights")
    return path


def targets() -> list[pathlib.Path]:
    """Return the folders below which pages may write: the workspace's exports, and S2L_EXPORTS'."""
    named = [part for part in os.environ.get(WRITE_VARIABLE, "").split(os.pathsep) if part.strip()]
    return [state.workspace().root / EXPORTS, *map(_resolved, named)]


def writable(text: str) -> pathlib.Path:
    """Return where a page may write: below a target, else InputError."""
    path, places = _resolved(_plain(text)), targets()
    if any(path != p.resolve() and path.is_relative_to(p.resolve()) for p in places):
        return path
    raise InputError(
        f"Pages write below {' or '.join(map(str, places))} alone; use the command line for other "
        f"places, or name more folders in {WRITE_VARIABLE}"
    )


def hub(text: str, *, configuration: bool = True) -> str:
    """Return a hub id, `owner/name` or `name`, a dataset's with `:configuration` if it has one.

    Raises:
        InputError: it is none, or the libraries would take it for something on this machine.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    repository, colon, part = _plain(text).partition(":")
    try:
        validate_repo_id(repository)
        good = repository.isascii() and (not colon or (configuration and _is_configuration(part)))
    except HFValidationError:
        good = False
    if not good:
        form = "owner/name, name or owner/name:configuration" if configuration else "owner/name"
        raise InputError(f"{text} is no hub id; one reads {form}")
    if os.path.lexists(ROOT / repository):
        raise InputError(
            f"{text} is also a file or folder on the server, which would be read instead; "
            "if you mean that, give its whole path"
        )
    if is_file_type(repository):
        raise InputError(f"{text} is a file type, no dataset; give owner/name")
    return text


def model(text: str) -> str:
    """Return a model as a page may name it: from scratch, shrunk, a hub id or an allowed folder.

    Raises:
        InputError: it is none of these.
    """
    _plain(text)
    base = loading.base_of(text)
    if base != text:
        after = text.removeprefix("shrink:").removeprefix(base)
        return f"shrink:{model(base)}{after}"
    if loading.is_scratch(text):
        return text
    if _looks_local(text) or any(_is_folder(p) for p in _candidates(text) if _allowed(p)):
        return _as_typed(text, readable(text, files=False))
    return hub(text, configuration=False)


def dataset(text: str) -> str:
    """Return what to import: the whole path of an allowed file or folder, or a hub id.

    Raises:
        InputError: it is neither.
    """
    return str(readable(text)) if text.startswith(("/", "~")) else hub(text)


def losses(text: str) -> str:
    """Return the whole path of an allowed file or folder with losses; "" is none.

    Raises:
        InputError: there is none such.
    """
    return text and str(readable(text))


def test_set(text: str) -> str:
    """Return a test set: an allowed file or the id of a dataset; "" is the held-out rows.

    Raises:
        InputError: it is neither.
    """
    if re.fullmatch(r"[A-Za-z0-9-]+", text) and not os.path.lexists(ROOT / text):
        try:
            state.workspace().find(text)
            return text
        except InputError:
            pass
    return text and _as_typed(text, readable(text, directories=False))


def _test(text: str) -> str:
    """Return where a named test is: as `test_set`, or a hub id that nothing here is called."""
    plain = re.fullmatch(r"[A-Za-z0-9-]+", text) or _looks_local(text)
    return test_set(text) if plain or any(map(_exists, _candidates(text))) else hub(text)


CHECKS = {
    "dataset": dataset,
    "model": model,
    "losses": losses,
    "scores": losses,
    "test set": test_set,
    "tests": lambda text: text and each(text, _test),
    "export": lambda text: str(writable(text)),
}
"""What a setting names -> the function that returns it checked, or raises InputError."""


def check(names: Names, text: str) -> str:
    """Return a text that names such a thing as a job may be given it.

    Raises:
        InputError: a page may not name it, or there is no such thing.
    """
    return CHECKS[names](text) if names else text


def checked(settings: T, *, again: bool = False) -> T:
    """Return settings that a page may start a job with: all they name is allowed.

    Args:
        settings: As they were typed, chosen or linked.
        again: Whether a job had them before, and will have them as they are.

    Raises:
        InputError: something is not allowed.
    """
    changes = {}
    for spec in specs(type(settings)):
        value = getattr(settings, spec.name)
        if not isinstance(value, str):
            continue
        if "\0" in value or len(value.encode(errors="replace")) > LONGEST_TEXT:
            raise InputError(f"{spec.label} has a character or a length that no command takes")
        if value != spec.default:
            new = changes[spec.name] = check(spec.names, value)
            if again and new != value and not value.removeprefix("shrink:").startswith(("/", "~")):
                raise InputError(f"{spec.label} {value} is elsewhere for a job; start it anew")
    return dataclasses.replace(settings, **changes)  # type: ignore[type-var]


def _plain(text: str) -> str:
    """Return a text that can be a path or an id."""
    if not text or len(text) > LONGEST or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InputError(f"{text[:40]!r} is empty, too long, or has characters that no path has")
    return text


def _candidates(text: str) -> list[pathlib.Path]:
    """Return the places that a text can mean, every link followed."""
    try:
        typed = pathlib.Path(_plain(text)).expanduser()
    except RuntimeError:  # ~nobody
        return []
    return [_resolved(root / typed) for root in ([ROOT] if typed.is_absolute() else folders())]


def _resolved(path: str | pathlib.Path) -> pathlib.Path:
    """Return a path with every link followed; one whose links go round in a circle as it is."""
    try:
        return pathlib.Path(path).resolve()
    except (OSError, RuntimeError):
        return pathlib.Path(os.path.abspath(path))  # noqa: PTH100


def _exists(path: pathlib.Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110, a Path's raises where a folder may not be entered


def _is_folder(path: pathlib.Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112, as above


def _allowed(path: pathlib.Path) -> bool:
    """Say whether a page may look at a resolved path."""
    home = state.workspace().root.resolve()
    for own in OWN:
        if path.is_relative_to(place := (home / own).resolve()) and path != place:
            return not _hidden(path, place)
    place = (home / UPLOADS).resolve()
    if path.is_relative_to(place) and path != place:
        return not _hidden(path, place) and not _is_folder(path)
    within = [root for root in folders() if path.is_relative_to(root) and not _hidden(path, root)]
    if path.is_relative_to(home):  # jobs, edits and views are not data
        within = [root for root in within if root != home and root.is_relative_to(home)]
    return bool(within)


def _hidden(path: pathlib.Path, root: pathlib.Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _check_folder(top: pathlib.Path) -> None:
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
                path = _resolved(path)
                if not _allowed(path):
                    raise InputError(f"{item.path} is a link out of {where()}; copy the file")
            if regular(path).is_dir() and path not in seen:
                seen.add(path)
                waiting.append(path)


def _entries(folder: pathlib.Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(itertools.islice(found, MOST + 1))
    except OSError as e:
        raise InputError(f"{folder} cannot be read: {e.strerror}") from None


def _looks_local(text: str) -> bool:
    """Say whether a model's name can only be a path."""
    return text.startswith(("/", ".", "~")) or text.count("/") > 1 or "\\" in text or ":" in text


def _as_typed(text: str, path: pathlib.Path) -> str:
    """Return the text where a job finds the same by it, so that earlier runs are found again."""
    typed = os.path.normpath(ROOT / pathlib.Path(text).expanduser())
    return text if typed == str(path) else str(path)


def _is_configuration(text: str) -> bool:
    return text.isprintable() and CONFIGURATION.fullmatch(text) is not None
