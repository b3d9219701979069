"""Draw maps in a process of its own, started early: UMAP takes 15-20 s to load and compile.

A process apart, because UMAP's threads do not survive a fork, and because the compilation then
overlaps the training whose map it will draw. It ends when its parent does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from core.jobs.progress import JOB_VARIABLE, say
from core.workspace.store import Workspace

ROOT = Path(__file__).parent.parent.parent


class Drawer:
    """A waiting process; `draw` gives it one map to make."""

    def __init__(self, workspace: Workspace) -> None:
        """Start compiling at once."""
        env = {k: v for k, v in os.environ.items() if k != JOB_VARIABLE}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.jobs.warm_process", str(workspace.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=env,
            cwd=ROOT,
        )

    def draw(self, trajectories: str, features: str = "raw", include_start: bool = False) -> None:
        """Make the layout of these trajectories, or say that it could not be made."""
        wanted = {
            "trajectories": trajectories,
            "features": features,
            "include_start": include_start,
        }
        self.process.communicate(json.dumps(wanted).encode())
        if self.process.returncode:
            say("the map could not be drawn; the clusters page offers it again")

    def close(self) -> None:
        """End the process if it was not used."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def main() -> None:
    """Compile, wait for the order, carry it out."""
    from core import layout

    layout.warm_up()
    order = sys.stdin.read()
    if order:
        layout.run(Workspace(sys.argv[1]), layout.Settings(**json.loads(order)))


if __name__ == "__main__":
    main()
