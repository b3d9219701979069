"""Transfers: a target tried on a few rows; can the proxy speak for it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.transfer.run import FEWEST as FEWEST
    from core.transfer.run import PART as PART
    from core.transfer.run import YES as YES
    from core.transfer.run import Settings as Settings
    from core.transfer.run import run as run
    from core.transfer.run import verdict as verdict

faces.lazy(__name__, __file__)
