"""A whole dataset, whatever holds it: in batches, at once, or only its beginning."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Generator

from core.dataset.readers.arrow_files import tables
from core.dataset.readers.file_types import READERS, read_source
from core.dataset.readers.folders import data_in, in_archive, is_saved, shards
from core.dataset.readers.hub import from_disk, from_hub
from core.dataset.readers.rows import Rows, joined
from core.dataset.readers.sources import ReadOptions, Source, sources


def batches(
    where: str, split: str = "train", *, some: bool = False, header: bool = True
) -> Generator[Rows]:
    """Yield the rows of a file, a folder or a hub dataset, some thousands at a time.

    Args:
        where: A path, or the name of a hub dataset.
        split: Which one to read where there are several.
        some: Whether the beginning is enough; then less is looked at before the first rows.
        header: Whether the first row of a table of text, or of a sheet, names the columns.

    Raises:
        InputError: it is missing or cannot be read as rows.
    """
    path = pathlib.Path(where).expanduser()
    if path.is_dir():
        path = data_in(path)
    if path.is_dir() and is_saved(path):
        yield from tables(from_disk(path, split), where)
    elif not path.exists():
        yield from tables(from_hub(where, split, some=some), where)
    else:
        files = shards(path, split) if path.is_dir() else [path]
        held = [_held(file, split) for file in files]
        files_inside = [source for sources, _ in held for source in sources]
        left = [name for _, others in held for name in others]
        for source in files_inside:
            for rows in read_source(source, ReadOptions(split, some, header)):
                if len(files_inside) > 1:
                    rows.file = source.inside or source.path.name
                    rows.skipped = [{"file": rows.file, **record} for record in rows.skipped]
                    rows.read_as["files"] = len(files_inside)
                if left:
                    rows.read_as["other_files"] = left
                yield rows


def _held(file: pathlib.Path, split: str) -> tuple[list[Source], list[str]]:
    """Return the data files that a file holds of a split, and the names of those it also holds.

    These are the file itself, or what is in an archive.
    """
    inside = sources(file, tuple(READERS))
    if len(inside) == 1:
        return inside, []
    return in_archive(str(file), inside, [source.inside for source in inside], split)


def read(where: str, split: str) -> Rows:
    """Read a dataset at once.

    Raises:
        InputError: it is missing or cannot be read as rows.
    """
    return joined(list(batches(where, split)))


def head(
    where: str | pathlib.Path, rows: int = 50, split: str = "train", *, header: bool = True
) -> Rows:
    """Read only the first rows of a dataset, however large it is.

    Raises:
        InputError: it is missing or cannot be read as rows.
    """
    first_batches: list[Rows] = []
    with contextlib.closing(batches(str(where), split, some=True, header=header)) as parts:
        for part in parts:
            first_batches.append(part)
            if sum(len(batch.places) for batch in first_batches) >= rows:
                break
    return joined(first_batches).first(rows)
