"""What was made from what, as a picture in which each artifact is a link."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from core.edits.labels import Label
from core.workspace.artifact import KINDS, Entry
from dashboard.story import own_runs

SHOWN = 24
"""Artifacts drawn, newest first; a larger picture cannot be read."""
WORDS = 26
PAGES = {
    "layout": "trajectories",
    "transfer": "trajectories",
    "gains": "finetune",
    "vote": "finetune",
}
"""Where an artifact is shown that has no page of its own."""

LOOK = (
    'rankdir=LR; bgcolor="transparent"; nodesep=0.12; ranksep=0.35;\n'
    'node [shape=box, style="rounded", color="#8b909a", fontcolor="#8b909a", fontsize=11,'
    ' fontname="sans-serif", margin="0.12,0.06"];\n'
    'edge [color="#8b909a", arrowsize=0.5];'
)
METHOD = (
    f"digraph {{ {LOOK}"
    r'"your examples" -> "a small model\nlearns them all" -> "examples that are\nlearned alike" -> '
    r'"an even draw\nof each kind" -> "the large model\nlearns only these" -> '
    r'"as good as\nall of them?" }'
)
"""The method in one picture."""


def dot(entries: list[Entry], given: Mapping[str, Label] | None = None) -> str:
    """Return the newest usable artifacts and their parents in Graphviz's language.

    What a study made for itself is counted in the study's box, whose lines go to what that was made
    from. Names are quoted, so that nothing in them is a command of the language.
    """
    called = {id: label.name for id, label in (given or {}).items() if label.name}
    own = own_runs.of_studies(entries, given or {})
    by_id = {e.id: e for e in entries}
    hidden = {e.id for runs in own.values() for e in runs}
    usable = [e for e in entries if e.kind in KINDS and e.id not in hidden]
    drawn = sorted(usable, key=lambda e: e.id)[-SHOWN:]
    ids = {e.id for e in drawn}

    def above(entry: Entry) -> Iterator[str]:
        for parent in entry.parents.values():
            if parent in hidden:
                yield from above(by_id[parent])
            elif parent in ids:
                yield parent

    lines = ["digraph {", LOOK]
    names = {e.name for e in drawn}
    for entry in drawn:
        name = f"{entry.kind}\n{shortened(called.get(entry.id) or own_part(entry.name, names))}"
        if entry.id in own:
            name += f"\n{own_runs.counted(own[entry.id])}"
        url = f"/{PAGES.get(entry.kind, entry.kind)}?{entry.kind}={entry.id}"
        lines.append(f"{quoted(entry.id)} [label={quoted(name)}, URL={quoted(url)}];")
        lines += [
            f"{quoted(parent)} -> {quoted(entry.id)};" for parent in dict.fromkeys(above(entry))
        ]
    return "\n".join([*lines, "}"])


def own_part(name: str, names: Iterable[str]) -> str:
    """Return what a name adds to those that it begins with: the boxes before its own say the rest.

    >>> own_part("puzzles · tiny · K=34", ["puzzles", "puzzles · tiny"])
    'K=34'
    """
    said = max((n for n in names if name.startswith((f"{n} · ", f"{n}: "))), key=len, default="")
    return name[len(said) :].lstrip(" ·:") if said else name


def shortened(name: str) -> str:
    """Return a name that fits its box, without control characters."""
    plain = "".join(c if c.isprintable() else " " for c in name)
    return plain if len(plain) <= WORDS else f"{plain[: WORDS - 1]}…"


def quoted(text: str) -> str:
    """Return a string of the language: what a backslash or a quote would mean is taken away."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{safe}"'
