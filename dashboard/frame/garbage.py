"""What the server need not walk through again: the modules it has imported, which stay for good.

Streamlit collects garbage after every run, of a fragment too, and walks through all objects there
are: 0.07 CPU seconds with pandas and plotly, 0.18 with torch. Frozen ones are left out.
"""

from __future__ import annotations

import gc
import sys

MORE = 25
"""Modules imported since the last time that are worth another freeze."""
_frozen = 0
"""Modules that there were when objects were last frozen."""


def freeze_modules() -> None:
    """Leave out of later collections what lives now, if much was imported since the last time.

    What lives now and is part of a cycle is never freed; modules are nearly all of it, and the
    times this happens are few.
    """
    global _frozen
    if len(sys.modules) < _frozen + MORE:
        return
    _frozen = len(sys.modules)
    gc.collect()  # or garbage would be kept, too
    gc.freeze()
