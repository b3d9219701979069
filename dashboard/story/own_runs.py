"""What a study made for itself: its fine-tunes, and the selections that only these were made from.

On the home page they stand as one line of their study, so that a few studies do not bury the rest;
what several studies share stands with the newest of them.
What a person named or tagged stands by itself.
"""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterable

from core.workspace.artifact import Entry


def of_studies(entries: Iterable[Entry], kept: Collection[str] = ()) -> dict[str, list[Entry]]:
    """Return study id -> what it made for itself, in the order given.

    Args:
        entries: All that there is.
        kept: Ids that stand by themselves.
    """
    by_id = {e.id: e for e in entries}
    children = collections.defaultdict(set)
    for entry in by_id.values():
        for parent in entry.parents.values():
            children[parent].add(entry.id)
    study_of: dict[str, str] = {}
    for entry in (e for e in by_id.values() if e.kind == "finetune"):
        below = children[entry.id]
        if below and all(by_id[child].kind == "study" for child in below):
            study_of[entry.id] = max(below)
    for entry in (e for e in by_id.values() if e.kind == "selection"):
        studies = {study_of.get(child, "") for child in children[entry.id]}
        if studies and "" not in studies:
            study_of[entry.id] = max(studies)
    out: dict[str, list[Entry]] = {}
    for id, study in study_of.items():
        if id not in kept:
            out.setdefault(study, []).append(by_id[id])
    return out


def counted(own: Iterable[Entry]) -> str:
    """Say how many of what: "18 fine-tunes, 15 selections"."""
    words = {"finetune": "fine-tune", "selection": "selection"}
    counts = collections.Counter(words[e.kind] for e in own)
    return ", ".join(f"{n:,} {word}{'s' * (n > 1)}" for word, n in counts.items())
