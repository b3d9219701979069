"""Fine-tunes: train a target on a selection and test it on rows it never saw."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from core.errors import InputError
from core.evaluations import second_opinion
from core.evaluations.load import Named, load_all
from core.finetune import disk
from core.finetune.fit import find
from core.finetune.prepare import model_of, read, recipe_of, test_set
from core.finetune.settings import Settings, Tested, resolve, short
from core.finetune.trained import base_run
from core.jobs import process_group
from core.jobs.launchers import launched
from core.jobs.progress import Stopped, discard_requested, say
from core.model import adapters, loading
from core.selection.artifact import SelectionSummary
from core.settings import identity, to_config
from core.training import sharding
from core.training.reporting import check_trackers, identify
from core.training.unfinished import unfinished
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft, InUse
from core.workspace.files import fingerprint
from core.workspace.store import Workspace


def run(workspace: Workspace, settings: Settings) -> str:
    """Train, test, seal; return the id. A dry run returns what that would take.

    Raises:
        InputError: as `make`.
        Stopped: asked to stop; what was saved can be resumed.
    """
    if settings.dry_run:
        from core.finetune.dry_run import dry_run

        return dry_run(workspace, settings)
    if id := launched("finetune", workspace, settings):
        return id
    selection = workspace.open(settings.selection, "selection")
    dataset = selection.ancestor("dataset")
    test, split = process_group.first(lambda: test_set(workspace, dataset, settings.eval))
    more = process_group.first(lambda: load_all(workspace, settings.tests))
    return make(workspace, settings, selection, test, split, more).id


def make(
    workspace: Workspace,
    settings: Settings,
    selection: Artifact,
    test: Artifact,
    split: str,
    more: Sequence[Named] = (),
) -> Artifact:
    """Fine-tune on an opened selection; test on the rows of a split, "holdout" or "all".

    Of several processes all train, and one writes and tests.

    Args:
        settings: Its `tests` are given loaded, as `more`.

    Raises:
        InputError: bad settings, or nothing to test on.
        Stopped: asked to stop; what was saved can be resumed.
    """
    from core.finetune import looks
    from core.finetune.finish import Ready, finish
    from core.training.loop import fit

    s = resolve(settings)
    if s.shard:
        sharding.check(method=s.method, keep=s.keep, keep_every=s.keep_every)
    dataset = selection.ancestor("dataset")
    fingerprint = key(selection, test, s, more)
    done: list[Artifact] = []
    if s.resume and (id := process_group.once(lambda: _finished(workspace, fingerprint, s, done))):
        return done[0] if done else workspace.open(id, "finetune")
    trackers = check_trackers(s.report_to)
    base = base_run(s.model, dataset)
    check_tests(s, [(test, split), *((one.dataset, "all") for one in more)])
    model: Any
    model, tokenizer = model_of(s, dataset)
    positions = loading.positions(model)
    rows = process_group.first(lambda: read(workspace, s, selection, tokenizer, positions))
    loading.check_vocabulary(model, rows.tokens.highest())
    for sentence in rows.left_out_sentences():
        say(sentence)
    rows.check()
    recipe = recipe_of(s, len(rows.rows))
    if s.method != "full":
        if untaught := adapters.untaught_end(model, tokenizer):
            say(untaught)
        model = adapters.with_adapter(model, s.seed, **s.adapter())
    ready = Ready(workspace, s, selection, (test, split), more, model, tokenizer, rows, recipe)
    process_group.once(ready.look_before)
    draft: Draft | None = None

    def begin() -> str:
        """Open the run, on the one process that writes."""
        nonlocal draft
        draft = unfinished(workspace, "finetune", fingerprint, s)
        if draft is None:
            if s.resume and (twin := _finished(workspace, fingerprint, s, [])):
                raise InUse(f"another process made it meanwhile, as {twin}; start again to use it")
            disk.check(workspace, model, s, recipe.steps)
            draft = workspace.draft(
                "finetune",
                name=s.name or f"{selection.name} → {base.name if base else short(s.model)}",
                config={
                    **to_config(s),
                    "steps": recipe.steps,
                    "lr": recipe.lr,
                    "template": rows.template,
                    "max_length": rows.tokens.max_length,
                },
                parents={
                    "selection": selection.id,
                    "test": test.id,
                    **{f"test {one.key}": one.dataset.id for one in more},
                    **({"base": base.id} if base else {}),
                },
                fingerprint=fingerprint,
                alone=s.resume,
            )
        identify(draft.id)
        return str(draft.path)

    folder = pathlib.Path(process_group.once(begin))
    watched, looked = process_group.first(
        lambda: looks.watch(
            workspace,
            s,
            recipe.steps,
            (test, split),
            dataset,
            model,
            tokenizer,
            rows.template,
            rows.tokens.max_length,
            ready.save,
            folder,
            ready.pace,
        )
    )
    tried_before = find(workspace, s)
    tried = tried_before.forecast if tried_before else None
    after = tried.after_training if tried else process_group.first(ready.time_after)
    try:
        trained = fit(
            model,
            rows.tokens,
            rows.rows,
            recipe,
            folder,
            stage="train target",
            watch=watched,
            tensorboard=True,
            trackers=trackers,
            expected=tried.middle if tried else None,
            after=after,
        )
    except Stopped:
        if discard_requested() and draft is not None:
            draft.lock.close()
            workspace.delete(draft.id)
        raise
    model = watched = None  # what is sealed is loaded again, and two would not fit where one does

    def seal() -> str:
        assert draft is not None
        done.append(finish(ready, draft, trained, looked))
        return done[0].id

    id = process_group.once(seal)
    return done[0] if done else workspace.open(id, "finetune")


def _finished(workspace: Workspace, fingerprint: str, s: Settings, finished: list[Artifact]) -> str:
    """Return the id of what a run made before it was killed, and add it to a list; "" if none."""
    done = workspace.finished("finetune", fingerprint, s.name)
    if done is None or loading.changed_since(s.model, done.id, done.manifest["created"]):
        return ""
    say(f"{done.id} was finished before")
    finished.append(done)
    return done.id


def key(selection: Artifact, test: Artifact, settings: Settings, more: Sequence[Named] = ()) -> str:
    """Return the fingerprint of the fine-tune that these settings give."""
    ids = selection.summary_as(SelectionSummary)["ids_sha256"]
    others = [[one.dataset.id for one in more]] if more else []
    return fingerprint("finetune", ids, test.id, identity(settings), *others)


def check_tests(settings: Tested, tests: Sequence[tuple[Artifact, str]]) -> None:
    """Refuse what would fail only after the training.

    Args:
        settings: Of a fine-tune or a study.
        tests: Datasets and which of their rows, "holdout" or "all".

    Raises:
        InputError: a test has no answers, or what it is to be measured with is not here.
    """
    from core.finetune.evaluate import check_answers

    for test, split in tests:
        check_answers(test, split)
    if settings.encoder and not pathlib.Path(settings.encoder).expanduser().is_dir():
        raise InputError(
            f"--encoder {settings.encoder} is no folder; BERTScore takes an encoder on this machine"
        )
    if settings.second_opinion and not second_opinion.is_installed():
        raise InputError(
            "--second-opinion asks math-verify, which is not installed; pip install math-verify, "
            "or leave it away"
        )
