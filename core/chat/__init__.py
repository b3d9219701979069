"""Chat: a fine-tune, its base and others answer the same prompt; people vote without names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.chat.busy import busy as busy
    from core.chat.client import Event as Event
    from core.chat.client import Talker as Talker
    from core.chat.run import run as run
    from core.chat.settings import Sampling as Sampling
    from core.chat.settings import Talk as Talk
    from core.chat.speakers import base_of as base_of
    from core.chat.speakers import of as of
    from core.chat.speakers import title as title
    from core.chat.votes import Tally as Tally
    from core.chat.votes import win_rate as win_rate

faces.lazy(__name__, __file__)
