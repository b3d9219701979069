"""Files that `save_to_disk` wrote: refused where their values are not written out, before decoding.

The datasets library writes arrow streams as they lie in memory, neither compressed nor with
dictionaries, so what a folder takes in memory is what its files take on disk; views of texts are
counted. Anything else was not written by it, and may be a few kilobytes that become gigabytes.
"""

from __future__ import annotations

import pathlib
import struct

import pyarrow as pa

from core.dataset.readers.arrow_files import plain
from core.dataset.readers.repeated import DECODED, SWELLS_UNREAD
from core.dataset.readers.sources import refuse_swollen
from core.errors import InputError

SHARED = ("dictionary", "run_end_encoded")
"""Parts of the names of types whose values may be stored once for many rows."""
HEADER, COMPRESSION = 2, 3
"""Fields of a Message and of a RecordBatch, by the format's `Message.fbs`."""


def refuse_not_written_out(folder: pathlib.Path) -> None:
    """Refuse a saved folder whose files are compressed, or store a value once for many rows.

    Raises:
        InputError: they do, or their views swell too much.
    """
    for path in sorted(folder.rglob("*.arrow")):
        try:
            with pa.memory_map(str(path)) as f:
                kinds = list(map(str, pa.ipc.open_stream(f).schema.types))
                f.seek(0)
                messages = list(pa.ipc.MessageReader.open_stream(f))
                compressed = any(
                    message.type == "record batch" and is_compressed(bytes(message.metadata))
                    for message in messages
                )
        except (OSError, pa.ArrowException, struct.error):
            continue  # the library itself says what is wrong
        shared = [kind for kind in kinds if any(part in kind for part in SHARED)]
        if compressed or shared:
            what = "is compressed" if compressed else f"has columns of type {shared[0]!r:.80}"
            raise InputError(
                f"{path} {what}, which the datasets library does not write and which may grow "
                "beyond reason; load it there and save it again, or write it as JSON lines"
            )
        if "view" in str(kinds):
            _refuse_swollen_views(path)


def _refuse_swollen_views(path: pathlib.Path) -> None:
    """Refuse a file whose views name a long text so often that it swells when written out."""
    size, n_bytes = path.stat().st_size, 0
    with pa.memory_map(str(path)) as f:
        for batch in pa.ipc.open_stream(f):
            for start in range(0, len(batch), DECODED):
                table = pa.Table.from_batches([batch.slice(start, DECODED)])
                n_bytes += sum(plain(c).nbytes for c in table.columns if "view" in str(c.type))
                refuse_swollen(path, n_bytes, size, SWELLS_UNREAD, "write it as JSON lines")


def is_compressed(message: bytes) -> bool:
    """Return whether a message of arrow's stream format holds a record batch that is compressed.

    Raises:
        struct.error: it is no such message.
    """
    (root,) = struct.unpack_from("<I", message, 0)
    place = _field(message, root, HEADER)
    if place is None:
        return False
    (offset,) = struct.unpack_from("<I", message, place)
    return _field(message, place + offset, COMPRESSION) is not None


def _field(message: bytes, table: int, number: int) -> int | None:
    """Return where a field of a flatbuffer's table stands, None where it has none."""
    (back,) = struct.unpack_from("<i", message, table)
    (size,) = struct.unpack_from("<H", message, table - back)
    if 4 + 2 * number >= size:
        return None
    (offset,) = struct.unpack_from("<H", message, table - back + 4 + 2 * number)
    return table + offset if offset else None
