"""Layouts: every example on a 2-D map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.layout.run import EPOCHS as EPOCHS
    from core.layout.run import NEIGHBOURS as NEIGHBOURS
    from core.layout.run import Settings as Settings
    from core.layout.run import find as find
    from core.layout.run import place as place
    from core.layout.run import run as run
    from core.layout.run import warm_up as warm_up

faces.lazy(__name__, __file__)
