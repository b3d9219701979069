"""What stands before a fine-tune's first step: its model, the rows as the model reads them, a plan.

The run, its forecast and the preview of its rows prepare the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from core.arrays import Ints
from core.errors import InputError
from core.finetune.settings import Settings, default_lr, planned_steps, resolve
from core.jobs.progress import say
from core.model import adapters, loading
from core.model.pool_texts import pool_texts
from core.model.remarks import by_reason, named, remedy
from core.model.templates import choose
from core.model.tokens import Tokens, longest, tokenize
from core.selection.artifact import load_rows
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

    def left_out(self) -> list[tuple[str, Ints]]:
        """Return the selected rows that are not trained on, by reason, the commonest first."""
        why = self.tokens.untrained()
        return by_reason({r: why[r] for r in self.selected.tolist() if r in why})

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


def model_of(s: Settings, dataset: Artifact) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the target with its tokenizer; an adapter is not yet on it.

    Raises:
        InputError: there is no such model, or its code would pass by the adapter.
    """
    lora = s.method == "lora"
    if lora:
        adapters.check_targets(s.model, s.lora_targets)
    texts = pool_texts(dataset, s.model, s.template)
    return loading.load(s.model, seed=s.seed, texts=texts, frozen=lora, precision=s.precision)


def read(
    workspace: Workspace, s: Settings, selection: Artifact, tokenizer: Any, positions: int
) -> Read:
    """Return the selection as a model reads it that takes so many positions.

    Raises:
        InputError: the template cannot say where responses are.
    """
    template = choose(s.template, tokenizer, scratch=loading.is_scratch(s.model))
    tokens = tokenize(workspace, selection.ancestor("dataset"), tokenizer, template)
    tokens = tokens.cut(longest(s.max_length, tokens.full_lengths(), positions))
    selected = load_rows(selection, by="id")
    return Read(tokens, template, selected, selected[tokens.response_lengths()[selected] > 0])


def tell_left_out(found: Read) -> None:
    """Say which selected rows are not trained on, and why."""
    for reason, gone in found.left_out():
        say(
            f"{len(gone):,} of {len(found.selected):,} selected rows ({named(gone)}) left out: "
            f"{reason}"
        )


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
        **s.optimizing(),
    )
