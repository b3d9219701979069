"""Next week's data on the pages: score its new rows, place them on kept clusters, top up."""

from __future__ import annotations

import streamlit as st

from core import clusters, trajectories
from core.clusters import extend
from core.workspace.artifact import EXTENDS, Artifact
from dashboard.frame import job_card, state

KEEPS = "train a proxy with Keep checkpoints on, under More settings"


def extend_form(artifact: Artifact, busy: bool) -> None:
    """Choose another dataset and score, as a job, the rows of it that were not measured."""
    lineage = state.workspace().extended(artifact)
    if len(lineage) > 1:
        s = artifact.summary
        st.caption(
            f"These extend {job_card.plain(lineage[1].name)}: {s['carried']:,} rows keep their "
            f"losses, {s['new']:,} were scored on its checkpoints. The proxy was not trained on "
            "those: what it knows by heart of the old rows, it does not know of them."
        )
    if not lineage[-1].config.get("keep_checkpoints"):
        st.caption(
            f"New rows are scored on the checkpoints of the proxy. These were not kept: {KEEPS}."
        )
        return
    own = artifact.parents["dataset"]
    names = state.distinct({e.id: e.name for e in state.sealed("dataset") if e.id != own})
    if not names:
        st.caption("Import the new data first: the old rows and the new ones, or these alone.")
        return
    chosen = st.selectbox(
        "New data", list(names), format_func=names.__getitem__, key="extend:dataset"
    )
    st.caption(
        f"Rows that were measured keep their losses; only the others are scored, on the "
        f"{artifact.summary['checkpoints']} checkpoints kept."
    )
    settings = trajectories.Settings(dataset=chosen, extend=artifact.id)
    st.button(
        "Score the new rows", width="stretch", disabled=busy, on_click=_start,
        args=(settings, names[chosen]),
    )  # fmt: skip
    job_card.command("trajectories", settings)


def _start(settings: trajectories.Settings, name: str) -> None:
    """Start the job, and turn the page to the new data, where its result will stand."""
    job_card.launch("trajectories", settings, f"New rows of {name}", "trajectories")
    st.query_params["dataset"] = settings.dataset
    st.query_params.pop("trajectories", None)


def place_form(artifact: Artifact) -> None:
    """Offer to keep the clusters of what these trajectories extend, new rows placed on them."""
    before = [t.id for t in state.workspace().extended(artifact)[1:]]
    names = state.distinct(
        {e.id: e.name for e in state.sealed("clusters") if e.parents.get("trajectories") in before}
    )
    if not names:
        return
    st.divider()
    chosen = st.selectbox(
        "Or keep earlier clusters",
        list(names),
        format_func=names.__getitem__,
        key="extend:clusters",
        help="Old rows keep their cluster; each new row goes to the nearest centre",
    )
    st.button("Place the new rows on them", width="stretch", on_click=_place,
              args=(artifact, chosen))  # fmt: skip


def _place(artifact: Artifact, earlier: str) -> None:
    """Seal the extended clustering, unless somebody did meanwhile."""
    workspace = state.workspace()
    wanted = {"trajectories": artifact.id, EXTENDS: earlier}
    made = next((e.id for e in state.sealed("clusters") if e.parents == wanted), "")
    settings = clusters.Settings(trajectories=artifact.id, extend=earlier)
    st.query_params["clusters"] = made or clusters.seal(workspace, artifact, settings).id


def placed(kept: Artifact) -> clusters.Settings:
    """Say what an extended clustering is and how well it fits; return what it was made with."""
    earlier = state.workspace().extended(kept)[1]
    st.caption(f":material/check_circle: Kept as {job_card.plain(kept.name)}")
    st.markdown(
        f"The clusters of **{job_card.plain(earlier.name)}**, "
        "with new rows at their nearest centre."
    )
    show = st.success if kept.summary["drift"] <= extend.LIMIT else st.warning
    show(f"{extend.verdict(kept.summary)}.", icon=":material/moving:")
    st.caption("Of rows just like the old, 1% would lie that far.")
    if st.button("Choose a budget", type="primary", width="stretch",
                 icon=":material/arrow_forward:", icon_position="right"):  # fmt: skip
        state.go("selection", clusters=kept.id)
    st.button("Cluster all rows again", width="stretch", on_click=_again, args=(kept,))
    paths = kept.parents["trajectories"]
    job_card.command("clusters", clusters.Settings(trajectories=paths, extend=earlier.id))
    return clusters.Settings(**{**kept.config, "extend": ""})


def _again(kept: Artifact) -> None:
    """Show the controls of a new clustering, as the extended one was made."""
    st.query_params.pop("clusters", None)
    st.session_state["clusters:for"] = (kept.parents["trajectories"], "")
    names = {"k": "k", "features": "features", "start": "include_start", "seed": "seed"}
    for widget, name in names.items():
        st.session_state[f"clusters:{widget}"] = kept.config[name]


def keep_choice(parent: Artifact) -> str:
    """Ask which selection from the clusters that these extend is to be kept; empty for none."""
    before = [c.id for c in state.workspace().extended(parent)[1:]]
    names = {"": "Nothing: choose all anew"} | state.distinct(
        {
            e.id: f"{e.name}, {e.summary['rows']:,} rows"
            for e in state.sealed("selection")
            if e.parents.get("clusters") in before
        }
    )
    if len(names) == 1:
        return ""
    return st.selectbox(
        "Keep what an earlier selection chose", list(names), format_func=names.__getitem__,
        key=f"selection:keep:{parent.id}", persist_state="session",
        help="Its rows come first and stay; the strategy draws the rest of the budget",
    )  # fmt: skip
