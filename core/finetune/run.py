"""Fine-tunes: train a target on a selection and test it on rows it never saw."""

from __future__ import annotations

import functools
import gc
import pathlib
from collections.abc import Sequence
from typing import Any

from core.errors import InputError
from core.evaluations import second_opinion
from core.evaluations.load import Named, load_all
from core.finetune import more_tests, outcome, saved
from core.finetune.artifact import FinetuneSummary, weights, write_result
from core.finetune.metrics import describe, headline
from core.finetune.prepare import model_of, read, recipe_of, tell_left_out, test_set
from core.finetune.seen import seen
from core.finetune.settings import Settings, Tested, resolve, short
from core.finetune.trained import base_run
from core.jobs.progress import Stopped, discard_requested, say
from core.model import adapters, loading
from core.model.scoring import score
from core.model.templates import with_template
from core.selection.artifact import SelectionSummary
from core.settings import identity, to_config
from core.training.checkpoints import check_free, weights_of
from core.training.reporting import check_trackers, identify
from core.training.settings import epochs_of
from core.workspace.artifact import Artifact
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
    selection = workspace.open(settings.selection, "selection")
    test, split = test_set(workspace, selection.ancestor("dataset"), settings.eval)
    more = load_all(workspace, settings.tests)
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

    Args:
        workspace: Where it is made.
        settings: Its `tests` are given loaded, as `more`.
        selection: What is trained on.
        test: The dataset tested on.
        split: Of its rows.
        more: Tests beside it.

    Raises:
        InputError: bad settings, or nothing to test on.
        Stopped: asked to stop; what was saved can be resumed.
    """
    from core.finetune import looks
    from core.finetune.evaluate import evaluate
    from core.finetune.fit import find
    from core.training.loop import fit

    s = resolve(settings)
    dataset = selection.ancestor("dataset")
    wanted = key(selection, test, s, more)
    done = workspace.finished("finetune", wanted, s.name) if s.resume else None
    if done and not loading.changed_since(s.model, done.id, done.manifest["created"]):
        say(f"{done.id} was finished before")
        return done
    trackers = check_trackers(s.report_to)
    base = base_run(s.model, dataset)
    check_tests(s, [(test, split), *((one.dataset, "all") for one in more)])
    lora = s.method != "full"
    model: Any
    measured: Any
    watched: Any
    model, tokenizer = model_of(s, dataset)
    found = read(workspace, s, selection, tokenizer, loading.positions(model))
    tokens, template, selected, rows = found
    loading.check_vocabulary(model, tokens.highest())
    left_out = found.left_out()
    tell_left_out(found)
    found.check()
    shared = seen(dataset, rows, test, split)
    if overlap := shared.sentence():
        say(overlap)
    recipe = recipe_of(s, len(rows))
    steps, lr = recipe.steps, recipe.lr
    if lora:
        if untaught := adapters.untaught_end(model, tokenizer):
            say(untaught)
        model = adapters.with_adapter(model, s.seed, **s.adapter())
    before = outcome.Before.of(model, tokens, rows)
    measured = functools.partial(
        evaluate,
        workspace,
        model,
        tokenizer,
        template=template,
        max_length=tokens.max_length,
        trained=tokens.response_lengths(),
        how=s,
    )
    skills = more_tests.skills(more, measured)

    draft = workspace.unfinished("finetune", wanted, s.name) if s.resume else None
    if draft and loading.changed_since(s.model, draft.run["id"], draft.run["created"]):
        draft.lock.close()
        draft = None
    if draft is None:
        draft = workspace.draft(
            "finetune",
            name=s.name or f"{selection.name} → {base.name if base else short(s.model)}",
            config={
                **to_config(s),
                "steps": steps,
                "lr": lr,
                "template": template,
                "max_length": tokens.max_length,
            },
            parents={
                "selection": selection.id,
                "test": test.id,
                **{f"test {one.key}": one.dataset.id for one in more},
                **({"base": base.id} if base else {}),
            },
            fingerprint=wanted,
        )
    saved_in = weights(draft.path, s.method)

    def save(model: Any, folder: pathlib.Path) -> None:
        check_free(folder, weights_of(model), "saving the weights")
        model.save_pretrained(folder)
        with_template(tokenizer, template).save_pretrained(folder)

    watched, looked = looks.watch(
        workspace,
        s,
        steps,
        (test, split),
        dataset,
        model,
        tokenizer,
        template,
        tokens.max_length,
        functools.partial(save, model),
        draft.path,
    )
    found_before = find(workspace, s)
    tried = found_before.forecast if found_before else None
    identify(draft.id)
    try:
        trained = fit(
            model,
            tokens,
            rows,
            recipe,
            draft.path,
            stage="train target",
            watch=watched,
            tensorboard=True,
            trackers=trackers,
            expected=tried.middle if tried else None,
            after=tried.after_training() if tried else 0.0,
        )
    except Stopped:
        if discard_requested():
            draft.lock.close()
            workspace.delete(draft.id)
        raise
    after = before.after(model, lr)
    if after["warning"]:
        say(after["warning"])
    save(model, saved_in)
    result = measured(test, split=split, overlapping=shared.overlapping())
    result = result._replace(scores={**result.scores, **shared.scores()})
    write_result(draft.path, result)
    shared.write(draft.path)
    others = more_tests.run(more, measured, dataset, rows, draft.path)
    summary: FinetuneSummary = {
        "rows": len(rows),
        "left_out": len(selected) - len(rows),
        "steps": trained.steps,
        "epochs": round(epochs_of(len(rows), trained.steps, s.batch_size), 2),
        "response_tokens": int(tokens.response_lengths()[rows].sum()),
        "train_seconds": round(trained.seconds, 1),
        "train_loss": round(trained.loss, 6),
        "ids_sha256": selection.summary_as(SelectionSummary)["ids_sha256"],
        "parameters": loading.size(model),
        "model_class": after["model_class"],
        "trainable_parameters": after["trainable_parameters"],
        "trained_rows_loss": after["trained_rows_loss"],
        "warning": after["warning"],
        "test": f"{test.name} ({'held-out rows' if split == 'holdout' else 'all rows'})",
        "overlap": overlap,
    }
    if left_out:
        summary["left_out_why"] = {why: len(gone) for why, gone in left_out}
    if looked:
        summary["looked_at"] = looked
    if trained.kept != trained.steps:
        summary["kept_step"] = trained.kept
    if trained.steps != steps:
        summary["planned_steps"] = steps
    if others:
        summary["tests"] = others
    if worse := more_tests.worsened(skills, others, draft.path):
        summary["regression"] = worse
    sampled = before.rows[: saved.ROWS]
    expected = score(model, tokens, sampled, precision="fp32").losses
    model = measured = watched = None  # two would not fit where one does
    gc.collect()
    inner = (lambda: model_of(s, dataset, bare=True)[0]) if lora else None
    saved.check(saved_in, inner, tokens, sampled, expected)
    artifact = draft.seal({**summary, **headline(result.scores)}, drop=("checkpoints",))
    say(describe(result.scores))
    for scores in others.values():
        say(f"{scores['title']}: {describe(scores)}")
    if worse:
        say(worse)
    return artifact


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
