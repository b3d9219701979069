"""The demo: the whole pipeline on embedded data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.demo.run import WHAT as WHAT
    from core.demo.run import Settings as Settings
    from core.demo.run import run as run
    from core.demo.run import write_rows as write_rows

faces.lazy(__name__, __file__)
