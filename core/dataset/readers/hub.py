"""What the datasets library reads: folders that it saved, and datasets of the hub."""

from __future__ import annotations

import pathlib

import pyarrow as pa

from core.dataset.readers.file_types import SUFFIXES
from core.errors import InputError


def from_disk(path: pathlib.Path, split: str) -> pa.Table:
    """Return a split of a folder that the datasets library saved.

    Raises:
        InputError: it is broken, or has no such split.
    """
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
        if isinstance(found, datasets.Dataset):
            return found.with_format("arrow")[:]
        if split in found:
            return found[split].with_format("arrow")[:]
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as e:
        seen = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(
            f"{path} cannot be read as a folder of the datasets library ({seen}); save it again"
        ) from e
    there = ", ".join(map(str, found))
    raise InputError(f"{path} has no split {split!r}; there are {there}: name one with --split")


def from_hub(name: str, split: str) -> pa.Table:
    """Return a split of a hub dataset, given as owner/name or owner/name:config.

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
    import datasets

    try:
        return datasets.load_dataset(repository, configuration or None, split=split).with_format(
            "arrow"
        )[:]
    except Exception as e:  # dozens of types, the hub client's own and its transport's
        seen = (str(e).strip() or type(e).__name__).splitlines()[0][:300]
        raise InputError(
            f"there is no file {name!r}, and no hub dataset of that name and split {split!r} could "
            f"be loaded ({seen}); check the spelling and the network, or give a file"
        ) from e
