"""An artifact: a sealed directory with its manifest, opened or listed."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, cast, get_args

from core.errors import InputError
from core.workspace import manifest as manifests
from core.workspace import shape
from core.workspace.files import read_json, sha256_file, while_unchanged

Kind = Literal[
    "dataset",
    "trajectories",
    "layout",
    "transfer",
    "clusters",
    "selection",
    "finetune",
    "study",
    "gains",
    "vote",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["sealed", "unfinished", "damaged"]
PARTIAL = ".partial"
EXTENDS = "extends"
"""The parent that an artifact carries on: of its own kind, and not what it was made from."""
MATCHES = "matches"
"""The parent that a selection is as large as: it was not made from it."""
BESIDE = (EXTENDS, MATCHES)
"""Parents that have a lineage of their own."""
RUN = "run.json"
DATED = re.compile("[0-9]{8}-[0-9]{9}")
"""How an id begins: the time it was made, to the millisecond."""
Summary = TypeVar("Summary")
"""The TypedDict that a noun declares of its manifests' summaries, in its `artifact.py`."""


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A sealed, opened artifact, and through it what it was made from.

    Whoever gets it need not open anything anew: of a lineage each artifact is opened once.
    """

    path: pathlib.Path
    manifest: dict[str, Any]
    opened: dict[str, Artifact] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """Id -> what was opened so far, itself included; shared by the whole lineage."""

    @property
    def id(self) -> str:
        return str(self.manifest["id"])

    @property
    def kind(self) -> Kind:
        return self.manifest["kind"]  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def config(self) -> dict[str, Any]:
        return self.manifest["config"]  # type: ignore[no-any-return]

    @property
    def parents(self) -> dict[str, str]:
        return self.manifest["parents"]  # type: ignore[no-any-return]

    @property
    def summary(self) -> Mapping[str, Any]:
        """What its noun said of it, for readers of any key; `summary_as` knows the keys."""
        return self.manifest["summary"]  # type: ignore[no-any-return]

    def summary_as(self, cls: type[Summary]) -> Summary:
        """Return the summary as the noun of this artifact declares it."""
        return cast(Summary, self.summary)

    @property
    def root(self) -> pathlib.Path:
        """The workspace's directory."""
        return self.path.parents[1]

    def open(self, id: str, *kinds: Kind) -> Artifact:
        """Open another artifact of the workspace, unless it was opened in this lineage.

        Raises:
            InputError: as `load`.
        """
        return load(self.root, id, kinds, self.opened)

    def ancestor(self, kind: Kind) -> Artifact:
        """Walk up the lineage to the artifact of a kind (itself included).

        Raises:
            InputError: the lineage has none.
        """
        if self.kind == kind:
            return self
        for role, parent in self.parents.items():
            if role not in BESIDE:
                with contextlib.suppress(InputError):
                    return self.open(parent).ancestor(kind)
        raise InputError(f"{self.id} ({self.kind}) does not come from a {kind}")

    def extended(self) -> list[Artifact]:
        """Return the artifacts that this one carries on, nearest first, itself before them.

        Raises:
            InputError: one of them cannot be opened.
        """
        out = [self]
        while EXTENDS in out[-1].parents:
            out.append(self.open(out[-1].parents[EXTENDS], self.kind))
        return out

    def verify(self) -> list[str]:
        """Compare every file's content with the manifest; return a sentence per problem."""
        return [
            f"{name}: content differs from the manifest"
            for name, facts in self.manifest["files"].items()
            if sha256_file(self.path / name) != facts["sha256"]
        ]


class Entry(NamedTuple):
    """One line of a workspace listing; damaged and unfinished work is listed too."""

    id: str
    kind: Kind
    state: State
    name: str
    created: str
    """UTC, ISO 8601."""
    problem: str
    """Why it is damaged; empty otherwise."""
    summary: Mapping[str, Any]
    config: dict[str, Any]
    parents: dict[str, str]
    fingerprint: str
    """Equal for runs that would give the same result; may be empty."""

    def summary_as(self, cls: type[Summary]) -> Summary:
        """Return the summary, of a sealed artifact, as its noun declares it."""
        return cast(Summary, self.summary)


