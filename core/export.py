"""Exports: the selected rows as a file, or as a folder with a data card and a ready config.

Written under a hidden name and renamed when whole. A folder also holds export.json, which names
its files: only those does an overwrite take away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import secrets
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from core import card
from core.files import disk_full, fsync, read_json, sha256_file, write_json
from core.progress import say
from core.settings import check, setting
from core.store import Workspace
from core.trainers import MODEL, TRAINERS, Job, check_rows
from core.trainers import check as check_trainer
from core.writers import FORMATS, examples
from core.writers import jsonl_lines as jsonl_lines

MANIFEST = "export.json"


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
            texts["README.md"] = card.write(workspace, artifact, s.format, command)
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
    """Give a hidden name beside the target; what stands there is renamed at the end, or deleted.

    Raises:
        ValueError: the target exists, or cannot be written.
    """
    _check_target(out, folder, overwrite)
    temp = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    old = temp.with_suffix(".old")
    try:
        yield temp
        for path in [*temp.rglob("*"), temp]:
            fsync(path)
        _check_target(out, folder, overwrite)  # somebody else may have been quicker
        if folder and out.exists():
            out.rename(old)
        temp.replace(out)
        fsync(out.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        why = "the disk is full" if disk_full(e) else e.strerror or f"{e}"
        raise ValueError(
            f"{out} cannot be written: {why}; nothing is left of it, choose another --out"
        ) from e
    finally:
        if temp.is_dir():
            shutil.rmtree(temp, ignore_errors=True)
        temp.unlink(missing_ok=True)


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
