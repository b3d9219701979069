"""Selections: the rows to train on, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.selection.kept_rows import Kept as Kept
    from core.selection.kept_rows import edited as edited
    from core.selection.kept_rows import keep as keep
    from core.selection.load_pool import load_pool as load_pool
    from core.selection.run import honoured as honoured
    from core.selection.run import ids_sha256 as ids_sha256
    from core.selection.run import key as key
    from core.selection.run import key_of as key_of
    from core.selection.run import once as once
    from core.selection.run import open_source as open_source
    from core.selection.run import prepare as prepare
    from core.selection.run import run as run
    from core.selection.run import seal as seal
    from core.selection.run import source as source
    from core.selection.settings import Settings as Settings
    from core.selection.settings import title as title

faces.lazy(__name__, __file__)
