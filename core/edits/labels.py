"""Names and tags that people give artifacts: beside them, so id, fingerprint and manifest stay.

Each artifact has a small file of its own, replaced whole: of two people who save at once the later
one counts.
"""

from __future__ import annotations

import pathlib
from typing import NamedTuple

from core.errors import InputError
from core.workspace.artifact import utc_now
from core.workspace.files import read_json, write_json
from core.workspace.roles import editors, person
from core.workspace.store import Workspace

LONGEST = 120
"""Characters of a name or tag."""
MOST_TAGS = 12


class Label(NamedTuple):
    """What people call an artifact."""

    name: str = ""
    """Empty: its own."""
    tags: tuple[str, ...] = ()


def read(workspace: Workspace) -> dict[str, Label]:
    """Return the labels of all artifacts that have one, by id; what cannot be read is left out."""
    labels = {}
    for path in sorted(_folder(workspace).glob("*.json")):
        kept = read_json(path)
        if isinstance(kept, dict):
            tags = kept.get("tags")
            words = tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()
            labels[path.stem] = Label(str(kept.get("name") or ""), words)
    return labels


@editors("rename and tag artifacts")
def write(workspace: Workspace, id: str, name: str, tags: list[str]) -> Label:
    """Give an artifact a name and tags over those it had; empty ones give back its own name.

    Raises:
        InputError: there is no such artifact, or a text is too long.
        NotAllowed: a viewer asks.
    """
    workspace.find(id)
    texts = [" ".join(text.split()) for text in (name, *tags)]
    for text in texts:
        if len(text) > LONGEST:
            raise InputError(f"{text[:20]!r}… has {len(text)} characters; at most {LONGEST} fit")
    label = Label(texts[0], tuple(dict.fromkeys(text for text in texts[1:] if text)))
    if len(label.tags) > MOST_TAGS:
        raise InputError(f"{len(label.tags)} tags are too many; at most {MOST_TAGS} fit")
    path = _folder(workspace) / f"{id}.json"
    if label == Label():
        path.unlink(missing_ok=True)
        return label
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {"name": label.name, "tags": label.tags, "user": person().name}
    write_json(path, made | {"time": utc_now().isoformat(timespec="seconds")})
    return label


def _folder(workspace: Workspace) -> pathlib.Path:
    return workspace.root / "edits" / "labels"
