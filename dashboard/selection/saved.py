"""A saved selection on its page: opened from the address, sealed, and what can be done with it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import export, selection
from core.errors import InputError
from core.selection import budget
from core.selection.artifact import SelectionSummary
from core.settings import specs
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.frame import data, forms, report, state, widgets
from dashboard.frame.page_words import said
from dashboard.selection import export_panel


def opened() -> Artifact | None:
    """Return the selection that the address names, after letting the form show it once.

    Where it cannot be opened, say so and return none.
    """
    named = st.query_params.get("selection")
    artifact = state.current("selection") if named else None
    if artifact is None or st.session_state.get("selection:opened") == named:
        return artifact
    st.session_state["selection:opened"] = named
    asked = budget.parse(artifact.config["budget"])
    share = round(100 * asked.value, 6)
    unasked = ("parent", "strategy", "budget", "seed", "keep", "edits", "name", "match")
    form: dict[str, Any] = {k: artifact.config[k] for k in ("strategy", "seed")}
    form |= {
        spec.name: forms.typed(spec, artifact.config.get(spec.name, spec.default))
        for spec in specs(selection.Settings)
        if spec.name not in unasked
    }
    if artifact.config.get("match"):
        form["match"] = artifact.config["match"]
    if asked.kind == "tokens":
        form |= {"unit": "Tokens", "tokens": int(asked.value)}
    elif asked.kind == "share" and share == int(share):  # what the slider can show
        form |= {"unit": "Share", "share": int(share)}
    else:
        form |= {"unit": "Rows", "rows": artifact.summary_as(SelectionSummary)["rows"]}
    form[f"keep:{artifact.parents.get('clusters', '')}"] = artifact.config.get("keep", "")
    forms.preset("selection", form)
    return artifact


def edits_that_count(dataset: Artifact, shown: Artifact | None) -> int:
    """Return the edits to honour: those of the selection that is shown, else all up to now."""
    now = data.edits(dataset.id).rows_at
    if shown is None or selection.honoured(shown) == now:
        return now
    st.caption(
        f":material/history: Shown with the edits that {plain(shown.name)} was made with; "
        "rows were excluded or pinned since."
    )
    st.button("Use the edits of now", width="stretch", on_click=_leave)
    return selection.honoured(shown)


def _leave() -> None:
    """Turn from the saved selection to a new one with the same settings."""
    st.query_params.pop("selection", None)


def save(settings: selection.Settings) -> None:
    """Seal the selection that is shown, unless somebody did meanwhile."""
    try:
        workspace = state.workspace()
        made = selection.once(workspace, selection.open_source(workspace, settings)).id
    except (InputError, OSError) as e:
        st.session_state["selection:error"] = said(e)
        return
    st.query_params["selection"] = made


def saved(artifact: Artifact) -> None:
    """Offer what can be done with a saved selection."""
    st.caption(f":material/check_circle: Saved as {plain(artifact.name)}")
    widgets.next_step("Fine-tune a target on it", "finetune", primary=True, selection=artifact.id)
    widgets.next_step("Compare it in a study", "study", selection=artifact.id)
    widgets.download(
        "Download as JSONL",
        lambda: "".join(export.jsonl_lines(artifact)).encode(errors="backslashreplace"),
        file_name=f"{artifact.id}.jsonl",
        mime="application/x-ndjson",
        icon=":material/download:",
        width="stretch",
        on_click="ignore",
    )
    export_panel.panel(artifact)
    report.offer(artifact, "selection:report", "stretch")
    ids = artifact.summary_as(SelectionSummary)["ids_sha256"]
    st.caption(
        f"Fingerprint {plain(ids[:12])}…",
        help=f"SHA-256 of the chosen ids, equal for equal selections: {plain(ids)}",
    )
