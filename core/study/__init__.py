"""Studies: selections compared by equal fine-tunes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.study.run import run as run
    from core.study.sentences import BASE as BASE
    from core.study.sentences import caution as caution
    from core.study.settings import Settings as Settings

faces.lazy(__name__, __file__)
