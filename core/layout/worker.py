"""The process that draws a map: it compiles UMAP, waits for the order and carries it out."""

from __future__ import annotations

import json
import sys

from core.jobs.children import end_with_parent
from core.layout.projection import warm_up
from core.layout.run import run
from core.layout.settings import Settings
from core.workspace.store import Workspace


def main() -> None:
    """Read the settings of a layout from stdin once UMAP is ready; none are no order."""
    end_with_parent()
    warm_up()
    order = sys.stdin.read()
    if order:
        run(Workspace(sys.argv[1]), Settings(**json.loads(order)))


if __name__ == "__main__":
    main()
