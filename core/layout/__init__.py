"""Layouts: every example on a 2-D map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.layout.projection import EPOCHS as EPOCHS
    from core.layout.projection import NEIGHBOURS as NEIGHBOURS
    from core.layout.projection import place as place
    from core.layout.projection import warm_up as warm_up
    from core.layout.run import find as find
    from core.layout.run import key as key
    from core.layout.run import run as run
    from core.layout.settings import Settings as Settings

faces.lazy(__name__, __file__)
