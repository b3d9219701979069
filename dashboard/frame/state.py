"""Where a page is: the workspace, and the artifacts its address names.

The address always spells ids out (`?clusters=...`), so a link opens the same thing for everyone and
for ever. Session state holds ids only.
"""

from __future__ import annotations

import collections
import contextlib
import os
import secrets
from collections.abc import Callable, Sequence

import streamlit as st

from core.chat.votes import VoteSummary
from core.clusters.artifact import ClustersSummary
from core.dataset.artifact import DatasetSummary
from core.edits import labels
from core.errors import InputError
from core.finetune.artifact import FinetuneSummary
from core.gains.artifact import GainsSummary
from core.layout.artifact import LayoutSummary
from core.selection.artifact import SelectionSummary
from core.study.artifact import StudySummary
from core.trajectories.artifact import TrajectoriesSummary
from core.transfer.artifact import TransferSummary
from core.workspace import roles
from core.workspace.artifact import BESIDE, KINDS, Artifact, Entry, Kind, is_id
from core.workspace.files import ROOT
from core.workspace.store import Workspace
from dashboard.frame.page_words import plain_words

PAGES = ("overview", "dataset", "trajectories", "clusters", "selection", "finetune", "study")


def workspace() -> Workspace:
    """Return the workspace this server shows (S2L_WORKSPACE, else `workspace/` beside the code)."""
    return Workspace(os.environ.get("S2L_WORKSPACE") or ROOT / "workspace")


def page(name: str) -> str:
    """Return a page's path for links and switches."""
    return f"../pages/{name}.py"


def sealed(kind: Kind) -> list[Entry]:
    """List the usable artifacts of a kind, newest first."""
    return [e for e in workspace().recent(kind) if e.state == "sealed"]


def current(kind: Kind, above: Artifact | None = None) -> Artifact | None:
    """Return the artifact of a kind this page is about: of the address, the session, or the newest.

    What comes from something damaged is not usable either. An address that names something
    unusable shows why and falls back to nothing. Given `above`, only what was made from it counts.
    A file that was named as a test or as queries is a dataset too, but no page begins with it.
    """
    named = st.query_params.get(kind)
    if named:
        if not is_id(named):
            st.error(
                f"What the address has for {kind} is not an id. An id is made of letters, digits "
                "and hyphens: ask for the link again.",
                icon=":material/error:",
            )
            return None
        try:
            artifact = _whole(workspace().open(named, kind))
        except InputError as e:
            st.error(
                f"The link names something that cannot be opened: {plain_words(e)}",
                icon=":material/error:",
            )
            return None
        remember(artifact)
        return artifact
    remembered = st.session_state.get(f"current:{kind}")
    entries = workspace().made_from(above.id, kind) if above else sealed(kind)
    for entry in sorted(entries, key=lambda e: (e.id != remembered, _is_aside(e))):
        with contextlib.suppress(InputError):
            artifact = _whole(workspace().open(entry.id, kind))
            remember(artifact)
            st.query_params[kind] = artifact.id
            return artifact
    return None


def _is_aside(entry: Entry) -> bool:
    """Return whether a dataset seems to be for tests: nothing is held out or trained on."""
    aside = entry.kind == "dataset" and entry.config.get("holdout") == "0"
    return aside and not workspace().made_from(entry.id, "trajectories")


def settle(kinds: Sequence[Kind]) -> None:
    """Let the most downstream artifact that the address names decide what stands above it."""
    for place in range(len(kinds) - 1, 0, -1):
        named = st.query_params.get(kinds[place])
        if named:
            with contextlib.suppress(InputError):
                artifact = _whole(workspace().open(named, kinds[place]))
                for kind in kinds[:place]:
                    st.query_params[kind] = artifact.ancestor(kind).id
                return


def _whole(artifact: Artifact) -> Artifact:
    """Return an artifact after opening what it comes from, up to the dataset.

    Raises:
        InputError: something that it comes from cannot be opened.
    """
    for role, parent in artifact.parents.items():
        if role in KINDS:
            _whole(artifact.open(parent))
    return artifact


def remember(artifact: Artifact) -> None:
    """Make an artifact, and what it was made from, the ones other pages start with."""
    st.session_state[f"current:{artifact.kind}"] = artifact.id
    for role, parent in artifact.parents.items():
        if role in BESIDE:  # not what it was made from
            continue
        try:
            remember(artifact.open(parent))
        except InputError:  # a damaged parent does not keep its child from being shown
            continue


def go(name: str, **ids: str) -> None:
    """Switch to a page about these artifacts."""
    st.switch_page(page(name), query_params=ids)


def user() -> str:
    """Return who is logged in, if anybody is: edits carry the name."""
    return roles.person().name


def nonce(form: str) -> str:
    """Return this form's one-time word: a launch repeated with it starts nothing twice."""
    key = f"nonce:{form}"
    if key not in st.session_state:
        st.session_state[key] = secrets.token_hex(4)
    return str(st.session_state[key])


def spend(form: str) -> None:
    """Use up a form's nonce, so that the next launch is a new one."""
    st.session_state.pop(f"nonce:{form}", None)


def distinct(names: dict[str, str]) -> dict[str, str]:
    """Tell options of one name apart by their ids: Streamlit finds a chosen option by its name.

    Args:
        names: Id -> name, in the order of the options.
    """
    counts = collections.Counter(names.values())
    return {id: name if counts[name] == 1 else f"{name} · {id}" for id, name in names.items()}


def names(entries: Sequence[Entry | Artifact]) -> dict[str, str]:
    """Return what each artifact is called, by id: as people named it, else by its own name."""
    given = labels.read(workspace())
    return {e.id: given.get(e.id, labels.Label()).name or e.name for e in entries}


def title_of(artifact: Artifact) -> str:
    """Name an artifact with its size, for chips: 'mathmix, 16,386 rows'."""
    facts: dict[Kind, Callable[[], str]] = {
        "dataset": lambda: f"{artifact.summary_as(DatasetSummary)['rows']:,} rows",
        "trajectories": lambda: _measured(artifact.summary_as(TrajectoriesSummary)),
        "clusters": lambda: f"{artifact.summary_as(ClustersSummary)['clusters']} clusters",
        "selection": lambda: _share(artifact.summary_as(SelectionSummary)),
        "finetune": lambda: f"{artifact.summary_as(FinetuneSummary)['steps']:,} steps",
        "study": lambda: _arms(artifact.summary_as(StudySummary)),
        "transfer": lambda: f"{artifact.summary_as(TransferSummary)['rows']:,} rows",
        "gains": lambda: _share(artifact.summary_as(GainsSummary)),
        "vote": lambda: _counted(artifact.summary_as(VoteSummary)["votes"], "vote"),
        "layout": lambda: f"{artifact.summary_as(LayoutSummary)['placed']:,} rows",
    }
    return f"{names([artifact])[artifact.id]}, {facts[artifact.kind]()}"


def _measured(s: TrajectoriesSummary) -> str:
    return f"{s['measured']:,} rows × {s['checkpoints']} recordings"


def _share(s: SelectionSummary | GainsSummary) -> str:
    return f"{s['rows']:,} of {s['pool']:,} rows"


def _arms(s: StudySummary) -> str:
    return f"{len(s['arms'])} arms × {_counted(len(s['seeds']), 'seed')}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' if n != 1 else ''}"
