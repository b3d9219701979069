"""Edits: which rows of a dataset people excluded, pinned or noted, with undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.edits.log import as_text as as_text
    from core.edits.log import exclude as exclude
    from core.edits.log import include as include
    from core.edits.log import name as name
    from core.edits.log import note as note
    from core.edits.log import note_cluster as note_cluster
    from core.edits.log import pin as pin
    from core.edits.log import read as read
    from core.edits.log import redo as redo
    from core.edits.log import replay as replay
    from core.edits.log import undo as undo
    from core.edits.log import unpin as unpin
    from core.edits.run import Settings as Settings
    from core.edits.run import run as run

faces.lazy(__name__, __file__)
