"""What follows a fine-tune's last step: the model is saved, tested, loaded again and sealed."""

from __future__ import annotations

import functools
import gc
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from core.evaluations.load import Named
from core.finetune import more_tests, outcome, saved
from core.finetune.artifact import FinetuneSummary, weights, write_result
from core.finetune.fit import find
from core.finetune.metrics import describe, headline
from core.finetune.prepare import Read, model_of
from core.finetune.seen import Seen, seen
from core.finetune.settings import Settings
from core.finetune.time_after import Pace, sizes
from core.jobs.progress import say
from core.model import loading
from core.model.scoring import score
from core.model.templates import with_template
from core.selection.artifact import SelectionSummary
from core.training.checkpoints import check_free, weights_of
from core.training.recipe import Recipe
from core.training.settings import epochs_of
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.training.loop import Fitted


class Ready:
    """A fine-tune that is about to be trained, and what it was before."""

    before: outcome.Before
    shared: Seen
    overlap: str
    skills: dict[str, int]

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        selection: Artifact,
        test: tuple[Artifact, str],
        more: Sequence[Named],
        model: Any,
        tokenizer: Any,
        read: Read,
        recipe: Recipe,
    ) -> None:
        """Hold what training and test need; `test` is a dataset and which of its rows."""
        self.workspace, self.settings, self.selection = workspace, settings, selection
        self.test, self.more, self.recipe = test, more, recipe
        self.model, self.tokenizer, self.read = model, tokenizer, read
        self.pace = Pace()

    def look_before(self) -> None:
        """Note what is seen of the test set, and what the model can do before any step."""
        dataset = self.selection.ancestor("dataset")
        self.shared = seen(dataset, self.read.rows, *self.test)
        self.overlap = self.shared.sentence()
        if self.overlap:
            say(self.overlap)
        lengths = self.read.tokens.lengths()
        with self.pace.reading(int(lengths[outcome.some(self.read.rows)].sum())):
            self.before = outcome.Before.of(self.model, self.read.tokens, self.read.rows)
        self.skills = more_tests.skills(self.more, self.measured())

    def time_after(self) -> Callable[[float], float]:
        """Return what gives the seconds of the test, the better the more the run has met."""
        held = (self.workspace, self.settings, [self.test], self.more, self.read)
        sets = sizes(*held, self.model, self.tokenizer)
        return lambda training: self.pace.seconds(sets)

    def measured(self) -> Any:
        """Return the test of the model as it is now, all given but the test set."""
        from core.finetune.evaluate import evaluate

        return functools.partial(
            evaluate,
            self.workspace,
            self.model,
            self.tokenizer,
            template=self.read.template,
            max_length=self.read.tokens.max_length,
            trained=self.read.tokens.response_lengths(),
            how=self.settings,
        )

    def save(self, folder: pathlib.Path) -> None:
        """Save the model as it is now, and its tokenizer.

        Raises:
            InputError: the disk has no room.
        """
        check_free(folder, weights_of(self.model), "saving the weights")
        self.model.save_pretrained(folder)
        with_template(self.tokenizer, self.read.template).save_pretrained(folder)


def finish(ready: Ready, draft: Draft, trained: Fitted, looked: str) -> Artifact:
    """Save, test, load again and seal a trained model.

    Args:
        ready: With the model as trained; it holds none any more when this returns.
        looked: What was looked at on the way.

    Raises:
        InputError: the training broke the model, or what was saved is not what was trained.
    """
    s, read_rows, recipe, (test, split) = ready.settings, ready.read, ready.recipe, ready.test
    dataset = ready.selection.ancestor("dataset")
    tokens, rows, left_out = read_rows.tokens, read_rows.rows, read_rows.left_out()
    after = ready.before.after(ready.model, recipe.lr)
    if after["warning"]:
        say(after["warning"])
    saved_in = weights(draft.path, s.method)
    ready.save(saved_in)
    measured = ready.measured()
    result = measured(test, split=split, overlapping=ready.shared.overlapping())
    result = result._replace(scores={**result.scores, **ready.shared.scores()})
    write_result(draft.path, result)
    ready.shared.write(draft.path)
    others = more_tests.run(ready.more, measured, dataset, rows, draft.path)
    summary: FinetuneSummary = {
        "rows": len(rows),
        "left_out": len(read_rows.selected) - len(rows),
        "steps": trained.steps,
        "epochs": round(epochs_of(len(rows), trained.steps, s.batch_size), 2),
        "response_tokens": int(tokens.response_lengths()[rows].sum()),
        "train_seconds": round(trained.seconds, 1),
        "train_loss": round(trained.loss, 6),
        "ids_sha256": ready.selection.summary_as(SelectionSummary)["ids_sha256"],
        "parameters": loading.size(ready.model),
        "model_class": after["model_class"],
        "trainable_parameters": after["trainable_parameters"],
        "trained_rows_loss": after["trained_rows_loss"],
        "warning": after["warning"],
        "test": f"{test.name} ({'held-out rows' if split == 'holdout' else 'all rows'})",
        "overlap": ready.overlap,
    }
    if left_out:
        summary["left_out_why"] = {why: len(gone) for why, gone in left_out}
    tried = find(ready.workspace, s)
    if tried and tried.forecast:
        part = tried.forecast.part("training")
        summary["train_forecast"] = [round(part.low, 1), round(part.high, 1)]
    if looked:
        summary["looked_at"] = looked
    if trained.kept != trained.steps:
        summary["kept_step"] = trained.kept
    if trained.steps != recipe.steps:
        summary["planned_steps"] = recipe.steps
    if others:
        summary["tests"] = others
    if worse := more_tests.worsened(ready.skills, others, draft.path):
        summary["regression"] = worse
    sampled = ready.before.rows[: saved.ROWS]
    expected = score(ready.model, tokens, sampled, precision="fp32").losses
    ready.model = measured = None  # two would not fit where one does
    gc.collect()
    inner = (lambda: model_of(s, dataset, bare=True)[0]) if s.method != "full" else None
    saved.check(saved_in, inner, tokens, sampled, expected)
    artifact = draft.seal({**summary, **headline(result.scores)}, drop=("checkpoints",))
    say(describe(result.scores))
    for scores in others.values():
        say(f"{scores['title']}: {describe(scores)}")
    if worse:
        say(worse)
    return artifact
