"""Exports: selected rows for another trainer, with a data card and a config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.export.run import Settings as Settings
    from core.export.run import left_out as left_out
    from core.export.run import run as run
    from core.export.target import MANIFEST as MANIFEST
    from core.export.writers import jsonl_lines as jsonl_lines

faces.lazy(__name__, __file__)
