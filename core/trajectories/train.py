"""Trajectories: train a proxy on the whole dataset and record every example's loss on the way."""

from __future__ import annotations

import pathlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from core.arrays import Ints
from core.dataset.artifact import DatasetSummary
from core.errors import InputError
from core.jobs import process_group
from core.jobs.progress import say
from core.model import loading
from core.model.pool_texts import pool_texts
from core.model.templates import choose
from core.settings import identity, to_config
from core.training.recipe import Recipe
from core.training.settings import steps_for
from core.training.unfinished import unfinished
from core.trajectories import draw_map, proxy_warnings
from core.trajectories.artifact import no_row_left, pool_rows
from core.trajectories.seal import finish
from core.trajectories.settings import Settings, resolve
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft
from core.workspace.files import fingerprint, read_json
from core.workspace.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from core.model.tokens import Tokens
    from core.training.time_estimate import Estimate
    from core.trajectories.epoch_recorder import EpochRecorder
    from core.trajectories.recorder import TrajectoryRecorder


class Prepared(NamedTuple):
    """A proxy that is about to be trained, and what it is trained on."""

    settings: Settings
    """Resolved."""
    dataset: Artifact
    model: Any
    tokenizer: Any
    template: str
    tokens: Tokens
    """Of the whole dataset, cut."""
    rows: Ints
    """Those to train on (n_rows,)."""
    flags: pd.DataFrame
    recipe: Recipe
    tokenize_seconds: float
    """Next to nothing when the cache had them."""

    @property
    def epoch_steps(self) -> int:
        """Return the optimizer steps of an epoch."""
        return -(-len(self.rows) // self.recipe.batch_size)


def run(workspace: Workspace, settings: Settings) -> str:
    """Train in this process, or in one of the group that it belongs to, record and seal.

    Raises:
        InputError: bad settings, an unreadable model, or a run too long to begin unasked.
        Stopped: asked to stop; what was saved can be resumed.
    """
    from core.training.loop import fit

    dataset = workspace.open(settings.dataset, "dataset")
    if not dataset.summary_as(DatasetSummary).get("trainable", True):
        raise InputError(
            f"{dataset.name} has no responses, so a proxy cannot be trained on it; "
            "import it with --response-column to name the column of its replies"
        )
    s = resolve(settings)
    key = fingerprint("trajectories", identity(s))
    if s.resume and (done := process_group.once(lambda: _finished(workspace, key, s))):
        return done
    ready = _prepare(workspace, s, dataset)
    opened = process_group.kept(
        lambda: _begin(workspace, key, ready), lambda begun: (str(begun[0].path), begun[1])
    )
    begun, (path, estimate) = opened
    folder = pathlib.Path(path)
    drawer = draw_map.warm_up(workspace) if s.map and process_group.main() else None
    try:
        trained = fit(
            ready.model,
            ready.tokens,
            ready.rows,
            ready.recipe,
            folder,
            stage="train proxy",
            recorder=_recorder(ready, folder),
            expected=(estimate.low + estimate.high) / 2,
        )
    except BaseException:
        if drawer:
            drawer.close()
        raise

    def seal() -> str:
        assert begun is not None
        return _seal(ready, begun[0], estimate, trained.seconds)

    id = process_group.once(seal)
    if drawer:
        draw_map.draw(drawer, id)
    return id


def _prepare(workspace: Workspace, s: Settings, dataset: Artifact) -> Prepared:
    """Load the proxy and read the dataset as it does.

    Raises:
        InputError: there is no such model, or nothing to train on.
    """
    from core.model.tokens import tokenize, window

    texts = pool_texts(dataset, s.model, s.template)
    model, tokenizer = loading.load(s.model, seed=s.seed, texts=texts)
    template = choose(s.template, tokenizer, scratch=loading.is_scratch(s.model))
    began = time.monotonic()
    tokens = process_group.first(lambda: tokenize(workspace, dataset, tokenizer, template))
    tokenizing = time.monotonic() - began
    loading.check_vocabulary(model, tokens.highest())
    tokens = tokens.cut(window(s.max_length, tokens.full_lengths(), model))
    rows, flags = pool_rows(dataset, tokens, s.limit, s.seed)
    if not len(rows):
        raise no_row_left(dataset, tokens)
    batch_size = int(s.batch_size)
    recipe = Recipe(
        steps=steps_for(len(rows), float(s.epochs), batch_size),
        batch_size=batch_size,
        lr=float(s.lr),
        seed=s.seed,
        precision=s.precision,
        **s.optimizing(),
    )
    ready = Prepared(
        s, dataset, model, tokenizer, template, tokens, rows, flags, recipe, tokenizing
    )
    if s.record == "epoch" and recipe.steps < ready.epoch_steps:
        raise InputError("--record epoch needs at least one whole epoch; raise --epochs")
    if s.record == "epoch" and process_group.world() > 1:
        raise InputError("--record epoch works in one process only; leave --processes away")
    return ready


def _begin(workspace: Workspace, key: str, ready: Prepared) -> tuple[Draft, Estimate]:
    """Say how long it takes and open the run, on the one process that writes."""
    from core.training.time_estimate import check_disk, foresee

    s, tokens = ready.settings, ready.tokens
    draft = unfinished(workspace, "trajectories", key, s)
    estimate = foresee(
        ready.model,
        tokens,
        ready.rows,
        ready.recipe,
        checkpoints=0 if s.record == "epoch" else s.checkpoints,
        epochs=float(s.epochs),
        accept_long=s.accept_long or draft is not None,  # one begun before may be long
        keep=s.keep_checkpoints,
    )
    if draft is None:
        check_disk(workspace, estimate.disk)
        draft = workspace.draft(
            "trajectories",
            name=s.name or f"{ready.dataset.name} · {s.model}",
            config={
                **to_config(s),
                "max_length": tokens.max_length,
                "template": ready.template,
            },
            parents={"dataset": ready.dataset.id},
            fingerprint=key,
        )
    proxy_warnings.note_start(
        draft,
        tokens,
        ready.rows,
        ready.flags,
        steps=ready.recipe.steps,
        seconds=ready.tokenize_seconds,
    )
    return draft, estimate


def _recorder(ready: Prepared, folder: pathlib.Path) -> TrajectoryRecorder | EpochRecorder:
    from core.trajectories.epoch_recorder import EpochRecorder
    from core.trajectories.recorder import TrajectoryRecorder

    s, tokens, each = ready.settings, ready.tokens, ready.epoch_steps
    if s.record == "epoch":
        return EpochRecorder(len(tokens), folder, each, ready.recipe.steps // each)
    return TrajectoryRecorder(
        tokens, folder, s.checkpoints, ready.rows, s.schedule, s.precision, s.keep_checkpoints
    )


def _seal(ready: Prepared, draft: Draft, estimate: Estimate, seconds: float) -> str:
    """Keep the proxy and seal the run; return its id."""
    ready.model.save_pretrained(draft.path / "proxy")
    ready.tokenizer.save_pretrained(draft.path / "proxy")
    facts = {
        "steps": ready.recipe.steps,
        "parameters": loading.size(ready.model),
        "positions": loading.positions(ready.model),
        "tokenize_seconds": (read_json(draft.path / proxy_warnings.START) or {})[
            "tokenize_seconds"
        ],
        "train_seconds": round(seconds, 1),
        "estimated_seconds": [round(estimate.low, 1), round(estimate.high, 1)],
        **ready.tokens.remarks.facts(len(ready.tokens)),
    }
    return finish(draft, ready.rows, ready.flags, facts).id


def _finished(workspace: Workspace, key: str, s: Settings) -> str:
    """Return the id of what a run made before it was killed, with its map; "" if there is none."""
    finished = workspace.finished("trajectories", key, s.name)
    if finished is None or loading.changed_since(
        s.model, finished.id, finished.manifest["created"]
    ):
        return ""
    say(f"{finished.id} was finished before")
    maps = (e.parents for e in workspace.entries("layout") if e.config.get("of") != "embeddings")
    if s.map and not any(parents.get("trajectories") == finished.id for parents in maps):
        draw_map.draw(draw_map.warm_up(workspace), finished.id)
    return finished.id
