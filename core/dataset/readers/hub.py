"""What the datasets library reads: folders that it saved, and datasets of the hub."""

from __future__ import annotations

import importlib.util
import os
import pathlib

import pyarrow as pa

from core.dataset.readers.file_types import SUFFIXES
from core.dataset.readers.saved_files import refuse_not_written_out
from core.errors import InputError

FIRST = 200
"""Rows fetched of a dataset of which the beginning is enough."""


def from_disk(path: pathlib.Path, split: str) -> pa.Table:
    """Return a split of a folder that the datasets library saved.

    Raises:
        InputError: it is broken, may grow beyond reason, or has no such split.
    """
    import datasets

    refuse_not_written_out(path)
    try:
        loaded = datasets.load_from_disk(str(path))
        if isinstance(loaded, datasets.Dataset):
            return loaded.with_format("arrow")[:]
        if split in loaded:
            return loaded[split].with_format("arrow")[:]
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as e:
        seen = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(
            f"{path} cannot be read as a folder of the datasets library ({seen}); save it again"
        ) from e
    there = ", ".join(map(str, loaded))
    raise InputError(f"{path} has no split {split!r}; there are {there}: name one with --split")


def is_file_type(name: str) -> bool:
    """Say whether the datasets library reads the files around it by this name, asking no hub."""
    spec = importlib.util.find_spec("datasets")
    places = spec.submodule_search_locations if spec else []
    try:
        return any(pathlib.Path(p, "packaged_modules", name).is_dir() for p in places or [])
    except (OSError, ValueError):
        return False


def refuse_local(name: str) -> None:
    """Refuse a name for which the datasets library would read what lies around it.

    Raises:
        InputError: it is such a name.
    """
    repository, _, configuration = name.partition(":")
    if is_file_type(repository):
        raise InputError(
            f"{name}: no such file; {repository!r} is a file type and no hub dataset, which is "
            "owner/name: give the path of the file"
        )
    if configuration and os.path.lexists(repository):
        raise InputError(
            f"{name}: {repository} is a file or folder here, not a hub dataset; give its path "
            "alone, a part of it with --split"
        )


def from_hub(name: str, split: str, *, some: bool = False) -> pa.Table:
    """Return a split of a hub dataset, given as owner/name or owner/name:config.

    Args:
        some: Whether its first rows are enough: then no more of it is fetched.

    Raises:
        InputError: it cannot be loaded.
    """
    repository, _, configuration = name.partition(":")
    if (
        name.count("/") > 1
        or name.startswith((".", "~"))
        or repository.endswith((*SUFFIXES, ".txt"))
    ):
        raise InputError(f"{name}: no such file; check the spelling")
    refuse_local(name)
    import datasets

    try:
        more = {"streaming": True} if some else {}
        loaded = datasets.load_dataset(repository, configuration or None, split=split, **more)
        loaded = loaded.with_format("arrow")
        return next(iter(loaded.iter(FIRST))) if some else loaded[:]
    except Exception as e:  # dozens of types, the hub client's own and its transport's
        seen = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(
            f"there is no file {name!r}, and no hub dataset of that name and split {split!r} could "
            f"be loaded ({seen}); check the spelling and the network, or give a file"
        ) from e
