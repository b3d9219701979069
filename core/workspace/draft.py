"""A draft: an artifact being made.

Work happens in `<id>.partial/`. Sealing writes `manifest.json` last and renames the directory, so a
directory without the suffix is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import math
import os
import pathlib
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

from core.errors import InputError
from core.workspace import manifest as manifests
from core.workspace.artifact import PARTIAL, RUN, Artifact, new_id, utc_now
from core.workspace.files import fsync, remove, rename, sha256_file, write_json
from core.workspace.locks import lock_within


class InUse(InputError):
    """A process is at work on it."""


class Ended(InputError):
    """It was sealed or deleted a moment ago: its folder is no draft any more."""


def check_there(folder: pathlib.Path) -> None:
    """Raise where a draft was deleted: who writes on would make its folder, and all above, again.

    Raises:
        Ended: its run.json is gone.
    """
    if not (folder / RUN).exists():
        raise Ended(f"{folder} was deleted while it was at work; nothing was kept")


@dataclasses.dataclass
class Draft:
    """An artifact being made; `seal` turns it into an `Artifact`.

    Its maker holds a lock on run.json, so that nobody else continues or deletes it meanwhile.
    """

    path: pathlib.Path
    run: dict[str, Any]
    lock: IO[bytes]
    clock: float = math.inf
    """Seconds since the machine started when it was begun, if this process began it."""

    @property
    def id(self) -> str:
        return str(self.run["id"])

    def seal(self, summary: Mapping[str, object], *, drop: tuple[str, ...] = ()) -> Artifact:
        """Write the manifest last, fsync, and rename the directory.

        Args:
            summary: The few numbers a listing shows.
            drop: Work files below the directory that are not part of the artifact.

        Raises:
            OSError: the disk is full or not writable; the draft stays and can be resumed.
            Ended: somebody deleted it meanwhile.
        """
        check_there(self.path)
        files = {}
        for file in sorted(p for p in self.path.rglob("*") if p.is_file()):
            inside = file.relative_to(self.path)
            left_out = inside.parts[0] in (RUN, manifests.NAME, *drop)
            if left_out or file.name.startswith("."):  # dots: what a killed writer left
                continue
            fsync(file)
            files[inside.as_posix()] = {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
        for folder in (p for p in self.path.rglob("*") if p.is_dir()):
            fsync(folder)
        seconds = time.monotonic() - self.clock
        if seconds < 0:  # resumed: by the time of day, which may have been put back
            started = dt.datetime.fromisoformat(self.run["created"])
            seconds = max(0.0, (utc_now() - started).total_seconds())
        facts = {**self.run, "summary": summary, "seconds": round(seconds, 1), "files": files}
        manifest = manifests.signed(facts)
        write_json(self.path / manifests.NAME, manifest)
        return self.finish_rename(manifest)

    def read_manifest(self) -> dict[str, Any] | None:
        """Return the manifest of a draft whose maker was killed after writing it, else None."""
        try:
            return manifests.read(self.path)
        except InputError:
            return None

    def finish_rename(self, manifest: dict[str, Any]) -> Artifact:
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
        rename(self.path, final)
        (final / RUN).unlink(missing_ok=True)
        self.lock.close()
        return Artifact(final, manifest)

    def discard(self) -> None:
        """Delete the unfinished work."""
        with contextlib.suppress(FileNotFoundError):  # by somebody else, meanwhile
            remove(self.path)
        self.lock.close()


def begin(folder: pathlib.Path, run: dict[str, Any]) -> Draft:
    """Make and lock the draft of a run in the folder of its kind: nobody sees it before.

    Args:
        run: What its run.json says, but its id and when it was created, which are filled in.
    """
    now = utc_now()
    run["created"] = now.isoformat(timespec="milliseconds")
    while True:
        run["id"] = new_id(now, os.listdir(folder))  # noqa: PTH208
        path = folder / (run["id"] + PARTIAL)
        hidden = path.with_name(".new-" + path.name)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                hidden.mkdir()
                break
    try:
        write_json(hidden / RUN, run)
        lock = lock_draft(hidden)
        rename(hidden, path)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)  # its file may stand by now
        raise
    return Draft(path, run, lock, time.monotonic())


DYING = 3.0
"""Seconds that a killed run may take to give its memory, and then its locks, back."""
MOMENT = 0.5
"""Seconds to wait for who only looks whether a run is at work, or is deleting it."""


def lock_draft(draft: pathlib.Path, patience: float = 0.0) -> IO[bytes]:
    """Lock a draft; the lock lasts as long as the file returned is open.

    Args:
        patience: Seconds to wait for who has it.

    Raises:
        InUse: another process has it.
        Ended: who had it has ended it meanwhile.
    """
    name = draft.name.removesuffix(PARTIAL)
    try:
        lock = (draft / RUN).open("r+b")
    except FileNotFoundError:
        raise Ended(f"{name} ended just now; look again") from None
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands(draft, lock):
                return lock
            lock.close()
            raise Ended(f"{name} ended just now; look again")
        except BlockingIOError:
            if time.monotonic() >= deadline:
                break
        time.sleep(0.05)
    lock.close()
    raise InUse(f"{name} is being worked on; wait for that run or stop it")


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Let one process at a time go through, where the file system can lock folders.

    Raises:
        InputError: another process does not let go of it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            lock_within(handle, folder)
        yield
    finally:
        os.close(handle)


def _stands(draft: pathlib.Path, lock: IO[bytes]) -> bool:
    """Return whether the file that was locked is still the one in the draft's folder."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (draft / RUN).stat())
    except FileNotFoundError:
        return False
