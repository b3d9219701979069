"""Exports: the selected rows as a file, or as a folder with a data card and a ready config.

Written in a hidden folder and renamed when whole. A folder also holds export.json, which names
its files: only those does an overwrite take away.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib

from core.errors import InputError
from core.export import data_card
from core.export.target import MANIFEST, publish
from core.export.trainers import MODEL, TRAINERS, TrainingJob, check_rows
from core.export.trainers import check as check_trainer
from core.export.turn_formats import NOTHING, carried
from core.export.writers import EXPORT_FORMATS, examples
from core.jobs.progress import say
from core.selection.artifact import SelectionSummary
from core.settings import Group, setting
from core.workspace.files import read_json, sha256_file, write_json
from core.workspace.store import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """What to write and where."""

    selection: str = setting(help="Selection id", hidden=True)
    format: str = setting(
        "jsonl",
        help="jsonl, parquet and datasets have the data's own columns; alpaca, messages and "
        "sharegpt what was understood of them",
        choices=tuple(EXPORT_FORMATS),
    )
    out: str = setting(
        help="Where to: named with the format's suffix, such as .jsonl, a file; without a suffix a "
        "folder with a data card",
        names="export",
    )
    config: str = setting(
        "none", help="Also write what a trainer needs", choices=("none", *TRAINERS)
    )
    model: str = setting(MODEL, help="What the config trains: a hub id or a directory")
    overwrite: bool = setting(False, help="Replace an earlier export of that name")

    def validate(self) -> None:
        if self.config != "none":
            check_trainer(self.config, self.format, self.model)


def run(workspace: Workspace, settings: Settings) -> str:
    """Write the selection; return the path.

    Raises:
        InputError: the target exists or cannot be written, or a row does not fit the format.
    """
    s = settings
    artifact = workspace.open(s.selection, "selection")
    form = EXPORT_FORMATS[s.format]
    out = pathlib.Path(s.out).expanduser().absolute()
    folder = _is_folder(out, s)
    there, left_out = NOTHING, []
    if s.config != "none":
        dataset = artifact.ancestor("dataset")
        check_rows(s.config, s.format, examples(artifact), dataset.id)
        there = carried(examples(artifact))
        trainer = TRAINERS[s.config]
        left_out = [f"{trainer.title} {loss}" for loss in trainer.losses(there)]
    selected = artifact.summary_as(SelectionSummary)
    with publish(out, folder, s.overwrite) as temp:
        if folder:
            temp.mkdir()
        written = temp / form.file if folder else temp
        write = functools.partial(form.write, trained=True) if s.config != "none" else form.write
        left_out += write(written, artifact)
        if folder:
            facts = {
                "selection": artifact.id,
                "format": s.format,
                "config": s.config,
                "rows": selected["rows"],
                "ids_sha256": selected["ids_sha256"],
                "left_out": left_out,
            }
            texts = {}
            command = ""
            if s.config != "none":
                job = TrainingJob(s.format, form.file, s.model, selected["rows"], there)
                texts, command = TRAINERS[s.config].files(job), TRAINERS[s.config].command
            texts["README.md"] = data_card.write(artifact, s.format, command, left_out)
            for name, text in texts.items():
                (temp / name).write_text(text, encoding="utf-8")
            files = {p.name: sha256_file(p) for p in sorted(temp.iterdir())}
            write_json(temp / MANIFEST, {**facts, "files": files})
    for note in left_out:
        say(note)
    say(f"{selected['rows']:,} rows in {out} (ids sha256 {selected['ids_sha256']})")
    return str(out)


def left_out(folder: pathlib.Path) -> list[str]:
    """Return what the format or the trainer of an export leaves out, a sentence each."""
    return list((read_json(folder / MANIFEST) or {}).get("left_out", []))


def _is_folder(out: pathlib.Path, settings: Settings) -> bool:
    """Say whether a folder is wanted, by the target's suffix."""
    suffix = pathlib.PurePath(EXPORT_FORMATS[settings.format].file).suffix
    if not out.suffix:
        return True
    if out.suffix != suffix:
        file = f"a file that ends in {suffix} or " if suffix else ""
        raise InputError(
            f"--format {settings.format} writes {file}a folder with no dot in its name, not "
            f"{out.name}; choose another --out"
        )
    if settings.config != "none":
        raise InputError(
            f"--config {settings.config} writes a folder; name --out without a suffix, not {out}"
        )
    return False
