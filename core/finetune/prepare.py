"""What stands before a fine-tune's first step: its model, the rows as the model reads them, a plan.

The run, its forecast and the preview of its rows prepare the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from core.arrays import Ints
from core.dataset.artifact import DatasetSummary
from core.errors import InputError
from core.evaluations.load import load
from core.finetune.artifact import weights
from core.finetune.settings import Settings, default_lr, planned_steps, resolve
from core.finetune.trained import adapter_of, base_run, load_base, load_merged
from core.model import adapters, loading, methods
from core.model.pool_texts import pool_texts
from core.model.remarks import by_reason, named, remedy
from core.model.templates import choose
from core.model.tokens import Tokens, longest, tokenize
from core.selection.artifact import load_rows
from core.settings import conflicting_flags, specs
from core.training.recipe import Recipe
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Read(NamedTuple):
    """A selection as a model reads it."""

    tokens: Tokens
    """Of the whole dataset, cut."""
    template: str
    selected: Ints
    """Rows of the selection, in order of id (n_selected,)."""
    rows: Ints
    """Those that have a response token left (n_rows,)."""

    def left_out(self) -> list[tuple[str, list[int]]]:
        """Return the selected rows that are not trained on, by reason, the commonest first."""
        why = self.tokens.untrained()
        return by_reason({r: why[r] for r in self.selected.tolist() if r in why})

    def left_out_sentences(self) -> list[str]:
        """Say which selected rows are not trained on, a sentence a reason."""
        return [
            f"{len(gone):,} of {len(self.selected):,} selected rows ({named(gone)}) left out: {why}"
            for why, gone in self.left_out()
        ]

    def check(self) -> None:
        """Refuse a selection of which nothing can be trained on.

        Raises:
            InputError: no row has a response token left.
        """
        if not len(self.rows):
            why = self.left_out()[0][0]
            raise InputError(
                f"no selected row has a response token left; {remedy(why)} ({why})",
                failure="bad-row",
            )


def model_of(
    s: Settings, dataset: Artifact, *, bare: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the target with its tokenizer; a new adapter is not yet on it.

    A fine-tune is gone on with: its model, or its adapter; one that trained an adapter is merged
    where all weights are to train.

    Args:
        dataset: That the training rows are from.
        bare: Leave away the adapter that is gone on with, too.

    Raises:
        InputError: there is no such model, its code would pass by the adapter, or the method cannot
            be had here.
    """
    lora = s.method != "full"
    methods.check(s.method, s.model)
    four = s.method == methods.QLORA
    how: dict[str, Any] = {"frozen": lora, "precision": s.precision, "four_bits": four}
    base = base_run(s.model, dataset)
    if base is None:
        if lora:
            adapters.check_targets(s.model, s.lora_targets)
        texts = pool_texts(dataset, s.model, s.template)
        return loading.load(s.model, seed=s.seed, texts=texts, **how)
    adapter = adapter_of(base)
    if not lora or adapter is None:
        if lora:
            adapters.check_targets(str(weights(base.path, "full")), s.lora_targets)
        return load_merged(base, **how)
    own = [spec.name for spec in specs(Settings) if not spec.name.startswith(("lora_", "rslora"))]
    if wrong := conflicting_flags(s, base.config, tuple(own)):
        raise InputError(
            f"{base.name} has an adapter of its own, which is trained on: leave {wrong[0]} away, "
            "or take --method full"
        )
    model, tokenizer = load_base(base, **how)
    if bare:
        return model, tokenizer
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(adapter), is_trainable=True), tokenizer  # type: ignore[return-value]


def read(
    workspace: Workspace, s: Settings, selection: Artifact, tokenizer: Any, positions: int
) -> Read:
    """Return the selection as a model reads it that takes so many positions.

    Raises:
        InputError: the template cannot say where responses are.
    """
    base = base_run(s.model, selection)
    template_of = base.config["template"] if base and s.template == "auto" else s.template
    template = choose(template_of, tokenizer, scratch=loading.is_scratch(s.model))
    tokens = tokenize(workspace, selection.ancestor("dataset"), tokenizer, template)
    tokens = tokens.cut(longest(s.max_length, tokens.full_lengths(), positions))
    selected = load_rows(selection, by="id")
    return Read(tokens, template, selected, selected[tokens.response_lengths()[selected] > 0])


def test_set(workspace: Workspace, dataset: Artifact, name: str) -> tuple[Artifact, str]:
    """Return the dataset to test on, and which of its rows; a named test's are all of it.

    Raises:
        InputError: none was named and nothing was held out.
    """
    if name:
        return load(workspace, name, dataset).dataset, "all"
    if not dataset.summary_as(DatasetSummary).get("holdout_rows"):
        raise InputError(
            f"{dataset.name} has no held-out rows to test on; name a test file with --eval"
        )
    return dataset, "holdout"


def steps_of(settings: Settings, rows: int) -> int:
    """Return the optimizer steps that a fine-tune of these settings takes on so many rows."""
    s = resolve(settings)
    return s.steps or planned_steps(rows, s.epochs, s.batch_size, s.model)


def recipe_of(s: Settings, n_rows: int) -> Recipe:
    """Return how so many rows are trained on."""
    return Recipe(
        steps=steps_of(s, n_rows),
        batch_size=s.batch_size,
        lr=float(s.lr) if s.lr != "auto" else default_lr(s.model, s.method),
        seed=s.seed,
        precision=s.precision,
        packing=s.packing,
        neftune=s.neftune,
        shard=s.shard,
        **s.optimizing(),
    )
