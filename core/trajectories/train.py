"""Trajectories: train a proxy on the whole dataset and record every example's loss on the way."""

from __future__ import annotations

import pathlib
import time
from typing import TYPE_CHECKING

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
from core.workspace.draft import Draft
from core.workspace.files import fingerprint, read_json
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.training.time_estimate import Estimate


def run(workspace: Workspace, settings: Settings) -> str:
    """Train in this process, or in one of the group that it belongs to, record and seal.

    Raises:
        InputError: bad settings, an unreadable model, or a run too long to begin unasked.
        Stopped: asked to stop; what was saved can be resumed.
    """
    from core.model.tokens import tokenize, window
    from core.training.loop import fit
    from core.training.time_estimate import check_disk, foresee
    from core.trajectories.epoch_recorder import EpochRecorder
    from core.trajectories.recorder import TrajectoryRecorder

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
    texts = pool_texts(dataset, s.model, s.template)
    model, tokenizer = loading.load(s.model, seed=s.seed, texts=texts)
    template = choose(s.template, tokenizer, scratch=loading.is_scratch(s.model))
    began = time.monotonic()
    tokens = process_group.first(lambda: tokenize(workspace, dataset, tokenizer, template))
    tokenizing = time.monotonic() - began  # next to nothing when the cache had them
    loading.check_vocabulary(model, tokens.highest())
    tokens = tokens.cut(window(s.max_length, tokens.full_lengths(), model))
    rows, flags = pool_rows(dataset, tokens, s.limit, s.seed)
    if not len(rows):
        raise no_row_left(dataset, tokens)
    batch_size = int(s.batch_size)
    steps = steps_for(len(rows), float(s.epochs), batch_size)
    per_epoch = -(-len(rows) // batch_size)
    if s.record == "epoch" and steps < per_epoch:
        raise InputError("--record epoch needs at least one whole epoch; raise --epochs")
    if s.record == "epoch" and process_group.world() > 1:
        raise InputError("--record epoch works in one process only; leave --processes away")
    recipe = Recipe(
        steps=steps,
        batch_size=batch_size,
        lr=float(s.lr),
        seed=s.seed,
        precision=s.precision,
        **s.optimizing(),
    )
    draft: Draft | None = None

    def begin() -> tuple[str, Estimate]:
        """Say how long it takes and open the run, on the one process that writes."""
        nonlocal draft
        draft = unfinished(workspace, "trajectories", key, s)
        estimate = foresee(
            model,
            tokens,
            rows,
            recipe,
            checkpoints=0 if s.record == "epoch" else s.checkpoints,
            epochs=float(s.epochs),
            accept_long=s.accept_long or draft is not None,  # one begun before may be long
            keep=s.keep_checkpoints,
        )
        if draft is None:
            check_disk(workspace, estimate.disk)
            draft = workspace.draft(
                "trajectories",
                name=s.name or f"{dataset.name} · {s.model}",
                config={**to_config(s), "max_length": tokens.max_length, "template": template},
                parents={"dataset": dataset.id},
                fingerprint=key,
            )
        proxy_warnings.note_start(draft, tokens, rows, flags, steps=steps, seconds=tokenizing)
        return str(draft.path), estimate

    path, estimate = process_group.once(begin)
    folder = pathlib.Path(path)
    recorder: TrajectoryRecorder | EpochRecorder = (
        EpochRecorder(len(tokens), folder, per_epoch, steps // per_epoch)
        if s.record == "epoch"
        else TrajectoryRecorder(
            tokens, folder, s.checkpoints, rows, s.schedule, s.precision, s.keep_checkpoints
        )
    )
    drawer = draw_map.warm_up(workspace) if s.map and process_group.main() else None
    try:
        trained = fit(
            model,
            tokens,
            rows,
            recipe,
            folder,
            stage="train proxy",
            recorder=recorder,
            expected=(estimate.low + estimate.high) / 2,
        )
    except BaseException:
        if drawer:
            drawer.close()
        raise

    def seal() -> str:
        assert draft is not None
        model.save_pretrained(folder / "proxy")
        tokenizer.save_pretrained(folder / "proxy")
        facts = {
            "steps": steps,
            "parameters": loading.size(model),
            "positions": loading.positions(model),
            "tokenize_seconds": (read_json(folder / proxy_warnings.START) or {})[
                "tokenize_seconds"
            ],
            "train_seconds": round(trained.seconds, 1),
            "estimated_seconds": [round(estimate.low, 1), round(estimate.high, 1)],
            **tokens.remarks.facts(len(tokens)),
        }
        return finish(draft, rows, flags, facts).id

    id = process_group.once(seal)
    if drawer:
        draw_map.draw(drawer, id)
    return id


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
