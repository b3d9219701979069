"""What a browser may name: the one place that decides which files a page reads or writes.

Whoever reaches the dashboard acts with the rights of its server. So each path, model and dataset
that is typed, chosen or linked passes here before anything is opened: where it is asked for, and
once more when a job starts. The command line is not limited; its user has those rights anyway.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from typing import TypeVar

from core.dataset.readers.hub import is_file_type
from core.errors import InputError
from core.evaluations.load import each
from core.model import loading
from core.settings import specs
from core.spec import Names
from core.workspace.files import ROOT, regular
from dashboard.frame import state
from dashboard.frame.allowed import (
    EXPORTS,
    VARIABLE,
    allowed,
    check_folder,
    exists,
    folders,
    is_folder,
    resolved,
    where,
)

T = TypeVar("T")
WRITE_VARIABLE = "S2L_EXPORTS"
LONGEST = 4_096
"""Characters of a path, as the system takes them."""
LONGEST_TEXT = 100_000
"""Characters of any other text of a job: a command takes 131,072 bytes in one argument."""
CONFIGURATION = re.compile(r"[^<>:/\\|?*\s\x00-\x1f.-][^<>:/\\|?*\x00-\x1f]{0,199}")
"""What the datasets library takes for the name of a configuration, no leading dot or dash."""


def readable(text: str, *, files: bool = True, directories: bool = True) -> pathlib.Path:
    """Return the file or folder that a text names, every link followed.

    A relative text is looked for below each allowed folder. Of what lies elsewhere not even its
    existence is told.

    Raises:
        InputError: it is not there, not allowed, hidden, or neither file nor folder.
    """
    inside = [p for p in _candidates(text) if allowed(p)]
    if not inside:
        raise InputError(
            f"Only files below {where()} can be read from the browser, none that are hidden; "
            f"{VARIABLE} names the allowed folders"
        )
    there = [p for p in inside if exists(p)]
    if not there:
        raise InputError(f"There is no file {text} below {where()}")
    path = regular(there[0])
    if path.is_dir():
        if not directories:
            raise InputError(f"{text} is a folder; name a file")
        check_folder(path)
    elif not files:
        raise InputError(f"{text} is no folder")
    elif not os.access(path, os.R_OK):
        raise InputError(f"{text} cannot be read by the server; change its rights")
    return path


def targets() -> list[pathlib.Path]:
    """Return the folders below which pages may write: the workspace's exports, and S2L_EXPORTS'."""
    named = [part for part in os.environ.get(WRITE_VARIABLE, "").split(os.pathsep) if part.strip()]
    return [state.workspace().root / EXPORTS, *map(resolved, named)]


def writable(text: str) -> pathlib.Path:
    """Return where a page may write: below a target, else InputError."""
    path, places = resolved(_plain(text)), targets()
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
    if _looks_local(text) or any(is_folder(p) for p in _candidates(text) if allowed(p)):
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
    return test_set(text) if plain or any(map(exists, _candidates(text))) else hub(text)


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
    return [resolved(root / typed) for root in ([ROOT] if typed.is_absolute() else folders())]


def _looks_local(text: str) -> bool:
    """Say whether a model's name can only be a path."""
    return text.startswith(("/", ".", "~")) or text.count("/") > 1 or "\\" in text or ":" in text


def _as_typed(text: str, path: pathlib.Path) -> str:
    """Return the text where a job finds the same by it, so that earlier runs are found again."""
    typed = os.path.normpath(ROOT / pathlib.Path(text).expanduser())
    return text if typed == str(path) else str(path)


def _is_configuration(text: str) -> bool:
    return text.isprintable() and CONFIGURATION.fullmatch(text) is not None
