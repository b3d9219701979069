"""Where an export goes: whole or absent, and never over anything but an earlier export."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import time
from collections.abc import Iterator

from core.errors import InputError
from core.jobs.progress import say
from core.jobs.record import NOW, lock_file
from core.workspace.draft import MOMENT
from core.workspace.files import disk_full, fsync, read_json, rename
from core.workspace.roles import editors

MANIFEST = "export.json"
LOCK, OLD = "lock", "old"
"""Names in the hidden folder: held while an export is at work; what it replaces."""


@editors("export")
@contextlib.contextmanager
def publish(out: pathlib.Path, folder: bool, overwrite: bool) -> Iterator[pathlib.Path]:
    """Yield a path to write to; publish it at `out` on success, delete it on failure.

    Raises:
        InputError: the target exists, or cannot be written, or another export to it is at work.
    """
    _check_target(out, folder, overwrite)
    try:
        with _hidden_folder(out) as place:
            _check_target(out, folder, overwrite)  # an earlier export may have come back
            temp = place / "new"
            yield temp
            for path in [*temp.rglob("*"), temp]:
                fsync(path)
            _check_target(out, folder, overwrite)  # somebody else may have been quicker
            if folder and out.exists():
                rename(out, place / OLD)
            rename(temp, out)
    except OSError as e:
        why = "the disk is full" if disk_full(e) else e.strerror or f"{e}"
        raise InputError(
            f"{out} cannot be written: {why}; nothing is left of it, choose another --out"
        ) from e


@contextlib.contextmanager
def _hidden_folder(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a hidden folder beside the target that nobody else has; delete it at the end.

    Its owner holds a lock in it: where it stands and the lock is free, an export was killed.
    """
    place = out.with_name(f".{out.name}.partial")
    held = _lock_folder(place, out)
    try:
        if any(path.name != LOCK for path in place.iterdir()):
            back = _tidy(place, out)
            more = ", and the export that it was to replace is back" if back else ""
            say(f"an export to {out} was killed half-way; what it left is deleted{more}")
        yield place
    finally:
        _tidy(place, out)
        with contextlib.suppress(OSError):
            (place / LOCK).unlink()
            place.rmdir()
        os.close(held)


def _lock_folder(place: pathlib.Path, out: pathlib.Path) -> int:
    """Make a folder and lock it; closing what is returned frees it."""
    deadline = time.monotonic() + MOMENT
    while True:
        place.mkdir(exist_ok=True)
        try:
            held = lock_file(place / LOCK, NOW)
        except FileNotFoundError:  # its owner took it away meanwhile
            continue
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise InputError(
                f"another export to {out} is at work; wait for it or choose another --out"
            ) from None
        with contextlib.suppress(FileNotFoundError):  # as above, between opening and locking it
            if os.path.samestat(os.fstat(held), (place / LOCK).stat()):
                return held
        os.close(held)


def _tidy(place: pathlib.Path, out: pathlib.Path) -> bool:
    """Delete what stands in the hidden folder; say if an export that was to go came back."""
    back = (place / OLD).exists() and not out.exists()
    if back:
        rename(place / OLD, out)
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    return back


def _check_target(out: pathlib.Path, folder: bool, overwrite: bool) -> None:
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent}; make it first")
    if not out.exists():
        return
    if not overwrite:
        raise InputError(f"{out} exists; choose another --out, or give --overwrite yes")
    if folder != out.is_dir():
        raise InputError(f"{out} is a {'file' if folder else 'folder'}; choose another --out")
    if not folder:
        return
    known = read_json(out / MANIFEST)
    if known is None:
        raise InputError(f"{out} is no earlier export; choose another --out")
    strange = {p.name for p in out.iterdir()} - {MANIFEST, *known["files"]}
    if strange:
        raise InputError(
            f"{out} also holds {', '.join(sorted(strange)[:3])}, which no export wrote; move that "
            "away or choose another --out"
        )
