"""A run as a file on the page: saved as YAML, loaded into the form."""

from __future__ import annotations

import streamlit as st

from core import finetune, run_file
from core.errors import InputError
from core.settings import from_args
from dashboard.finetune import form
from dashboard.frame import access, state, widgets
from dashboard.frame.page_words import plain_words

UPLOAD = f"{form.FORM}-yaml"


def save(settings: finetune.Settings) -> None:
    """Offer the settings as a file."""
    widgets.download(
        "Save as YAML",
        run_file.write("finetune", settings),
        file_name="run.yaml",
        mime="application/yaml",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="python -m core finetune --config run.yaml is the same run, with the same fingerprint",
    )


def load() -> None:
    """Ask for a file, and say what is wrong with it."""
    with st.popover("Load YAML", icon=":material/upload:", type="tertiary"):
        turn = st.session_state.get(f"{UPLOAD}:turn", 0)
        st.file_uploader(
            "A file saved here, or written by hand",
            type=["yaml", "yml"],
            key=f"{UPLOAD}:{turn}",
            on_change=_loaded,
            args=(f"{UPLOAD}:{turn}",),
            max_upload_size=1,
        )
        if problem := st.session_state.get(f"{UPLOAD}:problem", ""):
            st.error(plain_words(problem), icon=":material/error:")


def _loaded(key: str) -> None:
    uploaded = st.session_state.get(key)
    st.session_state.pop(f"{UPLOAD}:problem", None)
    if uploaded is None:
        return
    try:
        load_bytes(uploaded.getvalue(), uploaded.name)
    except InputError as e:
        st.session_state[f"{UPLOAD}:problem"] = str(e)
        return
    st.session_state[f"{UPLOAD}:turn"] = st.session_state.get(f"{UPLOAD}:turn", 0) + 1


def load_bytes(content: bytes, name: str) -> None:
    """Show the settings of a file in the form; the selection that it names is opened.

    Raises:
        InputError: a key or value is wrong, or this workspace does not have its selection.
    """
    texts = run_file.parse(content, name, "finetune", finetune.Settings)
    here = st.query_params.get("selection", "")
    settings = from_args(finetune.Settings, {"selection": here, **texts})
    settings = access.checked(settings)
    if settings.selection != here:
        try:
            state.workspace().open(settings.selection, "selection")
        except InputError as e:
            raise InputError(f"{name}: selection: {e}") from None
        st.query_params["selection"] = settings.selection
        st.query_params.pop("finetune", None)
    form.load(settings)
