"""Trajectories from elsewhere: losses that someone else recorded, or checkpoints still to score.

A source is an ordered list of columns, each with a step and a way to get every row's loss. Nothing
is skipped in silence: what cannot be read is named.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Float32s, load_given
from core.dataset.artifact import DatasetSummary, load_examples
from core.errors import InputError, one_line
from core.jobs.progress import say
from core.model import loading
from core.model.pool_texts import pool_texts
from core.model.templates import choose
from core.settings import identity, to_config
from core.trajectories.artifact import STEPS, no_row_left, pool_rows
from core.trajectories.scored_columns import ScoredColumn, checkpoints, record, scorer, step
from core.trajectories.seal import finish
from core.trajectories.settings import Settings
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint, given, newer, read_json, regular, sha256_file
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.model.tokens import Tokens

MOST = 10**18
"""Above any step."""
ENDS_IN_STEP = re.compile(r"(?<![0-9])([0-9]{1,18})$")


def run(workspace: Workspace, settings: Settings) -> str:
    """Import losses or score checkpoints, seal; return the id.

    Raises:
        InputError: the source is no known kind, has unreadable parts, or does not fit the dataset.
        Stopped: asked to stop between checkpoints; `resume` goes on there.
    """
    dataset = workspace.open(settings.dataset, "dataset")
    path = given(settings.source).absolute()
    folders = checkpoints(path)
    scored = bool(folders) and not any((f / "losses.pt").exists() for f in folders)
    if scored:
        _check_one_model(folders)
    model = str(folders[-1]) if scored else settings.model
    tokenizer = _tokenizer(dataset, model)
    tokens, template = _tokens(workspace, dataset, tokenizer, model, settings)
    rows, flags = pool_rows(dataset, tokens, settings.limit, settings.seed)
    if not len(rows):
        raise no_row_left(dataset, tokens)
    if scored:
        columns = [
            ScoredColumn(step(f), scorer(f, tokens, rows, settings.precision)) for f in folders
        ]
    elif folders:
        columns = saved(folders, dataset)
    else:
        columns = matrix(path, dataset)
    for one, other in itertools.pairwise(columns := sorted(columns, key=lambda c: c.step)):
        if one.step == other.step:
            raise InputError(f"{path} has two columns or checkpoints of step {one.step}; keep one")
    settings = dataclasses.replace(settings, source=str(path), model=model)
    key = fingerprint("imported", identity(settings), [c.step for c in columns])
    read_from = [*folders, path] if folders else [path]

    def stale(id: str, created: str) -> bool:
        if loading.changed_since(model, id, created):
            return True
        if changed := any(newer(part, created) for part in read_from):
            say(f"{path} changed after {id} was begun with it, so that is not used again")
        return changed

    done = workspace.finished("trajectories", key, settings.name) if settings.resume else None
    if done and not stale(done.id, done.manifest["created"]):
        say(f"{done.id} was finished before")
        return done.id
    draft = workspace.unfinished("trajectories", key, settings.name) if settings.resume else None
    if draft and stale(draft.id, draft.run["created"]):
        draft.lock.close()
        draft = None
    config = {**to_config(settings), "max_length": tokens.max_length, "template": template}
    draft = draft or workspace.draft(
        "trajectories",
        name=settings.name or f"{dataset.name} · {path.name}",
        config=config,
        parents={"dataset": dataset.id},
        fingerprint=key,
    )
    try:
        record(draft, columns, rows, len(flags), stage="import losses")
        if scored:
            tokenizer.save_pretrained(draft.path / "proxy")
        digest = "" if path.is_dir() else sha256_file(path)
        facts = {"steps": columns[-1].step, "source_sha256": digest, "imported": True}
        return finish(draft, rows, flags, {**facts, **tokens.remarks.facts(len(tokens))}).id
    except InputError:
        draft.discard()  # it would fail again
        raise


def _check_one_model(folders: list[pathlib.Path]) -> None:
    """Refuse checkpoints of different models: their losses would not be one trajectory.

    Raises:
        InputError: two checkpoints differ in architecture, size or vocabulary.
    """
    shapes: dict[tuple[Any, ...], str] = {}
    for folder in folders:
        config = read_json(folder / "config.json")
        if config:  # one that has none is named when it is loaded
            shape = [config.get(k) for k in ("model_type", "hidden_size", "n_embd", "vocab_size")]
            shapes.setdefault(tuple(v for v in shape if v), folder.name)
    if len(shapes) > 1:
        listed = ", ".join(f"{n} is a {' '.join(map(str, s))}" for s, n in shapes.items())
        raise InputError(f"{listed}: give a directory that holds the checkpoints of one run")


def saved(folders: list[pathlib.Path], dataset: Artifact) -> list[ScoredColumn]:
    """Read the losses.pt of each checkpoint: a tensor, or a list of one-number tensors.

    Raises:
        InputError: any is missing, unreadable, or not of the dataset's length; all are named.
    """
    out, problems = [], []
    for folder in folders:
        try:
            values = _tensor(folder / "losses.pt")
        except (OSError, InputError) as e:
            problems.append(f"{folder.name}: {e}")
            continue
        try:
            column = _fit(values, dataset)
        except InputError as e:
            problems.append(f"{folder.name}: {e}")
            continue
        out.append(ScoredColumn(step(folder), lambda column=column: column))  # type: ignore[misc]
    if problems:
        raise InputError(
            f"{len(problems)} of {len(folders)} checkpoints cannot be used; record them again or "
            f"move them away: {'; '.join(problems[:5])}"
        )
    return out


def _tensor(file: pathlib.Path) -> Float32s:
    """Read numbers from a torch file without running anything that is in it."""
    import torch

    if not regular(file).exists():
        raise InputError("has no losses.pt")
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
        if isinstance(loaded, list | tuple):
            loaded = torch.stack([torch.as_tensor(v, dtype=torch.float32) for v in loaded])
        if not isinstance(loaded, torch.Tensor):
            raise InputError("losses.pt holds no tensor")
        values: Float32s = loaded.to(torch.float32).squeeze().numpy()
    except (OSError, InputError):
        raise
    except Exception as e:  # of a file that is cut or spliced the library raises anything
        reason = str(e).strip().split("\n")[0][:120]
        raise InputError(f"losses.pt cannot be read safely ({reason})") from e
    if values.ndim != 1:
        raise InputError(f"losses.pt has the shape {tuple(values.shape)}, not one loss a row")
    return values


def matrix(path: pathlib.Path, dataset: Artifact) -> list[ScoredColumn]:
    """Read a .npy array (n_rows, n_checkpoints) or a .parquet table with a column a checkpoint.

    An array's steps are read from `steps.npy` beside it, else they are 1, 2, 3.
    A parquet column is a checkpoint when its values are numbers and its name ends in its step; rows
    are matched by a column `id` where there is one, else by their order.

    Raises:
        InputError: it is neither, or does not fit the dataset.
    """
    if path.suffix == ".npy" and path.is_file():
        table = load_given(path)
        if table.ndim != 2 or table.dtype.kind not in "fiu" or not table.shape[1]:
            raise InputError(f"{path} is no table of numbers: {table.dtype} {table.shape}")
        _fit(table[:, 0], dataset)
        beside = regular(path.with_name(STEPS))
        at_steps = load_given(beside) if beside.exists() else np.arange(1, 1 + table.shape[1])
        numbers = at_steps.ndim == 1 and at_steps.dtype.kind in "iuf"
        if not numbers or not all(float(at).is_integer() and 0 <= at < MOST for at in at_steps):
            kind = f"{at_steps.dtype} {at_steps.shape}"
            raise InputError(f"{beside} is no list of whole numbers from 0 to {MOST:g}: {kind}")
        if len(at_steps) != table.shape[1]:
            raise InputError(f"{beside} has {len(at_steps)} steps for {table.shape[1]} columns")
        return [
            ScoredColumn(int(at), lambda t=t: _fit(table[:, t], dataset))  # type: ignore[misc]
            for t, at in enumerate(at_steps)
        ]
    if path.suffix != ".parquet" or not path.is_file():
        raise InputError(
            f"{path} is nothing to import: give a directory with checkpoint-* directories, each "
            "with losses.pt or a model, or a .npy or .parquet file"
        )
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as e:
        raise InputError(f"{path} cannot be read as parquet: {one_line(e)}") from e
    steps = [
        (int(match[1]), c)
        for c in frame.columns
        if pd.api.types.is_numeric_dtype(frame[c]) and (match := ENDS_IN_STEP.search(str(c)))
    ]
    if not steps:
        raise InputError(f"{path} has no column of numbers whose name ends in a step, as loss_500")
    if "id" in frame:
        known = load_examples(dataset, ["id"])["id"]
        frame = frame.assign(id=frame["id"].astype(str)).drop_duplicates("id").set_index("id")
        matched = int(known.isin(frame.index).sum())
        if not matched:
            raise InputError(f"no id of {path} is an id of {dataset.name}")
        say(f"{matched:,} of {len(known):,} rows of {dataset.name} have losses in {path.name}")
        frame = frame.reindex(known)
        return [_column(s, frame[c].to_numpy(np.float32)) for s, c in steps]
    return [_column(s, _fit(frame[c].to_numpy(np.float32), dataset)) for s, c in steps]


def _column(at: int, values: Float32s) -> ScoredColumn:
    return ScoredColumn(at, lambda: values)


def _fit(values: npt.NDArray[Any], dataset: Artifact) -> Float32s:
    """Bring losses in the order of the input file to the rows that the dataset kept of it.

    Raises:
        InputError: there are neither as many as rows, nor as many as the file had.
    """
    n = int(dataset.summary_as(DatasetSummary)["rows"])
    read = int(dataset.summary_as(DatasetSummary).get("rows_parsed", n))
    if len(values) == n:
        return np.asarray(values, np.float32)
    if len(values) != read:
        raise InputError(
            f"{len(values):,} losses for {dataset.name}, which has {n:,} rows"
            + (f" of {read:,} in its file" if read != n else "")
        )
    at = load_examples(dataset, ["position"])["position"]
    return np.asarray(values[at.to_numpy()], np.float32)


def _has_tokenizer(folder: pathlib.Path) -> bool:
    return any((folder / f).exists() for f in ("tokenizer.json", "tokenizer_config.json"))


def _tokenizer(dataset: Artifact, model: str) -> Any:
    """Load the tokenizer of the model that made the losses; it may stand beside the checkpoints.

    For a table of losses nobody knows that model: the one named by --model counts the tokens.
    """
    folder = pathlib.Path(model)
    if folder.name.startswith("checkpoint-") and not _has_tokenizer(folder):
        model = str(folder.parent)
    return loading.load_tokenizer_of(model, pool_texts(dataset, model))


def _tokens(
    workspace: Workspace, dataset: Artifact, tokenizer: Any, model: str, settings: Settings
) -> tuple[Tokens, str]:
    from core.model.tokens import tokenize

    template = choose(settings.template, tokenizer, scratch=loading.is_scratch(model))
    tokens = tokenize(workspace, dataset, tokenizer, template)
    if settings.max_length != "auto":
        return tokens.cut(int(settings.max_length)), template
    return tokens, template
