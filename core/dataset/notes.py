"""What the first rows hold beside what is read of them, where a person may expect it to count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.dataset.cells import structure
from core.dataset.chat_cells import READ_KEYS, list_of_turns
from core.dataset.detection import Reading, Sample

SHOWN = 8
"""Keys named in a sentence."""
JUDGED = ("label", "desirable", "preferred", "is_preferred", "accepted", "is_good", "good")
"""Columns of true and false by which preference data tells good replies from bad ones."""


def notes(reading: Reading, sample: Sample) -> tuple[str, ...]:
    """Return sentences on keys of turns, marks and judgements that nothing is made of."""
    said = []
    chat = reading.parts.get("chat")
    cells = sample[chat] if isinstance(chat, str) else ()
    if keys := _unread(cells):
        more = f" and {len(keys) - SHOWN:,} more" if len(keys) > SHOWN else ""
        said.append(f"keys of turns that are not read: {', '.join(keys[:SHOWN])}{more}")
    for column in reading.left_out:
        held = [cell for cell in sample[column] if cell is not None]
        if held and column.strip().lower() in JUDGED and all(isinstance(c, bool) for c in held):
            said.append(
                f"{column} is true or false, as where good replies are told from bad ones: it is "
                "not read, and all replies are trained on"
            )
        if cells and _marks_turns(sample[column], cells):
            said.append(
                f"{column} has a 0 or 1 for each turn: it is not read; a reply that is context "
                'only has "train": false in its turn'
            )
    return tuple(said)


def _unread(cells: Iterable[Any]) -> list[str]:
    """List the keys of turns of which nothing is read, in the order of the data."""
    keys: dict[str, None] = {}
    for cell in cells:
        for turn in list_of_turns(cell):
            keys |= {str(key): None for key, value in turn.items() if value is not None}
    return [key for key in keys if key.lower() not in READ_KEYS]


def _marks_turns(cells: Sequence[Any], chats: Sequence[Any]) -> bool:
    """Return whether the cells of a column are as many zeros and ones as there are turns."""
    pairs = [(structure(a), list_of_turns(b)) for a, b in zip(cells, chats, strict=True)]
    marks = [(mark, turns) for mark, turns in pairs if isinstance(mark, list) and turns]
    return bool(marks) and all(
        len(mark) == len(turns) and all(m in (0, 1) for m in mark) for mark, turns in marks
    )
