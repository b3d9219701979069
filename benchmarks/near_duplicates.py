"""Near-duplicates of a file by our own join and by rensa's sketches: seconds, and what each finds.

Seconds are of one processor, for telling which rows repeat an earlier one that stays.

Run: python benchmarks/near_duplicates.py FILE [FILE ...]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

WORDS, HASHES, BANDS, ALIKE = 5, 128, 16, 0.8


def texts_of(path: str) -> list[str]:
    """Return what is compared of the usable rows of a file."""
    from core.dataset import Settings
    from core.dataset.duplicates import compared
    from core.dataset.examples import to_examples
    from core.dataset.readers import read
    from core.dataset.settings import read_columns

    rows = read(path, "train")
    reading = read_columns(rows, Settings(path=path))
    examples, _ = to_examples(rows, reading.format, reading.parts)
    return [compared(turns) for turns in examples.messages]


def joined(texts: list[str]) -> int:
    """Count the rows that repeat an earlier one, exactly."""
    from core.dataset.duplicates import repeating
    from core.dataset.shingles import Texts

    return sum(repeating(Texts.of(texts), np.arange(len(texts))))


def sketched(texts: list[str]) -> int:
    """Count the rows that repeat an earlier one, by sketches alone."""
    from rensa import RMinHash, RMinHashDeduplicator

    pieces = []
    for text in texts:
        words = text.lower().split()
        n = max(1, len(words) - WORDS + 1)
        pieces.append(list({" ".join(words[i : i + WORDS]) for i in range(n)}))
    sketches = RMinHash.from_token_sets(pieces, HASHES, 0)
    found = RMinHashDeduplicator(ALIKE, HASHES, use_lsh=True, num_bands=BANDS, seed=0)
    stays = found.add_pairs((str(i), sketch) for i, sketch in enumerate(sketches))
    return len(texts) - int(sum(stays))


def main() -> None:
    """Print a line for each file and way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+")
    for path in parser.parse_args().files:
        texts = texts_of(path)
        for name, count in (("join", joined), ("sketches", sketched)):
            start = time.process_time()
            n_repeats = count(texts)
            seconds = time.process_time() - start
            print(f"{path}: {len(texts):,} rows, {name}: {n_repeats:,} in {seconds:.1f} s")


if __name__ == "__main__":
    main()
