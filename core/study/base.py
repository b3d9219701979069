"""The untuned base of a study: what the target says of every test before any training.

Its answers, items and scores stand as a fine-tune keeps them, with and without the test rows that
the pool has, and beside them which rows those are.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from core import finetune
from core.finetune import more_tests
from core.finetune.artifact import write_result
from core.finetune.seen import seen
from core.study import artifact as kept
from core.study.artifact import BASE_FOLDER
from core.study.checks import Checked
from core.study.plan import Opened, Tests
from core.workspace.draft import Draft
from core.workspace.store import Workspace


class Base(NamedTuple):
    """What the untuned target scores."""

    scores: dict[str, Any]
    """On the first test."""
    others: dict[str, dict[str, Any]]
    """On the tests beside it, by key."""
    overlap: dict[str, int]
    """Rows of the first test that rows of the pool give away: `core.dataset.overlap`."""


def measure(
    workspace: Workspace, opened: Opened, tested: Tests, ready: Checked, draft: Draft
) -> Base:
    """Test the target before any training; one from scratch with the first seed's weights."""
    from core.finetune.evaluate import evaluate

    measured = functools.partial(
        evaluate,
        workspace,
        ready.model,
        ready.tokenizer,
        template=ready.template,
        max_length=ready.tokens.max_length,
        trained=ready.tokens.response_lengths(),
        how=opened.settings,
    )
    folder, none = draft.path / BASE_FOLDER, np.zeros(0, int)
    shared = seen(opened.dataset, none, tested.test, tested.split)
    result = measured(tested.test, split=tested.split, overlapping=shared.overlapping())
    write_result(folder, result)
    shared.write(folder)
    others = more_tests.run(tested.more, measured, opened.dataset, none, folder)
    base = finetune.headline(result.scores)
    kept.add_base(draft, base)
    return Base(base, others, shared.pool.counts())
