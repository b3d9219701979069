"""Publishing: the model of a fine-tune as a folder that any other tool loads, with a model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.publish.gguf import why_not as why_not
    from core.publish.run import FORMS as FORMS
    from core.publish.run import Settings as Settings
    from core.publish.run import facts as facts
    from core.publish.run import needed as needed
    from core.publish.run import run as run
    from core.publish.run import unavailable as unavailable
    from core.publish.use import lines as lines

faces.lazy(__name__, __file__)
