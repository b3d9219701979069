"""A dry run: what a fine-tune would take, said without starting it."""

from __future__ import annotations

import sys

from core.errors import InputError
from core.finetune.fit import Fit, FitRun
from core.finetune.preview import SelectionPreview, preview
from core.finetune.settings import Settings, resolve
from core.model.chat_template import Refused
from core.training.fit_disk import free
from core.training.fit_memory import gib
from core.workspace.store import Workspace

SHOWN = 600
"""Characters of the row that is shown."""
MARKS = {"trained": ("\x1b[7m", "\x1b[0m"), "cut": ("\x1b[9m", "\x1b[0m")}
PLAIN = {"trained": ("«", "»"), "cut": ("[cut: ", "]")}


def dry_run(workspace: Workspace, settings: Settings) -> str:
    """Return fit, forecast, disk and rows of a fine-tune, a line each; nothing is started.

    Raises:
        InputError: it cannot be done, whatever the memory.
    """
    rows = preview(workspace, settings)
    fit = FitRun(workspace, settings).wait()
    if fit.problem:
        raise InputError(fit.problem)
    lines = [*fit_lines(fit), *disk_lines(workspace, fit), f"rows: {rows.facts()}"]
    forecast = fit.forecast
    if forecast:
        busy = f". {forecast.busy()}" if forecast.busy() else ""
        speed = f"{forecast.tokens_a_second():,.0f} tokens/s in training"
        lines.insert(1, f"time: {forecast}; {speed}{busy}")
        if price := resolve(settings).price:
            low, high = forecast.price(price)
            lines.insert(2, f"price: {low:.2f} to {high:.2f} at {price:g} an hour")
    return "\n".join([*lines, shown(rows, int(rows.read.rows[0]))])


def fit_lines(fit: Fit) -> list[str]:
    """Say whether it fits, else what would."""
    if fit.fits:
        again = ", layers computed again" if fit.measured["checkpointing"] else ""
        budget = fit.measured["budget"]
        return [f"fits: {fit.memory()}; at most {budget:,} tokens at once{again}"]
    lines = [f"does not fit: {fit.why}"]
    for way in fit.ways:
        flags = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in way.changes.items())
        lines.append(f"fits with {flags} ({way.sentence})")
    return lines if fit.ways else [*lines, "nothing that was tried fits; take a smaller model"]


def disk_lines(workspace: Workspace, fit: Fit) -> list[str]:
    """Say what is written, and what is free."""
    if "bytes_saved" not in fit.measured:
        return []
    left = free(workspace.root)
    short = "" if fit.disk.total <= left else ", which is too little"
    return [f"disk: {fit.disk} to be written, {gib(left)} free{short}"]


def shown(rows: SelectionPreview, row: int) -> str:
    """Return the beginning of a row, its trained tokens marked."""
    colours = sys.stdout.isatty()
    marks = MARKS if colours else PLAIN
    try:
        parts = rows.pieces(row)
    except Refused as e:
        return f"row {row:,}: not trained: {e}"
    text, role = "", "read"
    for piece in parts:
        if piece.role != role:
            text += marks.get(role, ("", ""))[1] + marks.get(piece.role, ("", ""))[0]
            role = piece.role
        text += piece.text if piece.text.isprintable() else _plain(piece.text)
        if len(text) > SHOWN:
            break
    text += marks.get(role, ("", ""))[1]
    how = "highlighted" if colours else "between « and »"
    return f"row {row:,}, what is trained {how}:\n{text}"


def _plain(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
