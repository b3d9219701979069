"""Clusters: examples whose losses fell in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.clusters.artifact import edits_of as edits_of
    from core.clusters.artifact import find as find
    from core.clusters.keywords import name as name
    from core.clusters.keywords import names as names
    from core.clusters.run import compute as compute
    from core.clusters.run import run as run
    from core.clusters.run import seal as seal
    from core.clusters.settings import Settings as Settings

faces.lazy(__name__, __file__)
