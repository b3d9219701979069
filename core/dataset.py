"""Import a fine-tuning dataset: rows become messages, or are set aside with a reason.

The input is kept whole beside what was understood of it (original.parquet), so an export can give
back the data's own columns. `row` numbers the kept rows in the order of the input.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core import formats, holdout
from core.files import canonical, fingerprint, sha256_file
from core.formats import Turn
from core.progress import Progress, Stopped, say, stop_requested
from core.readers import Rows, SetAside, read
from core.settings import check, setting, to_config
from core.store import Artifact, Draft, Workspace

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
HELD_OUT = ("holdout", "test", "validation", "eval")
ROW_GROUP = 20_000
"""Rows stored together: text is read a page at a time."""
SOURCES_LISTED = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to import, and how to read it."""

    path: str = setting(
        help="JSON, JSONL, CSV or parquet file, or a hub dataset: owner/name or owner/name:config"
    )
    split: str = setting("train", help="split of a hub dataset")
    format: str = setting(
        "auto", choices=("auto", *sorted(formats.FORMATS)), help="how a row holds its messages"
    )
    prompt_column: str = setting("", help="column with the prompt", advanced=True)
    response_column: str = setting("", help="column with the response", advanced=True)
    source_column: str = setting(
        "", help="column with the source; found by name when empty", advanced=True
    )
    answer_column: str = setting(
        "", help="column with the final answer that a test compares", advanced=True
    )
    split_column: str = setting(
        "", help=f"column that says {', '.join(HELD_OUT)} for rows to hold out", advanced=True
    )
    id_column: str = setting("", help="column with unique ids", advanced=True)
    limit: int = setting(0, minimum=0, help="import a random sample of this many rows; 0: all")
    seed: int = setting(0, minimum=0, help="of the sample and of the holdout", advanced=True)
    holdout: str = setting(
        "auto",
        suggestions=("auto", "0"),
        help="rows sealed for testing, drawn per source: a number, or auto (5%, at most 1,000)",
    )
    name: str = setting("", identity=False, help="what people call it; the file's name when empty")

    def __post_init__(self) -> None:
        check(self)
        if self.holdout != "auto" and not (self.holdout.isascii() and self.holdout.isdigit()):
            raise ValueError(f"--holdout is auto or a whole number, not {self.holdout!r}")
        if self.split_column and self.holdout != "auto":
            raise ValueError("--split-column says which rows to hold out; leave --holdout away")
        if not self.path:
            raise ValueError("--path is empty; give a file or a hub dataset")


@dataclasses.dataclass
class Examples:
    """The usable rows; every list has one entry a row."""

    at: list[int]
    """Position in the input."""
    ids: list[str]
    messages: list[list[Turn]]
    digests: list[str]
    """Hash of the messages."""
    sources: list[str]
    answers: list[str | None]

    def take(self, rows: Sequence[int]) -> Examples:
        """Return some of the rows."""
        parts = (getattr(self, f.name) for f in dataclasses.fields(self))
        return Examples(*([part[row] for row in rows] for part in parts))


def run(workspace: Workspace, settings: Settings) -> str:
    """Import a dataset and return its id.

    Raises:
        ValueError: the input is missing, unreadable, or has no usable row.
        Stopped: the run was asked to stop; nothing is kept.
    """
    path = pathlib.Path(settings.path).expanduser()
    if path.exists():
        settings = dataclasses.replace(settings, path=str(path.absolute()))
    draft = workspace.draft(
        "dataset",
        name=settings.name or path.stem,
        config=to_config(settings),
        parents={},
        fingerprint=fingerprint("dataset", to_config(settings, identity=True)),
    )
    try:
        return draft.seal(_import(draft, settings)).id
    except BaseException:
        draft.discard()
        raise


def examples(artifact: Artifact, columns: list[str] | None = None) -> pd.DataFrame:
    """Read examples.parquet in row order; messages as lists of dictionaries."""
    table = pq.read_table(artifact.path / "examples.parquet", columns=columns)
    frame: pd.DataFrame = table.to_pandas()
    if "messages" in table.column_names:
        frame["messages"] = pd.Series(table["messages"].to_pylist(), dtype=object)
    return frame


def load_any(workspace: Workspace, text: str) -> str:
    """Return the id of a dataset given by id or file; a file is imported whole, once.

    Raises:
        ValueError: it is neither, or the file cannot be imported.
    """
    path = pathlib.Path(text).expanduser().absolute()
    if not path.is_file():
        try:
            return workspace.open(text, "dataset").id
        except ValueError as e:
            raise ValueError(f"{text!r} is no file and no dataset: {e}") from e
    wanted = Settings(path=str(path), holdout="0")
    content = sha256_file(path)
    for entry in workspace.entries("dataset"):
        same = {**entry.config, "name": ""} == to_config(wanted)
        if entry.state == "sealed" and same and entry.summary["source_sha256"] == content:
            return entry.id
    return run(workspace, wanted)


