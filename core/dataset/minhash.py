"""How --dedup near judged near-duplicates at first; kept so that those selections are made again.

MinHash (Broder 1997) finds and judges: about 80% of the five-word pieces of prompt and response,
punctuation included.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np

from core.arrays import Ints

HASHES = 128
BANDS = 16
"""With 128 hashes, 16 bands of 8: of two rows that share 80% of their shingles 95% are found."""
ALIKE = 0.8
WORDS = 5
BATCH = 4_096


def near_duplicates(examples: pathlib.Path, order: Ints) -> Ints:
    """Return the rows whose sketch is like that of an earlier one that stays, in their order."""
    from rensa import RMinHash, RMinHashDeduplicator

    sketches: dict[int, RMinHash] = {}
    asked = set(order.tolist())
    for batch in _texts(examples, asked):
        made = RMinHash.from_token_sets([_pieces(text) for _, text in batch], HASHES, 0)
        sketches.update(zip((row for row, _ in batch), made, strict=True))
    index = RMinHashDeduplicator(ALIKE, HASHES, use_lsh=True, num_bands=BANDS, seed=0)
    stays = index.add_pairs((str(row), sketches[row]) for row in order.tolist())
    out: Ints = order[~np.array(stays, bool)]
    return out


def _texts(examples: pathlib.Path, asked: set[int]) -> Iterator[list[tuple[int, str]]]:
    """Yield row and text of the wanted rows, some thousands at a time."""
    import pyarrow.parquet as pq

    columns = ["row", "prompt", "response"]
    for batch in pq.ParquetFile(examples).iter_batches(BATCH, columns=columns):
        parts = zip(*(batch.column(i).to_pylist() for i in range(3)), strict=True)
        yield [(row, f"{prompt}\n{response}") for row, prompt, response in parts if row in asked]


def _pieces(text: str) -> list[str]:
    """Return the pieces of five words; a shorter text is one piece."""
    words = text.lower().split()
    return [" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))]
