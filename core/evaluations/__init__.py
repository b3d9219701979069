"""Evaluations: tests with a name, their public shapes, and measures beside the exact answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.evaluations.catalog import EVALUATIONS as EVALUATIONS
    from core.evaluations.load import Named as Named
    from core.evaluations.load import load as load
    from core.evaluations.load import load_all as load_all

faces.lazy(__name__, __file__)
