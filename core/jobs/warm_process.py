"""A process started before it is needed, so that its libraries are loaded when it is.

The map's worker is one: UMAP takes 15-20 s to load and compile, and its threads do not survive a
fork. It ends when its parent does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from core.jobs.bounds import loosened
from core.jobs.children import environment
from core.workspace.files import ROOT


class WarmProcess:
    """A waiting process; `send` gives it its one order."""

    def __init__(self, module: str, *args: str) -> None:
        """Start `python -m <module> <args>`, which waits for an order on its stdin."""
        with loosened():
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment(),
                cwd=ROOT,
            )

    def send(self, order: dict[str, Any]) -> bool:
        """Send the order (plain data), wait for the end, and say whether it was carried out."""
        self.process.communicate(json.dumps(order).encode())
        return self.process.returncode == 0

    def close(self) -> None:
        """End the process if it was not used."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
