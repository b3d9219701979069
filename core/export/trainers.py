"""Ready files for other people's trainers, written beside the data.

They train as `finetune` does by itself: every weight, batches of 32 rows, 3 epochs but at least 200
steps, cosine from 2e-5 after 3% of warm-up, the loss on replies only. A new trainer is one function
and one entry in TRAINERS. Paths are relative: start the trainer in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from core.dataset.row_formats import Turn
from core.errors import InputError
from core.export import trainer_files
from core.export.trainer_files import TrainingJob as TrainingJob
from core.export.turn_formats import Carried, Example
from core.model import loading


class Trainer(NamedTuple):
    """A trainer: the formats it reads, the rows it cannot use, its files, how it is started."""

    formats: tuple[str, ...]
    calls: tuple[str, ...]
    """Those of the formats from which it reads calls of tools."""
    problem: Callable[[list[Turn]], str]
    """Says why the trainer would leave a row out or fail on it; empty where it would not."""
    losses: Callable[[Carried], list[str]]
    """Says, with numbers, what the trainer leaves out of rows or trains against their marks."""
    files: Callable[[TrainingJob], dict[str, str]]
    command: str
    title: str
    sentence: str


def reading(format: str) -> list[str]:
    """Name the trainers that read a format without loss."""
    return [name for name, trainer in TRAINERS.items() if format in trainer.formats]


def check(trainer: str, format: str, model: str) -> None:
    """Check that a trainer reads a format and can load a model.

    Raises:
        InputError: it cannot.
    """
    readable = TRAINERS[trainer].formats
    if format not in readable:
        raise InputError(
            f"--config {trainer} reads --format {' or '.join(readable)}, not {format}; choose one"
        )
    if not model or model.startswith(("scratch:", "shrink:")):
        raise InputError(
            f"--model {model!r} is none that {trainer} can load; give a hub id or a directory"
        )


def check_rows(trainer: str, format: str, examples: Iterable[Example], dataset_id: str) -> None:
    """Check that a trainer will use every row.

    Raises:
        InputError: it would silently leave one out, or fail on it.
    """
    row = TRAINERS[trainer]
    for example in examples:
        if any("tool_calls" in turn for turn in example.turns) and format not in row.calls:
            raise InputError(
                f"{trainer} does not read the tool calls of row {example.row} from --format "
                f"{format}; choose --format {' or '.join(row.calls)}"
            )
        if problem := row.problem(example.turns):
            raise InputError(
                f"{trainer} cannot use row {example.row}: {problem}; leave it out of the selection "
                f"(python -m core edits {dataset_id} --exclude {example.row}) or export without "
                "--config"
            )


def _uneven(turns: list[Turn]) -> str:
    """LLaMA-Factory skips conversations that do not alternate."""
    roles = [t["role"] for t in turns]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    asked, answered = talk[::2], talk[1::2]
    even = len(asked) == len(answered) > 0 and set(asked) <= {"user", "tool"}
    even = even and set(answered) == {"assistant"}
    if not even:
        return f"its turns are {', '.join(roles)}, not question and reply in turn"
    both = any("tool_calls" in turn and turn["content"] for turn in turns)
    return "a reply says something beside its tool calls, which would be lost" if both else ""


def _unread(carried: Carried) -> list[str]:
    """LLaMA-Factory knows texts, calls and tools only, and prompts of its own for empty ones."""
    c = carried
    said = {
        f"trains {c.marked_replies:,} replies that are marked as context only": c.marked,
        "leaves out the reasoning of replies": c.reasoning,
        "leaves out the names of who speaks": c.names,
        "puts the template's system prompt where the system turn is empty": c.empty_system,
    }
    return [f"{what}, in {rows:,} of {c.rows:,} rows" for what, rows in said.items() if rows]


def _of_template(carried: Carried) -> list[str]:
    """Others give all to the model's chat template."""
    c = carried
    said = {"reasoning": c.reasoning, "names": c.names, "tools": c.tools, "calls": c.tool_calls}
    named = [f"{what} ({rows:,} of {c.rows:,} rows)" for what, rows in said.items() if rows]
    if not named:
        return []
    return [f"reads as far as the model's chat template has a place for it: {', '.join(named)}"]


def _silent(turns: list[Turn]) -> str:
    """Without a reply there is nothing to train on."""
    return "" if any(t["role"] == "assistant" for t in turns) else "it has no reply"


def _unasked(turns: list[Turn]) -> str:
    """TRL makes a prompt and a completion of each reply."""
    opens = turns[0]["role"] == "assistant"
    return "its first turn is a reply, with no prompt before it" if opens else _silent(turns)


TRAINERS = {
    "llamafactory": Trainer(
        ("alpaca", "messages", "sharegpt"),
        ("sharegpt",),
        _uneven,
        _unread,
        trainer_files.llamafactory,
        "llamafactory-cli train llamafactory.yaml",
        "LLaMA-Factory",
        "dataset_info.json and llamafactory.yaml.",
    ),
    "axolotl": Trainer(
        ("messages", "sharegpt"),
        ("messages",),
        _silent,
        _of_template,
        trainer_files.axolotl,
        "axolotl train axolotl.yaml",
        "axolotl",
        "axolotl.yaml.",
    ),
    "trl": Trainer(
        ("messages",),
        ("messages",),
        _unasked,
        _of_template,
        trainer_files.trl,
        "python train.py",
        "TRL",
        "train.py, a short script around SFTTrainer.",
    ),
}
MODEL = next(m for m in loading.TARGETS if not loading.is_scratch(m))
"""What a config trains when no model is named."""
