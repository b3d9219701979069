"""Files that are whole or absent: atomic JSON, append-only logs, hashes, words for disk errors."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from core.errors import InputError

ROOT = pathlib.Path(__file__).absolute().parents[2]
"""The repository: where commands run, and whose commit a manifest names."""
DEEPEST = 100
"""Lists and objects of a JSON file that may stand within each other: ours have seven."""
SETTLED = 2.0
"""Seconds after which a file's times tell a later change; clocks of file systems are coarse."""
NO_FILES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What opening may wait on for ever, or act on."""
T = TypeVar("T")


def given(text: str) -> pathlib.Path:
    """Return the path that a person names, ~ replaced: of a regular file, a folder or nothing yet.

    Raises:
        InputError: it cannot be opened, or opening it could hang.
    """
    try:
        path = pathlib.Path(text).expanduser()
        if path.is_symlink() and not path.exists():
            path.resolve(strict=True)  # says where it goes round in a circle
    except FileNotFoundError:
        raise InputError(f"{text} is a link that leads to nothing; name another file") from None
    except RuntimeError as e:  # nobody has this home, or links go round in a circle
        why = str(e) if "home" in str(e) else "its symbolic links go round in a circle"
        raise InputError(f"{text:.300} cannot be found: {why}; name another file") from None
    except (ValueError, OSError) as e:
        cause = getattr(e, "strerror", None) or e
        raise InputError(f"{text!r:.300} cannot be opened: {cause}; name another file") from None
    return regular(path)


def regular(path: pathlib.Path) -> pathlib.Path:
    """Return a path that can be opened without hanging.

    Raises:
        InputError: it is a pipe, a socket or a device, or the system refuses it.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as e:
        raise InputError(f"{path!s:.300} cannot be opened: {e.strerror}; name another") from None
    except ValueError as e:  # a NUL
        raise InputError(f"{str(path)!r:.300} cannot be opened: {e}; name another") from None
    if kind in NO_FILES:
        raise InputError(f"{path} is {NO_FILES[kind]}; only regular files are read, so name one")
    return path


@contextlib.contextmanager
def unchanged(path: pathlib.Path) -> Iterator[None]:
    """Refuse what was read of a file that somebody wrote to meanwhile; folders are not looked at.

    Raises:
        InputError: at the end, the file is another than at the beginning.
    """
    before = _version(path)
    yield
    if _version(path) != before:
        raise InputError(f"{path} changed while it was read; do it again, or give a copy")


def _version(path: pathlib.Path) -> tuple[int, ...]:
    """Return what changes when a file is written to or replaced; () where there is none."""
    try:
        s = path.stat()
    except OSError:
        return ()
    if not stat.S_ISREG(s.st_mode):
        return ()
    return s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns


def newer(path: pathlib.Path, moment: str) -> bool:
    """Say whether a file, or a folder or a file in it, was written to after a moment.

    Args:
        path: Of the file or folder.
        moment: ISO 8601, UTC.
    """
    then = dt.datetime.fromisoformat(moment).timestamp()
    # not the time of the inode: that of a folder copied or restored whole is new
    parts = (path, *path.iterdir()) if path.is_dir() else (path,)
    return any(p.stat().st_mtime > then for p in parts if p.exists())


def canonical(value: Any) -> str:
    """Return JSON that is equal for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def fingerprint(*parts: Any) -> str:
    """Hash plain data to 16 hex digits."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()[:16]


def sha256_file(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file's content in hex."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def folders_in(folder: pathlib.Path | str) -> list[os.DirEntry[str]]:
    """List the folders in one; a link that goes round in a circle, or where nobody may, is none."""
    out = []
    for item in os.scandir(folder):
        with contextlib.suppress(OSError):
            out += [item] if item.is_dir() else []
    return out


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write JSON atomically: a reader sees the old file or the whole new one."""
    _replace(path, json.dumps(value, indent=1, ensure_ascii=False))


def write_jsonl(path: pathlib.Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a whole log atomically, one record a line."""
    _replace(path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))


