"""What may be set of a report."""

from __future__ import annotations

import dataclasses
from typing import Literal

from core.settings import Group, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """What is reported, where to, and whether texts of the data stand in it."""

    id: str = setting(
        help="Id of a study, fine-tune, selection, clustering, or of trajectories", positional=True
    )
    out: str = setting(help="The file to write", names="export")
    format: Literal["html", "md"] = setting(
        "html",
        help="html: one page with pictures that needs nothing else; md: a summary to paste",
    )
    texts: bool = setting(
        False, help="Also show two examples of each large cluster; refused for private data"
    )
    overwrite: bool = setting(False, help="Replace a file of that name")