def _import(draft: Draft, settings: Settings) -> dict[str, Any]:
    rows = read(settings.path, settings.split)
    n_read = len(rows.places) + len(rows.aside)
    part_names = ("prompt", "response", "source", "answer", "split", "id")
    named = {p: c for p in part_names if (c := getattr(settings, f"{p}_column"))}
    form, parts = formats.detect(list(rows.columns), settings.format, named)
    found, trainable = understand(rows, form, parts)
    if settings.id_column and found.ids[:1] and own_ids(rows, parts["id"], found.at) is None:
        raise ValueError(
            f"--id-column {settings.id_column!r} is not one distinct text or whole number a row; "
            "leave it away and ids are made from the content"
        )
    reasons = collections.Counter(record["reason"] for record in rows.aside)
    if not found.at:
        seen = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common())
        raise ValueError(
            f"no usable row in {settings.path}, read as {form} from {parts}: {seen}; "
            "name other columns with --prompt-column and --response-column"
        )
    order = sorted(range(len(found.at)), key=found.ids.__getitem__)  # for every draw
    n_usable = len(found.at)
    if 0 < settings.limit < n_usable:
        chosen = np.random.default_rng(settings.seed).permutation(n_usable)[: settings.limit]
        found = found.take(sorted(order[i] for i in chosen))
    n = len(found.at)
    texts = ["\n".join(t["content"] for t in m if t["role"] != "system") for m in found.messages]
    asked = 0 if settings.split_column else holdout.size(settings.holdout, n)
    held = set(holdout.draw(found.ids, texts, found.sources, asked, settings.seed))
    if settings.split_column:
        marks = rows.values(settings.split_column)
        held = {i for i, at in enumerate(found.at) if str(marks[at]).strip().lower() in HELD_OUT}
        asked = len(held)
    table = _table(found, held)
    _write(table, draft.path / "examples.parquet")
    original, json_columns = _original(rows, found.at)
    _write(original, draft.path / "original.parquet")
    with (draft.path / "set_aside.jsonl").open("w", encoding="utf-8") as f:
        for record in sorted(rows.aside, key=lambda r: int(r[rows.place])):
            f.write(json.dumps(record, ensure_ascii=False) + "\n")
    sources = collections.Counter(found.sources)
    summary = {
        "rows_read": n_read,
        "rows": n,
        "pool_rows": n - len(held),
        "holdout_rows": len(held),
        "holdout_asked": asked,
        "set_aside": dict(reasons.most_common()),
        "not_sampled": n_usable - n,
        "duplicates": n - len(set(found.digests)),
        "sources": dict(sorted(sources.items(), key=lambda s: (-s[1], s[0]))[:SOURCES_LISTED]),
        "n_sources": len(sources),
        "length_quantiles": {c: _quantiles(table[c].to_pylist()) for c in ("prompt", "response")},
        "format": form,
        "columns": parts,
        "fingerprint": _fingerprint(found),
        "trainable": trainable,
        "json_columns": json_columns,
        "source_sha256": sha256_file(p) if (p := pathlib.Path(settings.path)).is_file() else "",
    }
    _report(summary)
    return summary


def understand(rows: Rows, form: str, parts: dict[str, str]) -> tuple[Examples, bool]:
    """Turn rows into examples, setting aside in `rows` what is not usable.

    Args:
        rows: What was read.
        form: A key of FORMATS.
        parts: Part -> column.

    Returns:
        The examples in input order, and whether they have responses to train on.
    """
    turns = formats.FORMATS[form].turns
    columns = {part: rows.values(column) for part, column in parts.items()}
    message_parts = [p for p in columns if p not in ("source", "answer", "split", "id")]
    progress = Progress("import", len(rows.places))
    parsed: list[tuple[int, list[Turn], str]] = []
    aside: list[tuple[int, str]] = []
    for at in range(len(rows.places)):
        if at % 20_000 == 0:
            progress.update(at)
            if stop_requested():
                raise Stopped("stopped; nothing was imported")
        try:
            messages = turns({part: columns[part][at] for part in message_parts})
            answer = formats.text(columns["answer"][at]) if "answer" in columns else ""
            parsed.append((at, messages, answer))
        except SetAside as e:
            aside.append((at, str(e)))
    trainable = "response" in parts or any(_response(m) for _, m, _ in parsed)
    good = []
    for entry in parsed:
        if trainable and not _response(entry[1]).strip():
            aside.append((entry[0], "empty response"))
        elif not trainable and not entry[2].strip():
            aside.append((entry[0], "empty answer" if "answer" in parts else "empty response"))
        else:
            good.append(entry)
    names = list(rows.columns)
    for at, reason in aside:
        row = {name: _cell(rows.columns[name][at]) for name in names}
        rows.set_aside(rows.places[at], reason, json.dumps(row, default=str, ensure_ascii=False))
    progress.update(len(rows.places))
    at_rows = [at for at, _, _ in good]
    conversations = [m for _, m, _ in good]
    answers = [answer or None for _, _, answer in good]
    labels = columns.get("source")
    sources = ["all" if labels is None else _label(labels[at]) for at in at_rows]
    digests = [hashlib.sha256(canonical(m).encode()).hexdigest() for m in conversations]
    own = own_ids(rows, parts["id"], at_rows) if "id" in parts else None
    ids = own or [digest[:16] for digest in digests]
    # copies are numbered by content first, so that their numbers do not depend on the row order
    copies: collections.Counter[str] = collections.Counter()
    for i in sorted(range(len(ids)), key=lambda i: (ids[i], sources[i], answers[i] or "")):
        copies[ids[i]] += 1
        ids[i] += f"-{k}" if (k := copies[ids[i]]) > 1 else ""
    found = Examples(at_rows, ids, conversations, digests, sources, answers)
    return found, trainable


