"""Fine-tunes: train a target on a selection and test it on rows it never saw."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from core.dataset.run import load_any
from core.errors import InputError
from core.finetune import outcome
from core.finetune.metrics import describe
from core.finetune.prepare import model_of, read, recipe_of, tell_left_out
from core.finetune.seen import seen
from core.finetune.settings import Settings, resolve, short
from core.jobs.progress import say
from core.model import adapters, loading
from core.model.templates import with_template
from core.selection.artifact import SelectionSummary
from core.settings import identity, to_config
from core.training.settings import epochs_of
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint, write_json, write_jsonl
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.finetune.evaluate import Result


def run(workspace: Workspace, settings: Settings) -> str:
    """Train, test, seal; return the id.

    Raises:
        InputError: as `make`.
        Stopped: asked to stop; what was saved can be resumed.
    """
    selection = workspace.open(settings.selection, "selection")
    test, split = test_set(workspace, selection.ancestor("dataset"), settings.eval)
    return make(workspace, settings, selection, test, split).id


def make(
    workspace: Workspace, settings: Settings, selection: Artifact, test: Artifact, split: str
) -> Artifact:
    """Fine-tune on an opened selection; test on the rows of a split, "holdout" or "all".

    Raises:
        InputError: bad settings, or nothing to test on.
        Stopped: asked to stop; what was saved can be resumed.
    """
    from core.finetune.evaluate import evaluate
    from core.training.loop import fit

    s = resolve(settings)
    dataset = selection.ancestor("dataset")
    wanted = key(selection, test, s)
    done = workspace.finished("finetune", wanted, s.name) if s.resume else None
    if done and not loading.changed_since(s.model, done.id, done.manifest["created"]):
        say(f"{done.id} was finished before")
        return done
    lora = s.method == "lora"
    model, tokenizer = model_of(s, dataset)
    found = read(workspace, s, selection, tokenizer, loading.positions(model))
    tokens, template, selected, rows = found
    loading.check_vocabulary(model, tokens.highest())
    left_out = found.left_out()
    tell_left_out(found)
    found.check()
    shared = seen(dataset, rows, test, split)
    if told := shared.sentence():
        say(told)
    recipe = recipe_of(s, len(rows))
    steps, lr = recipe.steps, recipe.lr
    if lora:
        model = adapters.with_adapter(model, s.seed, **s.adapter())
    before = outcome.Before.of(model, tokens, rows)

    draft = workspace.unfinished("finetune", wanted, s.name) if s.resume else None
    if draft and loading.changed_since(s.model, draft.run["id"], draft.run["created"]):
        draft.lock.close()
        draft = None
    if draft is None:
        draft = workspace.draft(
            "finetune",
            name=s.name or f"{selection.name} → {short(s.model)}",
            config={
                **to_config(s),
                "steps": steps,
                "lr": lr,
                "template": template,
                "max_length": tokens.max_length,
            },
            parents={"selection": selection.id, "test": test.id},
            fingerprint=wanted,
        )
    trained = fit(model, tokens, rows, recipe, draft.path, stage="train target")
    after = before.after(model, lr)
    if after["warning"]:
        say(after["warning"])

    model.save_pretrained(draft.path / ("adapter" if lora else "model"))
    with_template(tokenizer, template).save_pretrained(
        draft.path / ("adapter" if lora else "model")
    )
    result = evaluate(
        workspace,
        model,
        tokenizer,
        test,
        split=split,
        template=template,
        max_length=tokens.max_length,
        trained=tokens.response_lengths(),
        answer_tokens=s.answer_tokens,
        decode=s.decode,
    )
    result = result._replace(scores={**result.scores, **shared.scores()})
    write_result(draft.path, result)
    shared.write(draft.path)
    summary = {
        "rows": len(rows),
        "left_out": len(selected) - len(rows),
        **({"left_out_why": {why: len(gone) for why, gone in left_out}} if left_out else {}),
        "steps": steps,
        "epochs": round(epochs_of(len(rows), steps, s.batch_size), 2),
        "response_tokens": int(tokens.response_lengths()[rows].sum()),
        "train_seconds": round(trained, 1),
        "ids_sha256": selection.summary_as(SelectionSummary)["ids_sha256"],
        "parameters": loading.size(model),
        **after,
        "test": f"{test.name} ({'held-out rows' if split == 'holdout' else 'all rows'})",
        "overlap": told,
        **headline(result.scores),
    }
    artifact = draft.seal(summary, drop=("checkpoints",))
    say(describe(result.scores))
    return artifact


def test_set(workspace: Workspace, dataset: Artifact, wanted: str) -> tuple[Artifact, str]:
    """Return the dataset to test on, and which of its rows.

    Raises:
        InputError: none was named and nothing was held out.
    """
    if wanted:
        return dataset.open(load_any(workspace, wanted), "dataset"), "all"
    if not dataset.summary.get("holdout_rows"):
        raise InputError(
            f"{dataset.name} has no held-out rows to test on; name a test file with --eval"
        )
    return dataset, "holdout"


def key(selection: Artifact, test: Artifact, settings: Settings) -> str:
    """Return the fingerprint of the fine-tune that these settings give."""
    ids = selection.summary_as(SelectionSummary)["ids_sha256"]
    return fingerprint("finetune", ids, test.id, identity(settings))


def headline(scores: dict[str, Any]) -> dict[str, Any]:
    """Return the scores a listing shows."""
    return {k: v for k, v in scores.items() if not isinstance(v, dict)}


def write_result(folder: pathlib.Path, result: Result) -> None:
    """Write scores.json, generations.jsonl and items.parquet."""
    write_json(folder / "scores.json", result.scores)
    write_jsonl(folder / "generations.jsonl", result.generations)
    result.items.to_parquet(folder / "items.parquet")
