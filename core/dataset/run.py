"""Import a fine-tuning dataset: rows become messages, or are skipped with a reason.

The input is kept whole beside what was understood of it (original.parquet), so an export can give
back the data's own columns. `row` numbers the kept rows in the order of the input.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import pathlib
from collections.abc import Iterator

import pandas as pd
import pyarrow.parquet as pq

from core.dataset.artifact import DatasetSummary, examples_file
from core.dataset.readers import data_in
from core.dataset.settings import BEFORE, FIRST, Settings, quiet
from core.dataset.store import store
from core.errors import InputError
from core.model.conversation import conversations, stored_columns
from core.settings import identity, to_config
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint, given, sha256_file, unchanged
from core.workspace.store import Workspace


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
        with quiet(settings), unchanged(pathlib.Path(settings.path)), _uncollected():
            summary = store(draft.path, settings)
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
    path = examples_file(artifact)
    names = pq.read_schema(path).names if columns is None else columns
    if "messages" in names:
        names = list(dict.fromkeys([*names, *stored_columns(pq.read_schema(path).names)]))
    table = pq.read_table(path, columns=names)
    frame: pd.DataFrame = table.to_pandas()
    if "messages" in names:
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
        settings = Settings(path=text, split=split, holdout="0", private=private)
    elif not path.is_file():
        try:
            workspace.find(text)
            return text
        except InputError as e:
            raise InputError(f"{text!r} is no file and no dataset: {e}") from e
    else:
        settings = Settings(path=str(path), holdout="0", private=private)
    content = "" if split else sha256_file(path)
    for entry in workspace.entries("dataset"):
        # nothing is held out, whatever the rule; settings that it is older than have their default
        same = {**to_config(settings), **entry.config, "name": ""} == to_config(settings)
        if entry.state != "sealed" or not same:
            continue
        if entry.summary_as(DatasetSummary)["source_sha256"] == content:
            return entry.id
    return run(workspace, settings)
