"""Sets of rows as text: short in a log, readable on a command line."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

import numpy as np

from core.arrays import Ints
from core.errors import InputError

SHORT = 64
"""Up to so many rows are kept as they are; more as compressed bits, at most N/6 bytes."""
MOST_BITS = 2**30
"""Rows that a dataset may have, as far as edits go: what is unpacked has an end."""
SHOWN = 20
"""Ranges that a person is shown."""
PART = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def pack(rows: Ints) -> Any:
    """Return sorted rows as JSON data: a list, or how many there are and their packed bits."""
    if len(rows) <= SHORT:
        return rows.tolist()
    bits = np.zeros(int(rows[-1]) + 1, bool)
    bits[rows] = True
    squeezed = zlib.compress(np.packbits(bits).tobytes())
    return {"n": len(rows), "bits": base64.b64encode(squeezed).decode()}


def unpack(packed: Any) -> Ints:
    """Return the rows that `pack` was given.

    Raises:
        ValueError: it was given no such thing.
    """
    if isinstance(packed, list):
        if any(type(row) is not int or row < 0 for row in packed):
            raise ValueError(f"no rows: {packed!r:.60}")
        return np.array(packed, np.int64)
    try:
        unpacking = zlib.decompressobj()
        bits = unpacking.decompress(base64.b64decode(packed["bits"]), MOST_BITS // 8)
    except zlib.error as e:
        raise ValueError(f"no packed rows: {e}") from None
    if not unpacking.eof:
        raise ValueError("no packed rows: cut, or more than a dataset has")
    rows = np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8)))
    if len(rows) != packed["n"]:
        raise ValueError(f"{len(rows)} packed rows, not {packed['n']}")
    return rows


def count(packed: Any) -> int:
    """Return how many rows a packed set has."""
    return len(packed) if isinstance(packed, list) else int(packed["n"])


def parse(text: str, n_rows: int) -> Ints:
    """Read rows such as 3,17,100-120 (both ends count); sorted, each once.

    Raises:
        InputError: not of this form, or beyond the dataset's rows.
    """
    parts = []
    for part in text.split(","):
        match = PART.fullmatch(part.strip())
        if not match:
            raise InputError(f"{part.strip()!r} is not a row; give rows such as 3,17,100-120")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= n_rows:
            raise InputError(f"{part.strip()} is outside the rows 0 to {n_rows - 1}")
        parts.append(np.arange(first, last + 1))
    return np.unique(np.concatenate(parts))


def words(n: int) -> str:
    """Say how many rows: 1 row, 1,200 rows."""
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def show(rows: Ints) -> str:
    """Write sorted rows for a person, in the form that `parse` reads as far as it goes."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    runs = [(int(r[0]), int(r[-1])) for r in np.split(rows, breaks[:SHOWN])[:SHOWN] if len(r)]
    text = ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
    left = len(rows) - sum(b - a + 1 for a, b in runs)
    return f"{text} and {left:,} more" if left else text
