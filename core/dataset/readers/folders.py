"""Folders: what the datasets library saved, one data file, or the shards of a split."""

from __future__ import annotations

import pathlib
import re
from typing import TypeVar

from core.dataset.readers.file_types import SUFFIXES
from core.errors import InputError

SAVED = ("state.json", "dataset_dict.json")
"""Files by which a folder of the datasets library is known: of one split, of several."""
BESIDE = ("export.json", "dataset_info.json", "dataset_infos.json")
"""Files that an export or the hub keeps beside its data."""
SPLITS = {"train", "test", "validation", "valid", "val", "dev", "eval"}
"""Names of folders that are splits."""
WORDS = {
    "train": {"train", "training"},
    "test": {"test", "testing"},
    "validation": {"validation", "valid", "val", "dev", "eval"},
}
"""Split -> words by which a file in an archive says that it is of it."""
F = TypeVar("F")
_SHARD = re.compile(
    r"^(?P<split>.*?)[-_.]?(?P<number>\d{4,6})(?:-of-(?P<of>\d{4,6}))?(?:-[0-9a-zA-Z-]+)?$"
)


def is_saved(path: pathlib.Path) -> bool:
    """Return whether the datasets library saved this folder (`save_to_disk`)."""
    return any((path / name).exists() for name in SAVED)


def data_in(path: pathlib.Path) -> pathlib.Path:
    """Return what is to be read of a path: the one data file of a folder, else the path itself.

    Raises:
        InputError: a folder has no data file, or several that are no shards.
    """
    if not path.is_dir() or is_saved(path):
        return path
    files = _files(path)
    if len(files) == 1 and not _SHARD.match(_stem(files[0].name)):
        return files[0]
    shards_by_split(path)
    return path


def shards(path: pathlib.Path, split: str) -> list[pathlib.Path]:
    """Return the files of a folder that hold a split, in the order of their numbers.

    Raises:
        InputError: there is no such split, or a file of it is missing.
    """
    return of_split(str(path), shards_by_split(path), split)


def shards_by_split(path: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """Return the data files of a folder, or of the one folder in it that has any, by split.

    Raises:
        InputError: there is none, or several that are no shards.
    """
    if here := _files(path):
        return by_split(str(path), here, [f.name for f in here], alone=True)
    below = [folder for folder in _folders(path) if _files(folder)]
    if not below:
        raise InputError(f"{path} has no data file ({', '.join(SUFFIXES)}); give one file")
    if len(below) == 1:
        files = _files(below[0])
        return by_split(str(below[0]), files, [f.name for f in files], alone=False)
    if {folder.name for folder in below} <= SPLITS:
        return {folder.name: _files(folder) for folder in below}
    named = ", ".join(str(folder.relative_to(path)) for folder in below[:5])
    raise InputError(f"{path} has data in {len(below):,} folders: {named}; give one of them")


def by_split(where: str, files: list[F], names: list[str], *, alone: bool) -> dict[str, list[F]]:
    """Return files by the split that their names say: what stands before their numbers.

    Args:
        where: What holds them, for the message.
        files: In the order of their names.
        alone: Whether several without numbers are datasets of their own, rather than splits.

    Raises:
        InputError: they are datasets of their own.
    """
    parts: dict[str, list[F]] = {}
    shards = [_SHARD.match(_stem(name)) for name in names]
    for file, name, shard in zip(files, names, shards, strict=True):
        split = (shard["split"] if shard else _stem(name)) or "train"
        parts.setdefault(split, []).append(file)
    if alone and len(files) > 1 and not any(shards):
        shown = ", ".join(names[:5])
        raise InputError(f"{where} has {len(files):,} data files: {shown}; give one of them")
    for split in parts:
        _whole(where, split, [m for m in shards if m and (m["split"] or "train") == split])
    return parts


def in_archive(
    where: str, files: list[F], names: list[str], split: str
) -> tuple[list[F], list[str]]:
    """Return the files of a split in an archive, and the names of the others.

    A file's folder says its split where it is called like one, else the file's own name does, by
    a word in it: `data/train/x.jsonl`, `my_train.csv`.

    Raises:
        InputError: there are several splits, none of that name, or a file of one is missing.
    """
    data = [i for i, name in enumerate(names) if pathlib.PurePath(name).name not in BESIDE]
    data = data or list(range(len(names)))
    folders = {i: _split_of(pathlib.PurePath(names[i]).parent.name) for i in data}
    by_label: dict[str, list[int]] = {}
    for i in data:
        shard = _SHARD.match(stem := _stem(names[i]))
        own = (shard["split"] if shard else stem) or "train"
        label = folders[i] or _split_of(own) or str(pathlib.PurePath(names[i]).with_name(own))
        by_label.setdefault(label, []).append(i)
    for label, places in by_label.items():
        shards = [_SHARD.match(_stem(names[i])) for i in places]
        if len(places) > 1 and not all(shards):
            shown = ", ".join(names[i] for i in places[:5])
            raise InputError(f"{where} has {len(places):,} data files: {shown}; give one of them")
        _whole(where, label, [shard for shard in shards if shard])
    said = _split_of(split)
    kept = of_split(where, by_label, said if split not in by_label and said in by_label else split)
    left = [names[i] for i in range(len(names)) if i not in kept]
    return [files[i] for i in kept], left


def _split_of(name: str) -> str:
    """Return the split that a name says by one of its words, "" for none or several."""
    words = set(re.split(r"[\W_]+", name.lower()))
    said = {split for split, names in WORDS.items() if words & names}
    return said.pop() if len(said) == 1 else ""


def of_split(where: str, splits: dict[str, list[F]], split: str) -> list[F]:
    """Return the files of a split; of the only one, whatever it is called.

    Raises:
        InputError: there are several, none of that name.
    """
    if split not in splits and len(splits) > 1:
        there = ", ".join(sorted(splits))
        raise InputError(
            f"{where} has no split {split!r}; there are {there}: name one with --split"
        )
    return splits[split] if split in splits else next(iter(splits.values()))


def _whole(where: str, split: str, shards: list[re.Match[str]]) -> None:
    """Refuse a split of which a file is missing.

    Raises:
        InputError: one is.
    """
    asked = max((int(shard["of"]) for shard in shards if shard["of"]), default=0)
    missing = sorted(set(range(asked)) - {int(s["number"]) for s in shards if s["of"]})
    if missing:
        raise InputError(
            f"{where} lacks {len(missing):,} of the {asked:,} files of split {split!r}, first "
            f"number {missing[0]}; add them, or give one file"
        )


def _stem(name: str) -> str:
    """Return a file's name without the ends that say its type and compression."""
    name = pathlib.PurePath(name).name
    while (end := pathlib.PurePath(name).suffix.lower()) in SUFFIXES:
        name = name[: -len(end)]
    return name


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        p
        for p in path.iterdir()
        if p.suffix.lower() in SUFFIXES
        and p.name not in BESIDE
        and not p.name.startswith(".")
        and p.is_file()
    )


def _folders(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the folders of a folder, or those one deeper where these have no files."""

    def inside(folder: pathlib.Path) -> list[pathlib.Path]:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))

    near = inside(path)
    return near if any(map(_files, near)) else [deep for folder in near for deep in inside(folder)]
