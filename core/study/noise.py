"""How far apart two evaluations of one model are: below that, arms are tied.

In exact arithmetic the order of batches changes nothing. In floating point it can turn a greedy
answer, on a GPU more than on a CPU, so one fine-tune is tested again in other batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from core.finetune import retest
from core.finetune.metrics import METRICS
from core.finetune.settings import Tested
from core.jobs.progress import say
from core.settings import from_config
from core.study.plan import Tests
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

BATCH = 24
"""Items answered at once, another number than otherwise."""


def floor(
    workspace: Workspace, made: Artifact, tested: Tests
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return by how much each metric of a fine-tune changes when it is tested in other batches.

    In each metric's own unit, of the first test, and by key of those beside it; none where nothing
    is answered.
    """
    if not from_config(Tested, made.config).answers:
        return {}, {}
    say("testing one fine-tune again, in other batches: so far apart is no difference")
    before = retest.scores_of(workspace, made, *tested)
    after = retest.again(workspace, made, *tested, batch=BATCH)
    others = {
        key: _apart(before["tests"][key], scores) for key, scores in after.get("tests", {}).items()
    }
    return _apart(before, after), others


def _apart(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    return {
        key: abs(float(after[key]) - float(before[key]))
        for key in METRICS
        if key in before and key in after and math.isfinite(float(after[key]) - float(before[key]))
    }
