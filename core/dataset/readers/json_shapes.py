"""Where the rows are in a JSON object that holds a whole dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.dataset.readers.rows import Records
from core.errors import InputError

HOLDERS = ("data", "rows", "examples", "items", "instances", "records")
"""Keys under which a file may hold its rows."""


def rows_within(
    values: Iterator[tuple[int, Any, int]], records: Records
) -> Iterator[tuple[int, Any, int]]:
    """Yield rows as they are, those of the hub's viewer without what it puts around them."""
    for number, value, length in values:
        if isinstance(value, dict) and {"row_idx", "row"} <= value.keys():
            if value.get("truncated_cells"):
                records.skip(number, "cut by the hub's viewer", str(value["row"]))
                continue
            value = value["row"]
        if isinstance(value, dict) and isinstance(value.get("paragraphs"), list):
            asked = questions(value)
            if asked:
                records.read_as["rows_are"] = "the questions of paragraphs"
                for row in asked:
                    yield number, row, length // len(asked)
                continue
        yield number, value, length


def questions(article: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the questions of an article of SQuAD's files, as the hub's rows have them."""
    return [
        {
            "id": asked.get("id"),
            "title": article.get("title", ""),
            "context": paragraph.get("context", ""),
            "question": asked["question"],
            "answers": {"text": [answer["text"] for answer in asked.get("answers", ())]},
        }
        for paragraph in article["paragraphs"]
        if isinstance(paragraph, dict)
        for asked in paragraph.get("qas", ())
    ]


def rows_of(whole: dict[str, Any], where: str, split: str, records: Records) -> list[Any]:
    """Return the rows that an object holds.

    Known are: splits by name, a list under a usual key, columns as lists, and what pandas writes
    (columns, index, split, table).

    Raises:
        InputError: it holds no rows, or may be read in two ways.
    """
    lists = {key: value for key, value in whole.items() if _is_rows(value)}
    columns = _columns(whole)
    if split in lists and not (columns and len(lists) == len(whole) and _beside(lists, columns)):
        records.read_as["rows_under"] = split
        return list(lists[split])
    if isinstance(whole.get("columns"), list) and isinstance(whole.get("data"), list):
        names = [str(name) for name in whole["columns"]]
        return [dict(zip(names, cells, strict=False)) for cells in whole["data"]]
    held = [key for key in HOLDERS if key in lists]
    if held and not columns:
        records.read_as["rows_under"] = held[0]
        return list(lists[held[0]])
    if columns:
        records.read_as["rows_under"] = "columns"
        return columns
    if len(lists) == 1:
        (key,) = lists
        raise InputError(
            f"{where} is one JSON object with a list under {key!r}; "
            f"name it with --split {key}, or write that list alone"
        )
    if lists:
        raise InputError(
            f"{where} has no split {split!r}; there are {', '.join(lists)}: name one with --split"
        )
    if whole and all(isinstance(value, dict) for value in whole.values()):
        raise InputError(
            f"{where} holds objects in an object, and its rows cannot be told from its columns; "
            "write one row a line"
        )
    raise InputError(f"{where} holds one JSON value, not a list of objects; write one row a line")


def _is_rows(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(v, dict) or (isinstance(v, list) and v and isinstance(v[0], dict))
            for v in value
        )
    )


def _beside(lists: dict[str, Any], columns: list[Any]) -> bool:
    """Return whether lists of objects are columns: their objects are turns."""
    return all(isinstance(value[0], list) for value in lists.values())


def _columns(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of columns that stand side by side, [] if they do not."""
    values = list(whole.values())
    if values and all(isinstance(v, list) for v in values):
        lengths = {len(v) for v in values}
        if len(lengths) != 1 or all(_is_rows(v) and isinstance(v[0], dict) for v in values):
            return []
        return [dict(zip(whole, cells, strict=True)) for cells in zip(*values, strict=True)]
    if not values or not all(isinstance(v, dict) and v for v in values):
        return []
    inner = list(dict.fromkeys(key for value in values for key in value))
    same = all(value.keys() == values[0].keys() for value in values)
    outer_numbers, inner_numbers = (all(map(str.isdecimal, keys)) for keys in (whole, inner))
    if inner_numbers and not outer_numbers and same:
        return [{name: cells[key] for name, cells in whole.items()} for key in inner]
    return values if outer_numbers and not inner_numbers else []
