"""The model picker: what is on this machine, what the hub has, with size and licence."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib

import streamlit as st

from core.errors import InputError
from core.finetune.settings import short
from core.model import about, loading
from core.spec import Spec
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.artifact import Artifact
from dashboard.escape import one_line, plain
from dashboard.frame import access, allowed, server_files, state
from dashboard.frame.titles import settle

WEIGHTS = (".safetensors", ".gguf")
LICENCE = 24
"""Characters of a licence in the list."""


def pick(spec: Spec, key: str, help: str) -> str:
    """Ask for a model; return it as a job may be given it.

    Args:
        spec: Its setting; the models that it suggests are offered beside those on this machine.
        help: What may be typed.

    Raises:
        InputError: what was typed is none that a page may name.
    """
    folders = tuple(map(str, allowed.folders()))
    titles = _listed(str(state.workspace().root), folders, spec.suggestions)
    settle(key, titles)
    held = st.session_state.get(key)
    options = list(dict.fromkeys([*titles, *filter(None, [held])]))
    chosen = st.selectbox(
        spec.label,
        options,
        index=options.index(spec.default),
        format_func=lambda option: titles.get(option, str(option)),
        accept_new_options=True,
        key=key,
        persist_state="session",
        help=help,
    )
    return access.check("model", str(chosen or ""))


def facts(model: str, selection: Artifact | None = None) -> str:
    """Say in a line how large a model is, beside the proxy, under which licence, and where."""
    known = about.model(model)
    parts = []
    if known.parameters:
        size = f"{count(known.parameters)} parameters"
        if selection and (times := _times_the_proxy(known.parameters, selection)):
            size += f", {times:,.1f}× the proxy"
        parts.append(size)
    if loading.is_scratch(model):
        parts.append("random weights, nothing to download")
    else:
        parts.append(f"licence {plain(known.licence)}" if known.licence else "licence not known")
        parts.append("on this machine" if known.here else "will be downloaded from the hub")
    return " · ".join(parts)


def count(parameters: float) -> str:
    """Write a number of parameters: 135M, 2.8B."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if parameters >= size:
            n = parameters / size
            return f"{n:.1f}{letter}" if n < 100 else f"{n:.0f}{letter}"
    return f"{parameters:.0f}"


def _times_the_proxy(size: int, selection: Artifact) -> float:
    try:
        proxy = selection.ancestor("trajectories").summary_as(TrajectoriesSummary).get("parameters")
    except InputError:  # drawn from a dataset alone
        return 0.0
    return size / proxy if proxy else 0.0  # imported losses do not say


@st.cache_data(ttl=20, max_entries=8, show_spinner=False)
def _listed(root: str, folders: tuple[str, ...], offered: tuple[str, ...]) -> dict[str, str]:
    """Return model -> how the list shows it: from scratch, on this machine, on the hub.

    A fine-tune of ours can be a target that is gone on with, but no proxy.
    """
    scratch = [m for m in offered if loading.is_scratch(m)]
    titles = {m: _title(m, m.removeprefix("scratch:") + " from scratch") for m in scratch}
    for path in _folders(folders):
        titles[path] = _title(path, short(path))
    workspace = state.workspace()
    for entry in workspace.recent("finetune") if offered == loading.TARGETS else ():
        whole = workspace.root / entry.kind / entry.id / "model"
        if entry.state == "sealed" and whole.is_dir():
            titles[str(whole)] = _of_sealed(str(whole), f"{entry.name}, go on with it")
    for model in offered:
        titles.setdefault(model, _title(model, short(model)))
    return titles


def _folders(folders: tuple[str, ...]) -> list[str]:
    """Return the model folders below the allowed ones, newest first."""
    roots = [pathlib.Path(folder) for folder in folders]
    models = []
    for shown in server_files.listed(roots, WEIGHTS, ()).paths:
        if not shown.endswith(os.sep):
            continue
        with contextlib.suppress(InputError):
            path = access.readable(shown, files=False)
            if (path / "config.json").exists() or any(path.glob("*.gguf")):
                models.append(str(path))
    return models


@functools.lru_cache(4096)
def _of_sealed(model: str, name: str) -> str:
    """Return the title of a model that does not change, read once."""
    return _title(model, name)


def _title(model: str, name: str) -> str:
    known = about.model(model)
    parts = [one_line(name, 60)]
    if known.parameters:
        parts.append(count(known.parameters))
    if known.licence:
        parts.append(one_line(known.licence, LICENCE))
    if known.here and not loading.is_scratch(model):
        parts.append("on this machine")
    return " · ".join(parts)