def own_ids(rows: Rows, column: str, at: Sequence[int]) -> list[str] | None:
    """Return a column's values as ids, None unless each is a text or whole number, and distinct."""
    cells = rows.values(column)
    values = [cells[i] for i in at]
    if not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
        return None
    try:
        ids = [formats.text(v) for v in values]
    except SetAside:
        return None
    return ids if len(set(ids)) == len(ids) and all(map(str.strip, ids)) else None


def _response(messages: list[Turn]) -> str:
    """Return the last assistant turn, "" if there is none."""
    return next((t["content"] for t in reversed(messages) if t["role"] == "assistant"), "")


def _prompt(messages: list[Turn]) -> str:
    """Return the text of the turns before the last assistant turn; of all if there is none."""
    last = max((i for i, t in enumerate(messages) if t["role"] == "assistant"), default=None)
    return "\n\n".join(t["content"] for t in messages[:last])


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode() or "(none)"
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "(none)"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _cell(value: Any) -> Any:
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _table(found: Examples, held: set[int]) -> pa.Table:
    n = len(found.at)
    return pa.table(
        {
            "row": pa.array(range(n), pa.int64()),
            "id": pa.array(found.ids, pa.string()),
            "source": pa.array(found.sources, pa.string()),
            "messages": pa.array(found.messages, MESSAGES),
            "prompt": pa.array(map(_prompt, found.messages), pa.large_string()),
            "response": pa.array(map(_response, found.messages), pa.large_string()),
            "answer": pa.array(found.answers, pa.large_string()),
            "split": pa.array(["holdout" if i in held else "pool" for i in range(n)]),
        }
    )


def _original(rows: Rows, at: list[int]) -> tuple[pa.Table, list[str]]:
    """Return every input column of the rows at these places, and which became JSON text.

    A column does when arrow has no type that gives back its very values: mixed types, lone
    surrogates, numbers above 64 bits, dictionaries that differ in their keys.
    """
    keep = np.zeros(len(rows.places), bool)
    keep[at] = True
    columns, as_json = {}, []
    for name, cells in rows.columns.items():
        if isinstance(cells, pa.ChunkedArray):
            columns[name] = cells.filter(pa.array(keep))
            continue
        values = [cells[i] for i in at]
        stored = _typed(values)
        if stored is None:
            as_json.append(name)
            texts = [None if v is None else json.dumps(v) for v in values]
            stored = pa.array(texts, pa.large_string())
        columns[name] = stored
    return pa.table(columns), as_json


def _typed(values: list[Any]) -> pa.Array | None:
    kinds = {type(v) for v in values} - {type(None)}
    if len(kinds) > 1:
        return None
    try:
        array = pa.array(values, pa.large_string() if kinds == {str} else None)
    except (pa.ArrowException, UnicodeError, OverflowError):
        return None
    if kinds & {dict, list} and (
        "struct<>" in str(array.type) or canonical(array.to_pylist()) != canonical(values)
    ):
        return None
    return array


def _write(table: pa.Table, path: pathlib.Path) -> None:
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="zstd")


def _fingerprint(found: Examples) -> str:
    """Hash (id, messages, source, answer) in the order of ids; blind to column and row order."""
    lines = zip(found.ids, found.digests, found.sources, found.answers, strict=True)
    whole = hashlib.sha256()
    for line in sorted(lines, key=lambda line: line[0]):
        whole.update(canonical(line).encode() + b"\n")
    return whole.hexdigest()


def _quantiles(texts: list[str]) -> dict[str, int]:
    lengths = [len(text) for text in texts]
    values = np.quantile(lengths, [0.5, 0.9, 0.99, 1.0]).round().astype(int).tolist()
    return dict(zip(("p50", "p90", "p99", "max"), values, strict=True))


def _report(summary: dict[str, Any]) -> None:
    aside = ", ".join(f"{reason} {n:,}" for reason, n in summary["set_aside"].items())
    say(
        f"{summary['rows']:,} of {summary['rows_read']:,} rows read as {summary['format']}; "
        f"set aside: {aside or 'none'}; exact duplicates: {summary['duplicates']:,}; "
        f"sources: {summary['n_sources']:,}; held out: {summary['holdout_rows']:,}"
    )
    if summary["holdout_rows"] < summary["holdout_asked"]:
        say(
            f"only {summary['holdout_rows']:,} of the {summary['holdout_asked']:,} rows asked for "
            "are held out: the others have near-duplicates that would stay in the pool"
        )
    if not summary["trainable"]:
        say("no response in this file: it can test a model, not train one")
