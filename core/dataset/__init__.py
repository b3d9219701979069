"""Datasets: whatever people bring, read as examples with a test split that stays apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.dataset.run import examples as examples
    from core.dataset.run import load_any as load_any
    from core.dataset.run import run as run
    from core.dataset.settings import Settings as Settings
    from core.dataset.tables import ROW_GROUP as ROW_GROUP

faces.lazy(__name__, __file__)
