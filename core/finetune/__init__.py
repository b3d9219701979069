"""Fine-tunes: a target trained on a selection and tested on rows it never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.finetune.artifact import FinetuneSummary as FinetuneSummary
    from core.finetune.metrics import headline as headline
    from core.finetune.prepare import steps_of as steps_of
    from core.finetune.prepare import test_set as test_set
    from core.finetune.run import key as key
    from core.finetune.run import make as make
    from core.finetune.run import run as run
    from core.finetune.settings import MIN_STEPS as MIN_STEPS
    from core.finetune.settings import Settings as Settings
    from core.finetune.settings import default_lr as default_lr
    from core.finetune.settings import planned_steps as planned_steps
    from core.finetune.settings import resolve as resolve
    from core.finetune.settings import short as short

faces.lazy(__name__, __file__)
