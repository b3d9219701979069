"""Reports: one file that tells what was done with a dataset, for people without this program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.report.run import MAKERS as MAKERS
    from core.report.run import page as page
    from core.report.run import run as run
    from core.report.settings import Settings as Settings

faces.lazy(__name__, __file__)
