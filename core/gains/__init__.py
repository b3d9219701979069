"""Gains: the losses of pool rows before and after a fine-tune, by cluster and by source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.gains.artifact import GainsSummary as GainsSummary
    from core.gains.artifact import load as load
    from core.gains.artifact import of as of
    from core.gains.run import run as run
    from core.gains.settings import Settings as Settings
    from core.gains.statistics import by_group as by_group

faces.lazy(__name__, __file__)
