"""What an import tells of its result: on the command line and on the page."""

from __future__ import annotations

from collections.abc import Mapping

from core.dataset import sides
from core.dataset.artifact import DatasetSummary, Understanding
from core.dataset.column_names import OPTIONS
from core.dataset.mapping import PARTS
from core.dataset.readers import described
from core.jobs.progress import say

NAMED = 8
"""Columns named in a sentence; the rest are counted."""
PROMPT = ("system", "history", "prompt", "input", "context", "choices", *OPTIONS)
"""Parts of a prompt in the order in which it is put together."""

CARRIED = {
    "train": "replies marked as context, which are read and not trained:",
    "tools": "conversations with tools:",
    "tool_calls": "turns that call tools:",
    "reasoning_content": "replies with reasoning:",
}
"""What turns carry that decides what is trained -> how it is said."""


def report(summary: DatasetSummary) -> None:
    """Say what was read, and what a person may have expected otherwise."""
    skipped = ", ".join(f"{reason} {n:,}" for reason, n in summary["set_aside"].items())
    say(
        f"{summary['rows']:,} of {summary['rows_read']:,} rows read as {summary['format']}; "
        f"skipped: {skipped or 'none'}; exact duplicates: {summary['duplicates']:,}; "
        f"sources: {summary['n_sources']:,}; held out: {summary['holdout_rows']:,}"
    )
    for sentence in sentences(summary):
        say(sentence)
    if summary["left_out"]:
        say(
            f"not in the conversations: {_named(summary['left_out'])} (kept beside the rows; "
            "--map prompt='{column}\\n\\n{column}' says what the prompt is made of)"
        )
    for notice in sides.report(summary):
        say(notice.text)
    if not summary["trainable"]:
        answer = summary["columns"].get("answer", "COLUMN")
        say(
            "no response in this file: it can test a model, not train one; "
            f"--response-column {answer} makes its answers the responses"
        )


def sentences(summary: Understanding) -> list[str]:
    """Say how the columns were understood, as far as it goes without saying."""
    columns = summary["columns"]
    said = []
    prompt = [columns[part] for part in PROMPT if part in columns]
    reply = columns.get("response", columns.get("calls"))
    if summary["certainty"] != "sure" or len(prompt) > 1:
        sure = {"sure": "", "likely": ", most likely", "guess": ", as a guess"}
        whole = [f"conversation: {columns['chat']}"] if "chat" in columns else []
        whole += [f"prompt: {', then '.join(prompt)}"] if prompt and "chat" not in columns else []
        whole += [f"reply: {reply}"] if reply else []
        said.append("; ".join(whole) + sure[summary["certainty"]])
    if choices := [columns[p] for p in ("choices", *OPTIONS) if p in columns]:
        labels = (
            "labelled 1, 2, 3, as the answers count them"
            if "choices_from_1" in columns
            else "labelled 0, 1, 2 where the answer is such a number, else A, B, C"
        )
        said.append(f"{', '.join(choices)}: a line each, {labels}")
    counts = summary.get("carried", {})
    if told := [f"{what} {counts[key]:,}" for key, what in CARRIED.items() if key in counts]:
        said.append("; ".join(told))
    said += summary.get("notes", [])
    for column, written in summary.get("as_text", {}).items():
        said.append(f"{column}: written as {written}")
    if summary.get("read_as", {}) not in ({}, {"encoding": "utf-8"}):
        said.append(f"the file was read as {described(summary['read_as'])}")
    return said


def _named(columns: list[str]) -> str:
    shown = ", ".join(columns[:NAMED])
    return shown + (f" and {len(columns) - NAMED:,} more" if len(columns) > NAMED else "")


def parts_of(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping that gives what was understood, for a person to change."""
    prompt = [columns[p] for p in PROMPT[2:] if p in columns]
    parts = {part: column for part, column in columns.items() if part in PARTS}
    if "chat" in columns:
        parts["conversation"] = columns["chat"]
    if len(prompt) > 1:
        parts["prompt"] = "\n\n".join(f"{{{column}}}" for column in prompt)
    return {part: parts[part] for part in PARTS if part in parts}
