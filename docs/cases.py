"""Write `docs/cases.md`: inputs of public shapes, and what an import makes of each.

The folder of inputs has a README with a table of them: id, file, what it is, and what an early
version made of it. Run: PYTHONPATH=. python docs/cases.py FOLDER
"""

import collections
import pathlib
import re
import sys

from core import dataset
from core.dataset.preview import understand
from core.dataset.readers import data_in, read
from core.errors import InputError
from core.model.conversation import Turn

PAGE = pathlib.Path(__file__).with_suffix(".md")
CARRIED = {
    "train": "turns only read",
    "tools": "conversations with tools",
    "tool_calls": "turns with calls",
    "reasoning_content": "turns with reasoning",
}
USUAL = re.compile(
    r"the file was read as encoding utf-8(; delimiter comma; inner quotes doubled)?$"
)
"""What goes without saying."""
SHOWN = 150
"""Characters of a refusal that are shown."""


def outcome(path: pathlib.Path) -> str:
    """Say what an import makes of a file or folder; what is carried, of its first rows."""
    settings = dataset.Settings(path=str(path))
    try:
        found = read(str(data_in(path)), settings.split)
    except InputError as e:
        return refused(str(e), path)
    seen = understand(found, settings)
    if seen.reading is None:
        return refused(seen.problem, path)
    skipped = ", ".join(f"{reason} {len(rows):,}" for reason, rows in seen.skipped.items())
    if not seen.n_usable:
        return f"refused: no usable row: {skipped}"
    parts = [f"{seen.n_usable:,} of {seen.n_read:,} rows read as {seen.reading.format}"]
    parts += [f"skipped: {skipped}"] if skipped else []
    parts += carried([turn for row in seen.rows for turn in row.turns])
    parts += [f"left out: {', '.join(seen.reading.left_out)}"] if seen.reading.left_out else []
    return "; ".join(parts + [told for said in seen.said if (told := USUAL.sub("", said))])


def carried(turns: list[Turn]) -> list[str]:
    """Say what turns of the first rows carry beside role and content."""
    counts = collections.Counter(key for turn in turns for key in turn)
    return [f"{what}: {counts[key]:,}" for key, what in CARRIED.items() if counts[key]]


def refused(why: str, path: pathlib.Path) -> str:
    """Return a refusal without the path, in few characters."""
    text = why.replace(f"{path}/", "").replace(str(path), path.name)
    return f"refused: {text[:SHOWN]}{'...' if len(text) > SHOWN else ''}"


def cell(text: str) -> str:
    """Return a text as one cell of a table."""
    return re.sub(r"([<>`*|])", r"\\\1", " ".join(text.split()))


def main(folder: pathlib.Path) -> None:
    """Write the table between its marks."""
    lines = ["| input | what it is | at first | now |", "|---|---|---|---|"]
    for row in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        parts = [part.strip() for part in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
        if len(parts) < 5 or not re.fullmatch(r"[a-z]\d\d", parts[0]):
            continue
        name = parts[1].strip("`")
        now = cell(outcome(folder / name))
        lines.append(f"| `{name}` | {parts[2]} | {parts[3]} | {now} |")
    before, rest = PAGE.read_text(encoding="utf-8").split("<!-- cases -->\n")
    after = rest.split("<!-- /cases -->\n")[1]
    table = "\n".join(lines) + "\n"
    page = f"{before}<!-- cases -->\n{table}<!-- /cases -->\n{after}"
    PAGE.write_text(page, encoding="utf-8")


main(pathlib.Path(sys.argv[1]).resolve())