def _replace(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temp.open("w", encoding="utf-8", errors="backslashreplace") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        rename(temp, path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise


def read_jsonl(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of an append-only log; a line that is torn, or no object, is left out."""
    if not path.is_file():
        return
    with path.open("rb") as f:
        for line in f:
            if line.endswith(b"\n") and (record := parse_object(line)) is not None:
                yield record


def append_jsonl(path: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Append one line in one write."""
    with path.open("a", encoding="utf-8") as f:
        f.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_json(path: pathlib.Path) -> dict[str, Any] | None:
    """Read a JSON object, None where there is none to be read: no pipe or folder is opened."""
    try:
        return parse_object(path.read_bytes()) if path.is_file() else None
    except OSError:
        return None


def parse_object(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a text, None where it is none, is torn or nested too deep."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if text.count(b"[") + text.count(b"{") > DEEPEST and _deeper(value, DEEPEST):
        return None
    return value if isinstance(value, dict) else None


def _deeper(value: Any, levels: int) -> bool:
    """Say whether lists and objects stand within each other deeper than so many levels."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(v, levels - 1) for v in inner)


def while_unchanged(read: Callable[[str], T]) -> Callable[[str], T]:
    """Keep what a function reads from a file until the file changes; one stat tells.

    All threads share what is returned: it must not be changed.
    """
    kept: dict[str, tuple[tuple[int, ...], T]] = {}

    def reader(path: str) -> T:
        try:
            s = os.stat(path)  # noqa: PTH116
        except OSError:
            kept.pop(path, None)
            return read(path)
        now = (s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
        if (known := kept.get(path)) and known[0] == now:
            return known[1]
        value = read(path)
        if max(s.st_mtime, s.st_ctime) < time.time() - SETTLED:
            kept[path] = now, value
        return value

    return reader


def fsync(path: pathlib.Path) -> None:
    """Make a file's content, or the names in a directory, survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as e:
        if not (path.is_dir() and e.errno in (errno.EINVAL, errno.ENOTSUP, errno.EBADF)):
            raise  # some network file systems cannot do it for directories
    finally:
        os.close(fd)


def rename(path: pathlib.Path, target: pathlib.Path) -> None:
    """Rename a file or directory for good: after this returns, a power cut does not undo it.

    A file takes the place of a file, a directory that of an empty directory.
    """
    if path.is_dir():
        path.rename(target)
    else:
        path.replace(target)
    fsync(target.parent)
    if path.parent != target.parent:
        fsync(path.parent)


def remove(folder: pathlib.Path) -> None:
    """Delete a folder: nobody sees half of it, and a crash half-way leaves a hidden one.

    Of a symbolic link only the link goes.

    Raises:
        FileNotFoundError: somebody else was quicker.
    """
    doomed = folder.with_name(".deleted-" + folder.name)
    if folder.is_symlink():  # of whoever put it there: what it leads to is not ours
        folder.unlink()
        return
    rename(folder, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


DISK_FULL: tuple[tuple[type[Exception], str], ...] = (
    (OSError, r"\d+ requested and \d+ written"),  # numpy's tofile
    (RuntimeError, r"PytorchStreamWriter failed|inline_container\S* \. unexpected pos"),  # torch's
    (RuntimeError, r"basic_ios::clear: iostream error"),  # torch's, where nothing could be written
    (Exception, r"No space left on device"),  # Rust's and others', of whatever type
)
"""What writers that lose the error number say of a full disk, and how they raise it."""


def disk_full(error: BaseException) -> bool:
    """Say whether a writer failed for want of space."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(isinstance(error, kind) and re.search(text, str(error)) for kind, text in DISK_FULL)


def explain_os_error(error: OSError) -> str:
    """Turn an operating-system error into a sentence that says what to do."""
    where = f" at {error.filename}" if error.filename else ""
    if disk_full(error):
        return f"the disk is full{where}; free some space and run the same command with --resume"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no right to use this place{where} ({error.strerror}); choose another --workspace"
    return f"{error.strerror or error}{where}"
