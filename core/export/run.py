"""Exports: the selected rows as a file, or as a folder with a data card and a ready config.

Written in a hidden folder and renamed when whole. A folder also holds export.json, which names
its files: only those does an overwrite take away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from core.export import data_card
from core.export.trainers import MODEL, TRAINERS, Job, check_rows
from core.export.trainers import check as check_trainer
from core.export.writers import FORMATS, examples
from core.export.writers import jsonl_lines as jsonl_lines
from core.jobs.progress import say
from core.jobs.record import NOW, lock_file
from core.settings import check, setting
from core.workspace.files import disk_full, fsync, read_json, sha256_file, write_json
from core.workspace.store import Workspace

MANIFEST = "export.json"
LOCK, OLD = "lock", "old"
"""Names in the hidden folder: held while an export is at work; what it replaces."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to write and where."""

    selection: str = setting(help="Selection id", hidden=True)
    format: str = setting(
        "jsonl",
        help="jsonl, parquet and datasets have the data's own columns; alpaca, messages and "
        "sharegpt what was understood of them",
        choices=tuple(FORMATS),
    )
    out: str = setting(
        help="Where to: named with the format's suffix, such as .jsonl, a file; without a suffix a "
        "folder with a data card"
    )
    config: str = setting(
        "none", help="Also write what a trainer needs", choices=("none", *TRAINERS)
    )
    model: str = setting(MODEL, help="What the config trains: a hub id or a directory")
    overwrite: bool = setting(False, help="Replace an earlier export of that name")

    def __post_init__(self) -> None:
        check(self)
        if self.config != "none":
            check_trainer(self.config, self.format, self.model)


class Export(NamedTuple):
    """A format, for a list of them."""

    format: str
    sentence: str
    suffix: str
    """Of a single file; empty where it is always a folder."""
    configs: tuple[str, ...]
    """Trainers that read it."""


def exports() -> list[Export]:
    """List the formats."""
    return [
        Export(
            name,
            form.sentence,
            pathlib.PurePath(form.file).suffix,
            tuple(t for t, trainer in TRAINERS.items() if name in trainer.formats),
        )
        for name, form in FORMATS.items()
    ]


def run(workspace: Workspace, settings: Settings) -> str:
    """Write the selection; return the path.

    Raises:
        ValueError: the target exists or cannot be written, or a row does not fit the format.
    """
    s = settings
    artifact = workspace.open(s.selection, "selection")
    form = FORMATS[s.format]
    out = pathlib.Path(s.out).expanduser().absolute()
    folder = _is_folder(out, s)
    if s.config != "none":
        dataset = workspace.ancestor(artifact, "dataset")
        check_rows(s.config, examples(workspace, artifact), dataset.id)
    with _whole(out, folder, s.overwrite) as temp:
        if folder:
            temp.mkdir()
        form.write(temp / form.file if folder else temp, workspace, artifact)
        if folder:
            facts = {
                "selection": artifact.id,
                "format": s.format,
                "config": s.config,
                "rows": artifact.summary["rows"],
                "ids_sha256": artifact.summary["ids_sha256"],
            }
            texts = {}
            command = ""
            if s.config != "none":
                job = Job(s.format, form.file, s.model, artifact.summary["rows"])
                texts, command = TRAINERS[s.config].files(job), TRAINERS[s.config].command
            texts["README.md"] = data_card.write(workspace, artifact, s.format, command)
            for name, text in texts.items():
                (temp / name).write_text(text, encoding="utf-8")
            files = {p.name: sha256_file(p) for p in sorted(temp.iterdir())}
            write_json(temp / MANIFEST, {**facts, "files": files})
    rows = artifact.summary["rows"]
    say(f"{rows:,} rows in {out} (ids sha256 {artifact.summary['ids_sha256']})")
    return str(out)


