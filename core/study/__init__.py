"""Studies: selections compared by equal fine-tunes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.study.results import BASE as BASE
    from core.study.results import caution as caution
    from core.study.run import Settings as Settings
    from core.study.run import run as run

faces.lazy(__name__, __file__)
