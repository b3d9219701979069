"""Fine-tunes: train a target on a selection and test it on rows it never saw."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from core.finetune.finish import Ready


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
    from core.finetune.finish import finish
    from core.training.loop import fit

    s = resolve(settings)
    if s.shard:
        sharding.check(method=s.method, keep=s.keep, keep_every=s.keep_every)
    dataset = selection.ancestor("dataset")
    fingerprint = key(selection, test, s, more)
    if s.resume:
        done, id = process_group.kept(
            lambda: _finished(workspace, fingerprint, s), lambda done: done.id if done else ""
        )
        if id:
            return done or workspace.open(id, "finetune")
    trackers = check_trackers(s.report_to)
    base = base_run(s.model, dataset)
    check_tests(s, [(test, split), *((one.dataset, "all") for one in more)])
    ready = _prepare(workspace, s, selection, (test, split), more)
    process_group.once(ready.look_before)
    opened = process_group.kept(
        lambda: _begin(ready, base, fingerprint), lambda draft: str(draft.path)
    )
    draft, folder = opened[0], pathlib.Path(opened[1])
    watched, looked = process_group.first(lambda: looks.watch(ready, folder))
    tried_before = find(workspace, s)
    tried = tried_before.forecast if tried_before else None
    after = tried.after_training if tried else process_group.first(ready.time_after)
    try:
        trained = fit(
            ready.model,
            ready.read.tokens,
            ready.read.rows,
            ready.recipe,
            folder,
            stage="train target",
            watch=watched,
            tensorboard=True,
            trackers=trackers,
            expected=tried.after_start() if tried else None,
            after=after,
        )
    except Stopped:
        if discard_requested() and draft is not None:
            draft.lock.close()
            workspace.delete(draft.id)
        raise
    del watched  # what is sealed is loaded again, and two models would not fit where one does

    def seal() -> Artifact:
        assert draft is not None
        return finish(ready, draft, trained, looked)

    sealed = process_group.kept(seal, lambda made: made.id)
    return sealed[0] or workspace.open(sealed[1], "finetune")


def _prepare(
    workspace: Workspace,
    s: Settings,
    selection: Artifact,
    test: tuple[Artifact, str],
    more: Sequence[Named],
) -> Ready:
    """Load the target, with an adapter where it gets one, and read the selection as it does."""
    from core.finetune.finish import Ready

    model: Any
    model, tokenizer = model_of(s, selection.ancestor("dataset"))
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
    return Ready(workspace, s, selection, test, more, model, tokenizer, rows, recipe)


def _begin(ready: Ready, base: Artifact | None, fingerprint: str) -> Draft:
    """Open the run, on the one process that writes."""
    workspace, s, selection = ready.workspace, ready.settings, ready.selection
    draft = unfinished(workspace, "finetune", fingerprint, s)
    if draft is None:
        if s.resume and (twin := _finished(workspace, fingerprint, s)):
            raise InUse(f"another process made it meanwhile, as {twin.id}; start again to use it")
        outdated = workspace.same("finetune", fingerprint, s.name) if s.resume else None
        disk.check(workspace, ready.model, s, ready.recipe.steps)
        draft = workspace.draft(
            "finetune",
            name=s.name or f"{selection.name} → {base.name if base else short(s.model)}",
            config={
                **to_config(s),
                "steps": ready.recipe.steps,
                "lr": ready.recipe.lr,
                "template": ready.read.template,
                "max_length": ready.read.tokens.max_length,
            },
            parents={
                "selection": selection.id,
                "test": ready.test[0].id,
                **{f"test {one.key}": one.dataset.id for one in ready.more},
                **({"base": base.id} if base else {}),
            },
            fingerprint=fingerprint,
            alone=s.resume,
            after=outdated.id if outdated else "",
        )
    identify(draft.id)
    return draft


def _finished(workspace: Workspace, fingerprint: str, s: Settings) -> Artifact | None:
    """Return what a run made before it was killed."""
    done = workspace.finished("finetune", fingerprint, s.name)
    if done is None or loading.changed_since(s.model, done.id, done.manifest["created"]):
        return None
    say(f"{done.id} was finished before")
    return done


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
