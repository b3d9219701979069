"""Taking a selection away from the browser: a folder beside the workspace, or a download of it."""

from __future__ import annotations

import pathlib

import streamlit as st

from core import export
from core.errors import InputError
from core.export.trainers import MODEL, TRAINERS, reading
from core.export.writers import EXPORT_FORMATS
from core.workspace.artifact import Artifact
from core.workspace.roles import require_editor
from dashboard.frame import access, allowed, job_card, state, widgets
from dashboard.frame.page_words import plain_words


def panel(selection: Artifact) -> None:
    """Ask for a format and a trainer's config, write the folder, offer it as a download."""
    with st.popover("Export", icon=":material/download:", width="stretch"):
        format = st.selectbox(
            "Format",
            list(EXPORT_FORMATS),
            key="export:format",
            persist_state="session",
            help="jsonl and parquet keep the data's own columns",
        )
        st.caption(EXPORT_FORMATS[format].sentence)
        config = st.selectbox(
            "Config for",
            ["none", *reading(format)],
            key=f"export:config:{format}",
            format_func=lambda name: TRAINERS[name].title if name in TRAINERS else name,
            help="Trainers that read this format without loss",
        )
        model = MODEL
        if config != "none":
            st.caption(f"Also written: {TRAINERS[config].sentence}")
            model = st.text_input(
                "Target model", MODEL, key="export:model", help="A hub id or a directory"
            )
        place = folder(selection, format, config)
        try:
            settings = export.Settings(
                selection=selection.id,
                format=format,
                config=config,
                model=model,
                out=str(place),
                overwrite=True,
            )
        except InputError as e:
            st.error(plain_words(str(e)), icon=":material/error:")
            return
        if st.button("Write the folder", icon=":material/folder_zip:", width="stretch"):
            with st.spinner("Writing…", show_time=True):
                _write(settings, place)
        if place.is_dir():
            st.caption("Written, with a data card (README.md):")
            st.code(str(place), language=None, wrap_lines=True)
            for note in export.left_out(place):
                st.warning(plain_words(note), icon=":material/content_cut:")
            widgets.download_folder(place)
        job_card.command("export", settings)


def folder(selection: Artifact, format: str, config: str) -> pathlib.Path:
    """Return where an export of the page stands."""
    parts = [selection.id, format, *([config] if config != "none" else [])]
    return state.workspace().root / allowed.EXPORTS / "-".join(parts)


def _write(settings: export.Settings, place: pathlib.Path) -> None:
    try:
        require_editor("export")
        place.parent.mkdir(exist_ok=True)
        export.run(state.workspace(), access.checked(settings))
    except OSError as e:
        problem = f"{place.parent} cannot be made: {e.strerror}; export with another --out, below"
        st.error(plain_words(problem), icon=":material/error:")
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
