"""Array types, one name each, and the order of ids.

What a number means stands in the docstring that uses it.
"""

from __future__ import annotations

import ctypes
import pathlib
import types
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import InputError

Ints = npt.NDArray[np.int64]
"""Rows of a dataset, positions, counts, steps."""
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.object_]
"""Ids of rows: Python strings."""
"""Words of texts, by number."""
Labels = npt.NDArray[np.int32]
"""Cluster of each row, -1 where it has none."""
Losses = npt.NDArray[np.float32]
"""Nats per response token (n_rows, n_checkpoints), NaN where not measured."""
Halves = npt.NDArray[np.float16]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


def load_given(path: pathlib.Path) -> npt.NDArray[Any]:
    """Open an array that a person gave, without reading it; its header may be of any content.

    Raises:
        InputError: it is none.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as e:  # NumPy runs a Python parser over the header: it may raise anything
        why = (str(e).strip() or type(e).__name__).splitlines()[0][:200]
        raise InputError(f"{path} cannot be read as a NumPy array: {why}") from e
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} cannot be read as a NumPy array: it is an archive of several")
    return array


def release() -> None:
    """Give freed memory back to the system: what one thread freed no other thread would use."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def by_id(ids: Ids) -> Ints:
    """Return the positions of the ids in their order, equal ones as they stand.

    Arrow sorts by the bytes of UTF-8, which order as Python's strings do, three times as fast as
    `np.argsort`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(pc.sort_indices(pa.array(ids, pa.large_string())), np.int64)


def write_array(path: pathlib.Path, array: npt.ArrayLike) -> None:
    """Write an array as .npy.

    numpy itself writes to an open file through a buffer of C whose last flush nobody looks at: on a
    full disk the file would be cut short without a word. Through `write` alone it raises.
    """
    with path.open("wb") as f:
        np.save(types.SimpleNamespace(write=f.write), np.asarray(array), allow_pickle=False)
