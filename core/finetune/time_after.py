"""How long the test behind a training takes, told from what the run itself has met by then.

A fine-tune that was tried knows it from the try (`core.finetune.forecast`); any other learns its
speed from the rows scored before the first step, and from the answers of its looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.evaluations.load import Named
from core.finetune.forecast import answering
from core.finetune.generate import DECODE_BATCH
from core.finetune.prepare import Read
from core.finetune.settings import Settings
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Pace:
    """What a token takes, in seconds: read in a batch, and in a step in which some are written."""

    read = written = 0.0
    """0 as long as it was not met."""

    @contextmanager
    def reading(self, tokens: int) -> Iterator[None]:
        """Time the scoring of so many tokens."""
        began = time.monotonic()
        yield
        self.read = (time.monotonic() - began) / max(1, tokens)

    @contextmanager
    def writing(self, tokens: Callable[[], int]) -> Iterator[None]:
        """Time answers of which the longest takes so many tokens."""
        began = time.monotonic()
        yield
        self.written = (time.monotonic() - began) / max(1, tokens())

    def seconds(self, sets: Sequence[dict[str, Any]]) -> float:
        """Return the seconds in which tests are scored and answered, as far as it is known."""
        rates = {"read": self.read, "step": self.written, "item": self.read}
        test = {"rates": rates, "sets": sets, "batch": DECODE_BATCH}
        tokens = sum(int(one["tokens"]) for one in sets)
        return self.read * tokens + answering(test)


def sizes(
    workspace: Workspace,
    s: Settings,
    tests: Sequence[tuple[Artifact, str]],
    more: Sequence[Named],
    rows: Read,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> list[dict[str, Any]]:
    """Return the tokens of every test, as `fit_evaluation.sizes` counts them."""
    from core.finetune import fit_evaluation

    every = [*tests, *((one.dataset, "all") for one in more)]
    return [
        {**fit_evaluation.sizes(workspace, test, split, tokenizer, rows, model, s), "times": 1}
        for test, split in every
    ]
