"""What a dataset may look like: text files become rows, rows become messages.

A new row format is one function and one entry in FORMATS. Texts are kept verbatim; what cannot be
used is set aside with its place and a reason.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

Turn = dict[str, str]
BOM = b"\xef\xbb\xbf"
JSON = json.JSONDecoder(strict=False)  # not strict: raw control characters are kept


class SetAside(Exception):
    """A row that cannot be used; the message is the reason, in few words."""


@dataclasses.dataclass
class Rows:
    """A dataset as read, before any of it is understood."""

    columns: dict[str, list[Any] | pa.ChunkedArray]
    places: Sequence[int]
    """Where each row stands: 1-based line or 0-based index."""
    place: str
    """Which of the two: "line" or "index"."""
    aside: list[dict[str, Any]]
    """Rows that cannot be used: place, reason, preview."""

    def values(self, column: str) -> list[Any]:
        cells = self.columns[column]
        return cells if isinstance(cells, list) else cells.to_pylist()

    def set_aside(self, number: int, reason: str, preview: str) -> None:
        shown = preview[:200].encode("utf-8", "backslashreplace").decode()[:200]
        self.aside.append({self.place: number, "reason": reason, "preview": shown})


def read_text(path: pathlib.Path, head: bytes) -> Rows:
    """Read a JSON, JSONL or CSV file that begins with `head`.

    Raises:
        ValueError: nothing in it can be read as rows.
    """
    suffix, first = path.suffix.lower(), head.removeprefix(BOM).lstrip()[:1]
    if not first:
        raise ValueError(f"{path} is empty; give a file with at least one row")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path} is UTF-16 text; save it as UTF-8 first")
    if b"\0" in head or suffix == ".parquet":
        raise ValueError(
            f"{path} is binary and not parquet; give a JSON, JSONL, CSV or parquet file, "
            "decompressed, its text in UTF-8"
        )
    if suffix in (".csv", ".tsv"):
        return _csv(path)
    if suffix != ".json" and first not in b"[{" and suffix not in (".jsonl", ".ndjson"):
        raise ValueError(f"{path} is not JSON; name it .csv if its cells are comma-separated")
    return _jsonl(path) if suffix in (".jsonl", ".ndjson") and first != b"[" else _json(path)


def _json(path: pathlib.Path) -> Rows:
    content = path.read_bytes().removeprefix(BOM)
    try:
        value = JSON.decode(content.decode())
    except (ValueError, RecursionError) as e:
        if content.lstrip()[:1] == b"{" or path.suffix.lower() != ".json":
            return _jsonl(path)
        raise ValueError(f"{path} is broken JSON ({e}); repair it or write one row a line") from e
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, list):
        raise ValueError(f"{path} holds one JSON value, not a list of objects; put it in [ ]")
    return _records(path, Rows({}, [], "index", []), ((i, v, "") for i, v in enumerate(value)))


def _jsonl(path: pathlib.Path) -> Rows:
    rows = Rows({}, [], "line", [])

    def lines() -> Iterator[tuple[int, Any, str]]:
        with path.open("rb") as f:
            for number, raw in enumerate(f, 1):
                line = (raw.removeprefix(BOM) if number == 1 else raw).strip()
                try:
                    if line:
                        yield number, JSON.decode(line.decode()), ""
                except UnicodeDecodeError:
                    rows.set_aside(number, "not UTF-8", line[:800].decode(errors="replace"))
                except (ValueError, RecursionError):
                    yield number, None, line[:800].decode(errors="replace")

    return _records(path, rows, lines())


def _records(path: pathlib.Path, rows: Rows, values: Iterable[tuple[int, Any, str]]) -> Rows:
    records: list[dict[str, Any]] = []
    places = []
    names: dict[str, None] = {}
    for number, value, preview in values:
        if isinstance(value, dict):
            records.append(value)
            places.append(number)
            names.update(dict.fromkeys(value))
        else:
            reason = "malformed line" if rows.place == "line" else "not an object"
            rows.set_aside(number, reason, preview or json.dumps(value))
    if not records:
        seen = f"; the first one reads {rows.aside[0]['preview'][:80]!r}" if rows.aside else ""
        raise ValueError(
            f"{path} has no row: of {len(rows.aside):,} entries none is a JSON object{seen}; "
            "write one object a line, or one list of objects"
        )
    rows.columns = {name: [record.get(name) for record in records] for name in names}
    rows.places = places
    return rows


def _csv(path: pathlib.Path) -> Rows:
    csv.field_size_limit(sys.maxsize)
    rows = Rows({}, [], "line", [])
    records, places = [], []
    # surrogateescape: undecodable bytes become lone surrogates, set aside later as "not text"
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as f:
        first = f.readline()
        f.seek(0)
        reader = csv.reader(f, delimiter=max(",;\t", key=first.count))
        header = next(reader)
        if len(set(header)) < len(header):
            raise ValueError(f"{path} names a column twice in {header!r:.300}; rename one of them")
        while True:
            number = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                break
            except csv.Error as e:
                rows.set_aside(number, "malformed line", str(e))
                continue
            if len(record) == len(header):
                records.append(record)
                places.append(number)
            elif record:
                rows.set_aside(number, "malformed line", ",".join(record))
    if not records:
        raise ValueError(
            f"{path} has no row of {len(header)} cells below its header {header!r:.300}"
        )
    rows.columns = {name: [record[i] for record in records] for i, name in enumerate(header)}
    rows.places = places
    return rows


def text(value: Any) -> str:
    """Return a cell as text: "" for a missing one, numbers as Python writes them.

    Raises:
        SetAside: it is no text.
    """
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # a lone surrogate
                raise SetAside("not text") from None
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise SetAside("not text")


ROLES = {
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}


def _chat(cells: dict[str, Any]) -> list[Turn]:
    items = cells["chat"]
    if isinstance(items, str):  # a list in a CSV cell
        try:
            items = JSON.decode(items.strip() or "[]")
        except (ValueError, RecursionError):
            raise SetAside("not text") from None
    turns = _system(cells)
    for item in [] if items is None else items if isinstance(items, list) else [items]:
        if not isinstance(item, dict):
            raise SetAside("not text")
        role = ROLES.get(str(item.get("role") or item.get("from")).lower())
        if role is None:
            raise SetAside("unknown role")
        content = item.get("value") if item.get("content") is None else item["content"]
        if isinstance(content, list):  # OpenAI's content parts; images and sound are no text
            if not all(isinstance(p, dict) and p.get("type", "text") == "text" for p in content):
                raise SetAside("not text")
            content = "".join(text(part.get("text")) for part in content)
        turns.append({"role": role, "content": text(content)})
    return turns


def _pair(cells: dict[str, Any]) -> list[Turn]:
    prompt, more = text(cells.get("prompt")), text(cells.get("input"))
    prompt += ("\n\n" if prompt and more else "") + more
    turns = _system(cells)
    if "prompt" in cells:
        turns.append({"role": "user", "content": prompt})
    if "response" in cells:
        turns.append({"role": "assistant", "content": text(cells["response"])})
    if "prompt" in cells and not prompt.strip() and text(cells.get("response", "-")).strip():
        raise SetAside("empty prompt")
    return turns


def _system(cells: dict[str, Any]) -> list[Turn]:
    content = text(cells.get("system"))
    return [{"role": "system", "content": content}] if content.strip() else []


class Format(NamedTuple):
    """A row format: how its cells become turns, and which columns may play which part in it."""

    turns: Callable[[dict[str, Any]], list[Turn]]
    parts: dict[str, tuple[str, ...]]
    """Part -> column names, best first. "chat", or "prompt" and "response", must be found."""


SYSTEM = {"system": ("system", "system_prompt")}
ALPACA = {"input": ("input", "context"), **SYSTEM}
ALPACA_RESPONSE = ("output", "response", "completion")
QA_RESPONSE = ("response", "solution", "output", "completion", "answer")
COMMON = {
    "source": ("source", "task", "category", "topic", "dataset", "subset", "data_source"),
    "answer": ("answer",),
    "id": ("id", "uuid"),
}
FORMATS = {  # in the order of detection
    "messages": Format(_chat, {"chat": ("messages",), **SYSTEM}),
    "sharegpt": Format(_chat, {"chat": ("conversations", "conversation"), **SYSTEM}),
    "alpaca": Format(_pair, {"prompt": ("instruction",), "response": ALPACA_RESPONSE, **ALPACA}),
    "prompt_completion": Format(
        _pair, {"prompt": ("prompt",), "response": ("completion", "response", "output"), **SYSTEM}
    ),
    "question_answer": Format(
        _pair, {"prompt": ("question", "problem", "query"), "response": QA_RESPONSE, **SYSTEM}
    ),
    "columns": Format(_pair, {}),
}


def detect(
    columns: Sequence[str], wanted: str, named: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """Choose the format, and the column of each part.

    Args:
        columns: What the data has.
        wanted: A format, or "auto".
        named: The user's choice for some parts: prompt, response, source, answer, split, id.

    Returns:
        The format's name, and part -> column. Without "chat" and "response", it is an evaluation
        file: answers only.

    Raises:
        ValueError: a named column does not exist, or no format fits.
    """
    shown = ", ".join(repr(c[:40]) for c in columns[:30])
    for part, column in named.items():
        if column not in columns:
            raise ValueError(f"--{part}-column {column!r}: no such column; there are {shown}")
    lower = {c.lower(): c for c in reversed(columns)}

    def find(parts: dict[str, tuple[str, ...]]) -> dict[str, str]:
        found = {p: [lower[n] for n in names if n in lower] for p, names in parts.items()}
        return {p: names[0] for p, names in found.items() if names} | named

    own = {"prompt", "response"} & named.keys()
    tried = list(FORMATS) if wanted == "auto" else [wanted]
    if wanted == "auto" and own:
        tried = ["columns"] if len(own) == 2 else [n for n in tried if FORMATS[n].turns is _pair]
    for evaluation in (False, True):
        for name in tried:
            parts = find({**COMMON, **FORMATS[name].parts})
            if "answer" not in named and parts.get("answer") == parts.get("response", ""):
                del parts["answer"]
            other = "answer" if evaluation else "response"
            if "chat" in parts or (other in parts and ("prompt" in parts or name == "columns")):
                return name, parts
    what = "no usable column" if wanted == "auto" else f"--format {wanted} does not fit"
    raise ValueError(
        f"{what}: there are {shown}; name two of them with --prompt-column and --response-column"
    )