def write(
    workspace: Workspace,
    selection_id: str,
    target: str | pathlib.Path,
    *,
    format: str = "jsonl",
    config: str = "none",
    model: str = MODEL,
    overwrite: bool = False,
) -> pathlib.Path:
    """Write a selection to a file or folder; return its path.

    Raises:
        ValueError: as `run`.
    """
    settings = Settings(
        selection=selection_id,
        format=format,
        out=str(target),
        config=config,
        model=model,
        overwrite=overwrite,
    )
    return pathlib.Path(run(workspace, settings))


def _is_folder(out: pathlib.Path, settings: Settings) -> bool:
    """Say whether a folder is wanted, by the target's suffix."""
    suffix = pathlib.PurePath(FORMATS[settings.format].file).suffix
    if not out.suffix:
        return True
    if out.suffix != suffix:
        file = f"a file that ends in {suffix} or " if suffix else ""
        raise ValueError(
            f"--format {settings.format} writes {file}a folder with no dot in its name, not "
            f"{out.name}; choose another --out"
        )
    if settings.config != "none":
        raise ValueError(
            f"--config {settings.config} writes a folder; name --out without a suffix, not {out}"
        )
    return False


@contextlib.contextmanager
def _whole(out: pathlib.Path, folder: bool, overwrite: bool) -> Iterator[pathlib.Path]:
    """Give a name in a hidden folder; what stands there is renamed at the end, or deleted.

    Raises:
        ValueError: the target exists, or cannot be written, or another export to it is at work.
    """
    _check_target(out, folder, overwrite)
    try:
        with _beside(out) as place:
            _check_target(out, folder, overwrite)  # an earlier export may have come back
            temp = place / "new"
            yield temp
            for path in [*temp.rglob("*"), temp]:
                fsync(path)
            _check_target(out, folder, overwrite)  # somebody else may have been quicker
            if folder and out.exists():
                out.rename(place / OLD)
            temp.replace(out)
            fsync(out.parent)
    except OSError as e:
        why = "the disk is full" if disk_full(e) else e.strerror or f"{e}"
        raise ValueError(
            f"{out} cannot be written: {why}; nothing is left of it, choose another --out"
        ) from e


@contextlib.contextmanager
def _beside(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a hidden folder beside the target, which nobody else has, and take it away at the end.

    Its owner holds a lock in it: where it stands and the lock is free, an export was killed.
    """
    place = out.with_name(f".{out.name}.partial")
    lock = _take(place, out)
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
        os.close(lock)


def _take(place: pathlib.Path, out: pathlib.Path) -> int:
    """Make a folder and lock it; closing what is returned frees it."""
    while True:
        place.mkdir(exist_ok=True)
        try:
            lock = lock_file(place / LOCK, NOW)
        except FileNotFoundError:  # its owner took it away meanwhile
            continue
        except BlockingIOError:
            raise ValueError(
                f"another export to {out} is at work; wait for it or choose another --out"
            ) from None
        with contextlib.suppress(FileNotFoundError):  # as above, between opening and locking it
            if os.path.samestat(os.fstat(lock), (place / LOCK).stat()):
                return lock
        os.close(lock)


def _tidy(place: pathlib.Path, out: pathlib.Path) -> bool:
    """Delete what stands in the hidden folder; say if an export that was to go came back."""
    back = (place / OLD).exists() and not out.exists()
    if back:
        (place / OLD).rename(out)
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    return back


def _check_target(out: pathlib.Path, folder: bool, overwrite: bool) -> None:
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}; make it first")
    if not out.exists():
        return
    if not overwrite:
        raise ValueError(f"{out} exists; choose another --out, or give --overwrite yes")
    if folder != out.is_dir():
        raise ValueError(f"{out} is a {'file' if folder else 'folder'}; choose another --out")
    if not folder:
        return
    known = read_json(out / MANIFEST)
    if known is None:
        raise ValueError(f"{out} is no earlier export; choose another --out")
    strange = {p.name for p in out.iterdir()} - {MANIFEST, *known["files"]}
    if strange:
        raise ValueError(
            f"{out} also holds {', '.join(sorted(strange)[:3])}, which no export wrote; move that "
            "away or choose another --out"
        )
