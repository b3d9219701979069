"""Where the bytes of a file come from: plain or compressed, never more than a stated size.

A compressed file that swells beyond reason is refused while it is read, before memory is filled.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import pathlib
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa

from core.errors import InputError, one_line
from core.workspace.files import regular

SWELLS = 200
"""Times its size that a compressed file may grow; text grows 3 to 20 times."""
SWELLS_FROM = 64 << 20
"""Bytes up to which it may grow by any factor."""
NO_HEADER = "none: columns are numbered"
"""How a table is read whose first row is data."""
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)


def _zstd(path: pathlib.Path) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(pa.input_stream(str(path), compression="zstd")))  # type: ignore[arg-type]


class Compression(NamedTuple):
    """How files of one compression are opened."""

    open: Callable[[pathlib.Path], Any]
    magic: bytes
    """First bytes, by which it is known whatever its name."""


COMPRESSIONS = {
    ".gz": Compression(gzip.open, b"\x1f\x8b"),
    ".zst": Compression(_zstd, b"\x28\xb5\x2f\xfd"),
    ".bz2": Compression(bz2.open, b"BZh"),
    ".xz": Compression(lzma.open, b"\xfd7zXZ\0"),
}
"""Suffix of a compressed file -> how it is opened; the suffix before it says what is inside."""


class _Swelling(io.RawIOBase):
    """Reads what a compressed file holds, and refuses what swells too much."""

    def __init__(self, inside: Any, path: pathlib.Path, size: int) -> None:
        self.inside, self.path, self.size, self.n_read = inside, path, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.inside.read(len(buffer))
        except BROKEN as e:
            raise InputError(f"{self.path} is broken ({one_line(e)}); compress it again") from e
        self.n_read += len(data)
        refuse_swollen(self.path, self.n_read, self._taken())
        buffer[: len(data)] = data
        return len(data)

    def _taken(self) -> int:
        """Return how many bytes of the file were read so far; all, where that is not known."""
        file = getattr(self.inside, "fileobj", None)
        return file.tell() if file and self.n_read > SWELLS_FROM else self.size

    def close(self) -> None:
        self.inside.close()
        super().close()


def _watched(inside: Any, path: pathlib.Path, size: int) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Swelling(inside, path, size), 1 << 16))


def refuse_swollen(
    path: pathlib.Path,
    n_bytes: int,
    size: int,
    start: int = SWELLS_FROM,
    instead: str = "decompress it yourself",
) -> None:
    """Refuse a file whose first `size` bytes, or all of them, grow to n_bytes.

    Args:
        n_bytes: What they grow to.
        start: Bytes up to which they may grow by any factor.
        instead: What to do where it is wanted.

    Raises:
        InputError: it grows too much.
    """
    if n_bytes > max(start, SWELLS * size):
        begun = "first " if size < path.stat().st_size else ""
        raise InputError(
            f"{path} swells to more than {SWELLS} times its {begun}{size:,} bytes, which no text "
            f"does; {instead} if it is what you want"
        )


class ReadOptions(NamedTuple):
    """What is to be read of a dataset, and how."""

    split: str = "train"
    some: bool = False
    """Whether its beginning is enough; then less is looked at before the first rows."""
    header: bool = True
    """Whether the first row of a table of text, or of a sheet, names the columns."""


class Source(NamedTuple):
    """One data file: what people call it, what type its name says, and how it is opened."""

    path: pathlib.Path
    suffix: str
    opener: Callable[[], BinaryIO]
    inside: str = ""
    """Name within an archive."""
    plain: bool = False
    """Whether the file is what it holds, neither compressed nor an archive."""

    def __str__(self) -> str:
        return f"{self.path} ({self.inside})" if self.inside else str(self.path)

    def open(self) -> BinaryIO:
        return self.opener()

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[pathlib.Path]:
        """Yield a file that can be read at any place; a temporary one if it is compressed."""
        if self.plain:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(suffix=self.suffix) as f, self.open() as inside:
            while chunk := inside.read(1 << 20):
                f.write(chunk)
            f.flush()
            yield pathlib.Path(f.name)


def sources(path: pathlib.Path, types: tuple[str, ...]) -> list[Source]:
    """Return the data files that a file holds: itself, what is compressed, those of an archive.

    Args:
        types: Suffixes of data files.

    Raises:
        InputError: an archive has no data file, or swells too much.
    """
    with regular(path).open("rb") as f:
        first = f.read(8)
    size = path.stat().st_size
    for compression in COMPRESSIONS.values():
        if first.startswith(compression.magic):

            def swelling(opened: Callable[[pathlib.Path], Any] = compression.open) -> BinaryIO:
                return _watched(opened(path), path, size)

            ends = [s.lower() for s in path.suffixes]
            inner = ends[-2] if len(ends) > 1 and ends[-1] in COMPRESSIONS else ""
            return [Source(path, inner or ".jsonl", swelling)]
    if first.startswith(b"PK\3\4") and (inside := _in_archive(path, size, types)) is not None:
        return inside
    return [Source(path, path.suffix.lower(), lambda: path.open("rb"), plain=True)]


def _in_archive(path: pathlib.Path, size: int, types: tuple[str, ...]) -> list[Source] | None:
    """Return the data files of an archive; None if it is a workbook, which is one, too."""
    try:
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" in archive.namelist():
                return None
            members = [
                m
                for m in archive.infolist()
                if not m.is_dir()
                and pathlib.PurePath(m.filename).suffix.lower() in types
                and not m.filename.startswith("__MACOSX/")
                and not pathlib.PurePath(m.filename).name.startswith(".")
            ]
    except BROKEN as e:
        raise InputError(f"{path} is a broken zip file ({one_line(e)}); compress it again") from e
    if not members:
        raise InputError(f"{path} has no data file ({', '.join(types)}); give one that has")
    if any(m.flag_bits & 1 for m in members):
        raise InputError(f"{path} is encrypted; unpack it and give the data file")
    refuse_swollen(path, sum(m.file_size for m in members), size)

    def member(name: str) -> Source:
        def opened() -> BinaryIO:
            try:
                with zipfile.ZipFile(path) as archive:  # what is open in it stays open
                    inner = archive.open(name)
            except (*BROKEN, NotImplementedError, RuntimeError) as e:  # its own header, in the file
                raise InputError(
                    f"{name} in {path} cannot be unpacked ({one_line(e)}); compress it again"
                ) from e
            return _watched(inner, path, size)

        return Source(path, pathlib.PurePath(name).suffix.lower(), opened, name)

    return [member(m.filename) for m in sorted(members, key=lambda m: m.filename)]
