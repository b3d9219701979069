"""Taking a fine-tune's model away: its form, where to, and how it is used there."""

from __future__ import annotations

import pathlib
import shutil
from typing import Literal

import streamlit as st

from core import jobs, publish
from core.errors import InputError
from core.publish.model_card import agreement, base_name
from core.workspace.artifact import Artifact
from core.workspace.roles import require_editor
from dashboard.escape import plain
from dashboard.frame import access, job_card, state, widgets
from dashboard.frame.page_words import plain_words

FORM = "publish"
TITLES = {
    "merged": "One model (safetensors)",
    "adapter": "The adapter alone",
    "gguf": "GGUF (llama.cpp)",
}
ZIPPED = 300e6
"""Bytes up to which a folder is offered as a download: it is packed in memory."""


def draw(made: Artifact) -> None:
    """Ask for a form and a folder, start the job, show what is there."""
    left, right = st.columns(2, gap="large")
    with left:
        settings = _ask(made)
        if settings is not None:
            _start(made, settings)
    if settings is None:
        return
    with right:
        job = jobs.newest(state.workspace(), "publish", finetune=made.id)
        if job is not None and job.state != "done":
            job_card.card(job)
        _there(made, settings)


def _ask(made: Artifact) -> publish.Settings | None:
    form = st.radio(
        "As",
        publish.FORMS,
        format_func=TITLES.__getitem__,
        key="publish:form",
        horizontal=True,
        help="What other tools will load",
    )
    if why := publish.unavailable(made, form):
        st.info(plain_words(why), icon=":material/info:")
        return None
    precision: Literal["fp32", "bf16"] = "fp32"
    if form != "adapter":
        precision = st.radio(
            "Precision",
            ("fp32", "bf16"),
            key="publish:precision",
            horizontal=True,
            help="fp32 gives the fine-tune's own logits; bf16 takes half the space",
        )
    license = st.text_input(
        "Licence, for the card",
        key="publish:license",
        placeholder="apache-2.0",
        help="As the hub names it; it is that of the base model and of your data that counts",
    )
    places = access.targets()
    parent = places[0]
    if len(places) > 1:
        parent = st.selectbox("Below", places, key="publish:below", format_func=str)
    try:
        return publish.Settings(
            finetune=made.id,
            to=str(parent / f"{made.id}-{form}"),
            form=form,
            precision=precision,
            license=license.strip(),
            overwrite=True,
        )
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return None


def _start(made: Artifact, settings: publish.Settings) -> None:
    place = pathlib.Path(settings.to)
    needed = publish.needed(made, settings.form, settings.precision)
    there = place.parent if place.parent.is_dir() else state.workspace().root
    free = shutil.disk_usage(there).free
    st.caption(f"Takes {_size(needed)} of {_size(free)} free.")
    job = jobs.newest(state.workspace(), "publish", finetune=made.id)
    if st.button(
        "Write the folder",
        icon=":material/folder_zip:",
        type="primary",
        disabled=needed > free or (job is not None and job.state in jobs.ACTIVE),
    ):
        try:
            require_editor("export")
            access.writable(settings.to).parent.mkdir(exist_ok=True)
        except (InputError, OSError) as e:
            st.error(f"The folder cannot be made: {plain_words(e)}", icon=":material/error:")
            st.stop()
        job_card.launch("publish", settings, f"Take away {made.name}", FORM)
        st.rerun()
    job_card.command("publish", settings)


def _there(made: Artifact, settings: publish.Settings) -> None:
    """Show a folder that was written: what was checked, and how it is used."""
    place = pathlib.Path(settings.to)
    facts = publish.facts(place) if place.is_dir() else {}
    if facts.get("finetune") != made.id:
        st.caption(
            "With a model card (README.md): base, training, scores, the selection's origin, "
            "limits, how to make it again. No text of your data stands in it."
        )
        return
    st.success("Written, with a model card (README.md):", icon=":material/check_circle:")
    st.code(str(place), language=None, wrap_lines=True)
    if "difference" in facts:
        st.caption(f"Loaded again from these files: {plain(agreement(facts))}.")
    base = base_name(str(made.config["model"]))
    for tool, text in publish.lines(settings.form, str(place), base).items():
        st.caption(f"With {plain(tool)}")
        st.code(text, language="python" if tool == "transformers" else "bash", wrap_lines=True)
    if sum(p.stat().st_size for p in place.iterdir() if p.is_file()) < ZIPPED:
        widgets.download_folder(place, smaller=False)


def _size(n: int) -> str:
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"
