"""What may be set of an import, and what the settings say of a table's columns."""

from __future__ import annotations

import contextlib
import dataclasses
import re

from core.dataset import mapping, row_formats
from core.dataset.detection import SAMPLE, Reading, UnclearColumns, detect, may_be_cells
from core.dataset.examples import first_cells
from core.dataset.notes import notes
from core.dataset.privacy import unquoting
from core.dataset.readers import FILE_TYPES, Rows
from core.errors import InputError
from core.settings import Group, setting, to_config

BEFORE = {"holdout_rule": 1}
"""What imports did before there were these settings, where that is not the default."""
FIRST = (
    *("path", "split", "format", "prompt_column", "response_column", "source_column"),
    *("answer_column", "split_column", "id_column", "limit", "seed", "holdout"),
)
"""Settings that every fingerprint holds; a later one counts where it differs from its default, so
that a dataset made before there was such a setting is found again."""
COLUMN_FLAGS = ("prompt", "response", "source", "answer", "split", "id")
"""Parts that have a flag of their own, --prompt-column and the like."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """What to import, and how to read it."""

    path: str = setting(
        help=f"File that ends in {FILE_TYPES}, a folder with one, one of the datasets library "
        "(save_to_disk), or a hub dataset: owner/name or owner/name:config",
        names="dataset",
    )
    split: str = setting("train", help="split of a hub dataset, or of a folder that has several")
    format: str = setting(
        "auto",
        choices=("auto", *sorted(row_formats.ROW_FORMATS)),
        help="how a row holds its messages",
        advanced=True,
    )
    prompt_column: str = setting("", help="column with the prompt", advanced=True)
    response_column: str = setting("", help="column with the response", advanced=True)
    source_column: str = setting(
        "", help="column with the source; found by name when empty", advanced=True
    )
    answer_column: str = setting(
        "", help="column with the final answer that a test compares", advanced=True
    )
    split_column: str = setting(
        "",
        help="column that says which rows to hold out: test, eval, dev, validation, holdout",
        advanced=True,
    )
    id_column: str = setting("", help="column with unique ids", advanced=True)
    map: str = setting(
        "",
        repeated=True,
        help="what a column means, PART=COLUMN, or a text of several, such as "
        "prompt='{context}\\n\\n{question}'; once for each of " + ", ".join(mapping.PARTS),
        advanced=True,
    )
    limit: int = setting(
        0, minimum=0, help="import a random sample of this many rows; 0: all", advanced=True
    )
    seed: int = setting(0, minimum=0, help="of the sample and of the holdout", advanced=True)
    holdout: str = setting(
        "auto",
        suggestions=("auto", "0"),
        help="rows sealed for testing, drawn per source: a number, or auto (5%, at most 1,000)",
        advanced=True,
    )
    holdout_rule: int = setting(
        2,
        minimum=1,
        maximum=2,
        help="what is held out together: 2 is rows that ask the same, too, 1 as imports did before",
        hidden=True,
    )
    no_header: bool = setting(
        False,
        help="the first row of a CSV, TSV or Excel file is data, not names; the columns are then "
        "called column 1, column 2 and so on",
        advanced=True,
        later=True,
    )
    private: bool = setting(
        False,
        help="texts may be read in the reader, and stand in no report, log, name or picture",
        advanced=True,
        later=True,
    )
    name: str = setting(
        "", identity=False, help="what people call it; the file's name when empty", advanced=True
    )

    @property
    def hides(self) -> bool:
        """Whether errors and reasons quote nothing of the data: it is private, or such by kind."""
        return self.private or self.format == "radiology"

    def validate(self) -> None:
        if self.holdout != "auto" and not re.fullmatch("[0-9]{1,12}", self.holdout):
            raise InputError(f"--holdout is auto or a whole number, not {self.holdout!r}")
        split = self.split_column or mapping.lines(self.map).get("split")
        if split and self.holdout != "auto":
            raise InputError("--split-column says which rows to hold out; leave --holdout away")
        if not self.path:
            raise InputError("--path is empty; give a file or a hub dataset")


def own_words(settings: Settings) -> list[str]:
    """Return what a person wrote in the settings: it may be quoted, whatever the file holds."""
    written = [value for value in to_config(settings).values() if isinstance(value, str)]
    return [*written, *mapping.lines(settings.map).values()]


def quiet(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Return a context in which errors quote nothing but the settings where the data is private."""
    return unquoting(own_words(settings)) if settings.hides else contextlib.nullcontext()


def read_columns(rows: Rows, settings: Settings) -> Reading:
    """Say what the columns of a table mean: as the settings name them, else as is clear from them.

    Raises:
        InputError: a column that is named does not exist, or no reading is clear.
    """
    columns = list(rows.columns)
    flags = {p: c for p in COLUMN_FLAGS if (c := getattr(settings, f"{p}_column"))}
    named = mapping.given(settings.map, flags, columns)
    used = [p.columns if isinstance(p, mapping.Template) else [p] for p in named.values()]
    inside = [name for names in used for name in names if name not in columns]
    sample = {name: first_cells(rows, name, SAMPLE) for name in [*columns, *inside]}
    for name in inside:
        if all(cell is None for cell in sample[name]):
            raise InputError(f"{name!r}: no cell of {mapping.root(name, columns)!r} has that key")
    try:
        reading = detect(columns, settings.format, named, sample)
        return reading._replace(notes=notes(reading, sample))
    except UnclearColumns as e:
        what, remedy = e.what, e.flags
        table = rows.read_as.keys() & {"delimiter", "sheet"}
        if table and not settings.no_header and may_be_cells(columns):
            what += " (names of columns, or the first row?)"
            remedy = f"--no-header where that is the first row, else {remedy}"
        if others := rows.read_as.get("other_sheets"):
            what += f"; this is the sheet {rows.read_as['sheet']!r}, there are also {others!r:.200}"
            remedy += ", or another sheet with --split"
        raise UnclearColumns(what, remedy) from e
