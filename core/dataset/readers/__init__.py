"""Files, folders and hub datasets become rows: columns, and where each row stands.

A new file type is one function and one entry in READERS. What cannot be read as a row is skipped
with its place and a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import faces

if TYPE_CHECKING:
    from core.dataset.readers.file_types import FILE_TYPES as FILE_TYPES
    from core.dataset.readers.file_types import READERS as READERS
    from core.dataset.readers.file_types import SUFFIXES as SUFFIXES
    from core.dataset.readers.file_types import Reader as Reader
    from core.dataset.readers.folders import data_in as data_in
    from core.dataset.readers.json_files import JSON as JSON
    from core.dataset.readers.rows import Rows as Rows
    from core.dataset.readers.rows import SkippedRow as SkippedRow
    from core.dataset.readers.rows import described as described
    from core.dataset.readers.whole import batches as batches
    from core.dataset.readers.whole import head as head
    from core.dataset.readers.whole import read as read

faces.lazy(__name__, __file__)
