"""Transfers: a target tried on a few rows; can the proxy speak for it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.transfer.artifact import FEWEST as FEWEST
    from core.transfer.artifact import TransferSummary as TransferSummary
    from core.transfer.artifact import load_table as load_table
    from core.transfer.compare import PART as PART
    from core.transfer.compare import YES as YES
    from core.transfer.compare import verdict as verdict
    from core.transfer.run import Settings as Settings
    from core.transfer.run import run as run

faces.lazy(__name__, __file__)