def new_id(now: dt.datetime, others: Iterable[str] = ()) -> str:
    """Return a UTC time to the millisecond plus 4 hex digits, later than those of others.

    So ids sort by age even where the clock was put back since the last one was made.
    """
    newest = max((found[0] for id in others if (found := DATED.match(id))), default="")
    if _dated(now) <= newest:
        with contextlib.suppress(ValueError, OverflowError):  # no time, or the last there is
            made = dt.datetime.strptime(newest + "000", "%Y%m%d-%H%M%S%f").replace(tzinfo=dt.UTC)
            now = made + dt.timedelta(milliseconds=1)
    return f"{_dated(now)}-{secrets.token_hex(2)}"


def _dated(now: dt.datetime) -> str:
    return f"{now:%Y%m%d-%H%M%S}{now.microsecond // 1000:03d}"


def is_id(text: str) -> bool:
    """Say whether a text can be the id of an artifact: letters, digits and hyphens."""
    return re.fullmatch(r"[A-Za-z0-9-]+", text) is not None


def utc_now() -> dt.datetime:
    """Return the time now, in UTC."""
    return dt.datetime.now(dt.UTC)


def find(root: pathlib.Path, id: str, kinds: tuple[Kind, ...] = ()) -> pathlib.Path:
    """Return the directory of an artifact, finished or not; the kinds named are looked at first.

    Raises:
        InputError: there is none, or the id is no id.
    """
    if is_id(id):
        for kind in (*kinds, *KINDS):
            for path in (f"{root}/{kind}/{id}", f"{root}/{kind}/{id}{PARTIAL}"):
                if os.path.isdir(path):  # noqa: PTH112
                    return pathlib.Path(path)
    raise InputError(f"no artifact {id!r:.200} in {root}; `python -m core list` shows all")


def load(
    root: pathlib.Path, id: str, kinds: tuple[Kind, ...], opened: dict[str, Artifact]
) -> Artifact:
    """Open a sealed artifact after checking its manifest and file sizes, or take it from a lineage.

    Args:
        root: The workspace's directory.
        kinds: The kinds accepted; any when empty.
        opened: What a lineage has opened so far; the artifact is added.

    Raises:
        InputError: unknown, unfinished, damaged, made by a newer version, or of another kind.
    """
    if id not in opened:
        path = find(root, id, kinds)
        if path.name.endswith(PARTIAL):
            raise InputError(f"{id} is unfinished; resume or delete it")
        opened[id] = Artifact(path, manifests.read(path), opened)
    artifact = opened[id]
    if kinds and artifact.kind not in kinds:
        raise InputError(f"{id} is a {artifact.kind}, not a {' or '.join(kinds)}")
    return artifact


@while_unchanged
def _begun(path: str) -> tuple[dict[str, Any], str]:
    """Read the run.json of an unfinished run; return what it says, and why that is no such."""
    facts, folder = read_json(pathlib.Path(path)) or {}, pathlib.Path(path).parent.name
    wrong = shape.begun(facts) if facts else "there is no JSON"
    name = folder.removesuffix(PARTIAL)
    return facts, wrong and f"{name} is damaged: in its {RUN} {wrong}; delete it and begin anew"


def entry(kind: Kind, path: str) -> Entry:
    """Describe one directory of a workspace, whatever its state."""
    state: State = "unfinished"
    problem = ""
    if path.endswith(PARTIAL):
        facts, problem = _begun(f"{path}/{RUN}")
    else:
        facts, problem = manifests.look(path)
        state = "sealed"
    state = "damaged" if problem else state
    summary, config, parents = (
        v if isinstance(v := facts.get(k), dict) else {} for k in ("summary", "config", "parents")
    )
    parents = {role: id for role, id in parents.items() if isinstance(id, str)}
    return Entry(
        id=path.rpartition("/")[2].removesuffix(PARTIAL),
        kind=kind,
        state=state,
        name=str(facts.get("name", "")),
        created=str(facts.get("created", "")),
        problem=problem,
        summary=summary,
        config=config,
        parents=parents,
        fingerprint=str(facts.get("fingerprint", "")),
    )
