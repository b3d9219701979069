"""Import a fine-tuning dataset: rows become messages, or are skipped with a reason.

The input is kept whole beside what was understood of it (original.parquet), so an export can give
back the data's own columns. `row` numbers the kept rows in the order of the input.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import gc
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset import mapping, row_formats, sides
from core.dataset.detection import SAMPLE, Reading, detect
from core.dataset.examples import (
    as_original,
    as_table,
    as_text,
    content_fingerprint,
    first_cells,
    original_keys,
    own_ids,
    to_examples,
)
from core.dataset.readers import FILE_TYPES, Rows, data_in, read
from core.dataset.report import report
from core.errors import InputError
from core.model.conversation import conversations, stored_columns
from core.settings import Group, identity, setting, to_config
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft
from core.workspace.files import fingerprint, given, sha256_file, unchanged
from core.workspace.store import Workspace

BEFORE = {"holdout_rule": 1}
"""What imports did before there were these settings, where that is not the default."""
FIRST = (
    *("path", "split", "format", "prompt_column", "response_column", "source_column"),
    *("answer_column", "split_column", "id_column", "limit", "seed", "holdout"),
)
"""Settings that every fingerprint holds; a later one counts where it differs from its default, so
that a dataset made before there was such a setting is found again."""
ROW_GROUP = 2_048
"""Rows stored together; few, so that a page is read without the rest of its file."""
SOURCES_LISTED = 200
COLUMN_FLAGS = ("prompt", "response", "source", "answer", "split", "id")
"""Parts that have a flag of their own, --prompt-column and the like."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """What to import, and how to read it."""

    path: str = setting(
        help=f"File that ends in {FILE_TYPES}, a folder with one, one of the datasets library "
        "(save_to_disk), or a hub dataset: owner/name or owner/name:config",
        names="dataset",
    )
    split: str = setting("train", help="split of a hub dataset, or of a folder that has several")
    format: str = setting(
        "auto",
        choices=("auto", *sorted(row_formats.ROW_FORMATS)),
        help="how a row holds its messages",
        advanced=True,
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
        "",
        help="column that says which rows to hold out: test, eval, dev, validation, holdout",
        advanced=True,
    )
    id_column: str = setting("", help="column with unique ids", advanced=True)
    map: str = setting(
        "",
        repeated=True,
        help="what a column means, PART=COLUMN, or a text of several, such as "
        "prompt='{context}\\n\\n{question}'; once for each of " + ", ".join(mapping.PARTS),
        advanced=True,
    )
    limit: int = setting(
        0, minimum=0, help="import a random sample of this many rows; 0: all", advanced=True
    )
    seed: int = setting(0, minimum=0, help="of the sample and of the holdout", advanced=True)
    holdout: str = setting(
        "auto",
        suggestions=("auto", "0"),
        help="rows sealed for testing, drawn per source: a number, or auto (5%, at most 1,000)",
        advanced=True,
    )
    holdout_rule: int = setting(
        2,
        minimum=1,
        maximum=2,
        help="what is held out together: 2 is rows that ask the same, too, 1 as imports did before",
        hidden=True,
    )
    private: bool = setting(
        False,
        help="texts may be read in the reader, and stand in no report, log, name or picture",
        advanced=True,
        later=True,
    )
    name: str = setting(
        "", identity=False, help="what people call it; the file's name when empty", advanced=True
    )

    def validate(self) -> None:
        if self.holdout != "auto" and not re.fullmatch("[0-9]{1,12}", self.holdout):
            raise InputError(f"--holdout is auto or a whole number, not {self.holdout!r}")
        split = self.split_column or mapping.lines(self.map).get("split")
        if split and self.holdout != "auto":
            raise InputError("--split-column says which rows to hold out; leave --holdout away")
        if not self.path:
            raise InputError("--path is empty; give a file or a hub dataset")


def run(workspace: Workspace, settings: Settings) -> str:
    """Import a dataset and return its id.

    Raises:
        InputError: the input is missing, unreadable, or has no usable row.
        Stopped: the run was asked to stop; nothing is kept.
    """
    path = given(settings.path)
    if path.exists():
        settings = dataclasses.replace(settings, path=str(data_in(path.absolute())))
    draft = workspace.draft(
        "dataset",
        name=settings.name or path.stem,
        config=to_config(settings),
        parents={},
        fingerprint=fingerprint("dataset", identity(settings, first=FIRST, before=BEFORE)),
    )
    try:
        with unchanged(pathlib.Path(settings.path)), _uncollected():
            summary = _import(draft, settings)
        return draft.seal(summary).id
    except BaseException:
        draft.discard()
        raise


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Let no garbage be looked for: an import makes millions of objects, and hardly a circle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def examples(artifact: Artifact, columns: list[str] | None = None) -> pd.DataFrame:
    """Read examples.parquet in row order; messages as turns, with all that they carry."""
    path = artifact.path / "examples.parquet"
    wanted = pq.read_schema(path).names if columns is None else columns
    if "messages" in wanted:
        wanted = list(dict.fromkeys([*wanted, *stored_columns(pq.read_schema(path).names)]))
    table = pq.read_table(path, columns=wanted)
    frame: pd.DataFrame = table.to_pandas()
    if "messages" in wanted:
        frame["messages"] = pd.Series(conversations(table), dtype=object)
    return frame.drop(columns=["extras"], errors="ignore")


def load_any(workspace: Workspace, text: str, *, split: str = "", private: bool = False) -> str:
    """Return the id of a dataset given by id or file; a file is imported whole, once.

    Args:
        workspace: Where it is, or comes to be.
        text: An id, a file, or with a split a hub dataset.
        split: Of a hub dataset; its rows are taken to stay as they are once imported.
        private: Whether it is marked private.

    Raises:
        InputError: it is neither, or the file cannot be imported.
    """
    path = given(text).absolute()
    if split:
        wanted = Settings(path=text, split=split, holdout="0", private=private)
    elif not path.is_file():
        try:
            workspace.find(text)
            return text
        except InputError as e:
            raise InputError(f"{text!r} is no file and no dataset: {e}") from e
    else:
        wanted = Settings(path=str(path), holdout="0", private=private)
    content = "" if split else sha256_file(path)
    for entry in workspace.entries("dataset"):
        # nothing is held out, whatever the rule; settings that it is older than have their default
        same = {**to_config(wanted), **entry.config, "name": ""} == to_config(wanted)
        if entry.state == "sealed" and same and entry.summary["source_sha256"] == content:
            return entry.id
    return run(workspace, wanted)


def _import(draft: Draft, settings: Settings) -> dict[str, Any]:
    rows = read(settings.path, settings.split)
    n_read = len(rows.places) + len(rows.skipped)
    reading = read_columns(rows, settings)
    parts = reading.columns
    found, trainable = to_examples(rows, reading.format, reading.parts)
    if settings.id_column and found.ids[:1] and own_ids(rows, parts["id"], found.at) is None:
        raise InputError(
            f"--id-column {settings.id_column!r} is not one distinct text or whole number a row; "
            "leave it away and ids are made from the content"
        )
    reasons = collections.Counter(record["reason"] for record in rows.skipped)
    if not found.at:
        seen = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common())
        raise InputError(
            f"no usable row in {settings.path}, read as {reading.format} from {parts}: {seen}; "
            "name other columns with --map, or mend the rows"
        )
    order = sorted(range(len(found.at)), key=found.ids.__getitem__)  # for every draw
    n_usable = len(found.at)
    if 0 < settings.limit < n_usable:
        chosen = np.random.default_rng(settings.seed).permutation(n_usable)[: settings.limit]
        found = found.take(sorted(order[i] for i in chosen))
    n = len(found.at)
    marks: list[Any] = []
    if "split" in parts:
        cells = rows.values(parts["split"])
        marks = [cells[at] for at in found.at]
    drawn = sides.choose(
        found,
        wanted=settings.holdout,
        seed=settings.seed,
        rule=settings.holdout_rule,
        column=parts.get("split", ""),
        marks=marks,
    )
    sides.write_pairs(draft.path, drawn.pairs)
    table = as_table(found, drawn.held)
    _write(table, draft.path / "examples.parquet")
    original, json_columns = as_original(rows, found.at)
    _write(original, draft.path / "original.parquet")
    if (keys := original_keys(rows, found.at)) is not None:
        _write(keys, draft.path / "original_keys.parquet")
    with (draft.path / "set_aside.jsonl").open("w", encoding="utf-8") as f:
        for record in sorted(rows.skipped, key=lambda r: int(r[rows.place])):
            f.write(json.dumps(record, ensure_ascii=False) + "\n")
    sources = collections.Counter(found.sources)
    summary = {
        "rows_read": n_read,
        "rows": n,
        "rows_parsed": len(rows.places),
        "pool_rows": n - len(drawn.held),
        "holdout_rows": len(drawn.held),
        "holdout_asked": drawn.asked,
        "split_values": drawn.values,
        "overlap": drawn.overlap.counts() if drawn.overlap else {},
        "set_aside": dict(reasons.most_common()),
        "not_sampled": n_usable - n,
        "duplicates": n - len(set(found.digests)),
        "sources": dict(sorted(sources.items(), key=lambda s: (-s[1], s[0]))[:SOURCES_LISTED]),
        "n_sources": len(sources),
        "length_quantiles": {c: _quantiles(table[c].to_pylist()) for c in ("prompt", "response")},
        "format": reading.format,
        "certainty": reading.certainty,
        "columns": parts,
        "left_out": list(reading.left_out),
        "as_text": as_text(rows, reading.parts),
        "fingerprint": content_fingerprint(found),
        "trainable": trainable,
        "json_columns": json_columns,
        "read_as": rows.read_as,
        "source_sha256": sha256_file(p) if (p := pathlib.Path(settings.path)).is_file() else "",
    }
    report(summary)
    return summary


def read_columns(rows: Rows, settings: Settings) -> Reading:
    """Say what the columns of a table mean: as the settings name them, else as is clear from them.

    Raises:
        InputError: a column that is named does not exist, or no reading is clear.
    """
    columns = list(rows.columns)
    flags = {p: c for p in COLUMN_FLAGS if (c := getattr(settings, f"{p}_column"))}
    named = mapping.given(settings.map, flags, columns)
    sample = {name: first_cells(rows, name, SAMPLE) for name in columns}
    return detect(columns, settings.format, named, sample)


def _write(table: pa.Table, path: pathlib.Path) -> None:
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="zstd")


def _quantiles(texts: list[str]) -> dict[str, int]:
    lengths = [len(text) for text in texts]
    values = np.quantile(lengths, [0.5, 0.9, 0.99, 1.0]).round().astype(int).tolist()
    return dict(zip(("p50", "p90", "p99", "max"), values, strict=True))
