"""Tests by name: a text such as `svamp=tests/SVAMP.json` becomes a dataset of the workspace.

What a test may be: a name of the catalog alone (then the hub is asked), NAME=WHERE with a file, a
folder, a dataset or a hub id, a file or dataset as it is, or a hub id. Each is imported once.
"""

from __future__ import annotations

import collections
import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from core.dataset.artifact import original_file
from core.dataset.privacy import is_private
from core.dataset.readers import Rows, SkippedRow, read
from core.dataset.run import load_any
from core.errors import InputError
from core.evaluations import regression
from core.evaluations.catalog import EVALUATIONS, Evaluation
from core.evaluations.shapes import Item, Row
from core.jobs.progress import say
from core.spec import listed
from core.workspace.artifact import Artifact
from core.workspace.files import given
from core.workspace.store import Workspace

SPLIT = "test"
HUB = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")


class Named(NamedTuple):
    """A test as a fine-tune or a study takes it."""

    key: str
    """Of its folder and its scores: different for every test of a run."""
    title: str
    dataset: Artifact
    left_out: dict[str, int]
    """Why rows of the file are no items -> how many."""
    programs: int
    """Items whose gold is, or comes with, a program; none is ever run."""


def each(text: str, checked: Callable[[str], str]) -> str:
    """Return the same tests with every file, dataset and hub id among them checked.

    Args:
        text: As a setting has it.
        checked: Returns where a test is as it may be named, or raises InputError.
    """
    out = []
    for one in listed(text):
        name, equals, where = one.partition("=")
        known = name.strip() in EVALUATIONS
        if known and equals:
            out.append(f"{name.strip()}={checked(where.strip())}")
        else:
            out.append(one if known else checked(one))
    return ",".join(out)


def load_all(workspace: Workspace, text: str) -> list[Named]:
    """Return the tests that a setting names, in its order, their keys made different.

    Raises:
        InputError: as `load`.
    """
    out: list[Named] = []
    for one in listed(text):
        loaded = load(workspace, one)
        if loaded.dataset.id in (test.dataset.id for test in out):
            say(f"{one} is the same test as an earlier one, so it is left out")
            continue
        taken = sum(test.key.rstrip("0123456789-") == loaded.key for test in out)
        out.append(loaded._replace(key=f"{loaded.key}-{taken + 1}") if taken else loaded)
    return out


def load(workspace: Workspace, text: str, lineage: Artifact | None = None) -> Named:
    """Return one test, imported where it was not yet; what the lineage has open is not opened anew.

    Raises:
        InputError: there is no such test, or no row of it is an item.
    """
    name, equals, where = (part.strip() for part in text.partition("="))
    known = EVALUATIONS.get(name)
    if known is None or (not equals and given(text).is_file()):
        return _as_it_is(workspace, text, lineage)
    rows: Iterable[Row | Item]
    if known.item is None:
        rows, private = regression.items(), False
    else:
        where = where or known.hub
        if not where:
            raise InputError(
                f"the test {name} needs its file: {name}=PATH, or an id of a dataset or of the hub"
            )
        rows, private = _rows(workspace, where, known)
        private |= known.private
    items, left_out = _items(rows, known)
    if not items:
        why = ", ".join(f"{reason} {n:,}" for reason, n in left_out.most_common())
        raise InputError(
            f"no row of {where} is an item of {known.title} ({why or 'it is empty'}); name another "
            f"file, or another test than {name}"
        )
    if left_out:
        why = "; ".join(f"{n:,}: {reason}" for reason, n in left_out.most_common())
        say(f"{known.title}: {left_out.total():,} rows are no items and left out ({why})")
    programs = sum(item.program for item in items)
    if programs:
        say(f"{known.title}: {programs:,} golds come with a program, which is never run")
    dataset = workspace.open(_import(workspace, name, items, private), "dataset")
    return Named(name, known.title, dataset, dict(left_out), programs)


def _as_it_is(workspace: Workspace, text: str, lineage: Artifact | None) -> Named:
    """Take a file or a dataset as the import understands it, or a hub id's test split."""
    if HUB.fullmatch(text) and not given(text).exists():
        id = load_any(workspace, text, split=SPLIT)
    else:
        try:
            id = load_any(workspace, text)
        except InputError as e:
            if (path := given(text)).is_file():
                raise InputError(
                    f"{path.name} is no test set: its rows need a question and the answer that is "
                    f"expected; give a file that has both ({e})"
                ) from e
            names = ", ".join(EVALUATIONS)
            raise InputError(f"{e}; a test with a name is NAME or NAME=PATH: {names}") from e
    dataset = (lineage or workspace).open(id, "dataset")
    key = re.sub(r"[^A-Za-z0-9]+", "-", dataset.name).strip("-").lower()[:40] or "test"
    return Named(key, dataset.name, dataset, {}, 0)


def _rows(workspace: Workspace, where: str, known: Evaluation) -> tuple[Iterator[Row], bool]:
    """Return the rows of a file, folder, dataset or hub id, and whether they are private."""
    path = given(where)
    if known.pairs and path.exists():
        files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
        if files and all(file.suffix == ".txt" for file in files):
            return _paired(files), False
    if not path.exists() and "/" not in where:
        dataset = workspace.open(where, "dataset")
        table = pq.read_table(original_file(dataset))
        return iter(table.to_pylist()), is_private(dataset)
    split = SPLIT if not path.is_file() else "train"
    return _records(read(where, split)), False


def _records(rows: Rows) -> Iterator[Row]:
    columns = {name: rows.values(name) for name in rows.columns}
    for at in range(len(rows.places)):
        yield {name: cells[at] for name, cells in columns.items()}


def _paired(files: Sequence[pathlib.Path]) -> Iterator[Row]:
    """Yield the questions and answers of files that have them in turn, a line each."""
    for file in files:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for question, answer in zip(lines[::2], lines[1::2], strict=False):
            yield {"question": question, "answer": answer, "source": file.stem}


def _items(
    rows: Iterable[Row | Item], known: Evaluation
) -> tuple[list[Item], collections.Counter[str]]:
    """Return the items of rows, and why others are none."""
    items, left_out = [], collections.Counter[str]()
    for row in rows:
        try:
            items.append(row if isinstance(row, Item) or known.item is None else known.item(row))
        except SkippedRow as e:
            left_out[str(e)] += 1
    return items, left_out  # type: ignore[return-value]


def _import(workspace: Workspace, name: str, items: list[Item], private: bool) -> str:
    """Write items in the project's own form and import them, once; return the dataset's id."""
    worked = any(item.solution for item in items)
    records = (_record(item, name, worked) for item in items)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    place = pathlib.Path("evaluations", digest, f"{name}.jsonl")
    file = workspace.cache / place
    for entry in workspace.recent("dataset"):  # imported where the workspace stood before
        config = entry.config
        moved = pathlib.PurePath(str(config.get("path", "")))
        same = moved.parts[-3:] == place.parts and config.get("private", False) == private
        if same and moved != file and entry.state == "sealed":
            return entry.id
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", errors="replace")
    return load_any(workspace, str(file), private=private)


def _record(item: Item, name: str, worked: bool) -> dict[str, Any]:
    """Return an item as a line of a file; its loss is measured where the test has solutions."""
    return {
        "source": item.source or name,
        "instruction": item.question,
        **({"output": item.solution or item.answer} if worked else {}),
        "answer": item.answer,
        "measure": item.measure,
        "continuations": list(item.choices),
        "verifier": item.verifier,
        "program": item.program,
    }
