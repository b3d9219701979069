import streamlit as st

from core import jobs, trajectories
from core.training.settings import ASKS
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.artifact import Artifact
from dashboard.charts import losses as loss_charts
from dashboard.frame import data, forms, job_card, lacking, models, server_files, state, widgets
from dashboard.trajectories import new_rows, proxy_run, transfer


def train(dataset: Artifact, *, busy: bool, primary: bool) -> trajectories.Settings | None:
    """Ask how to train and offer to begin; return the settings, if they are good."""
    st.markdown("**Train a proxy**")
    settings = forms.form(trajectories.Settings, proxy_run.FORM, fixed={"dataset": dataset.id})
    if settings is None:
        return None
    st.caption(models.facts(settings.model))
    st.caption(f"{proxy_run.length_of(settings, dataset)}. {ASKS}.")
    if st.button(
        "Train proxy",
        type="primary" if primary else "secondary",
        width="stretch",
        disabled=busy,
    ):  # not on_click: its arguments would be those before a last edit
        proxy_run.launch(settings)
        st.rerun()
    job_card.command("trajectories", settings)
    return settings


def from_elsewhere(dataset: Artifact, *, busy: bool) -> None:
    """Take losses that were recorded by other code, or score its checkpoints."""
    st.caption(
        "A folder of checkpoint-* with losses.pt (the official code) or with models, which are "
        "then scored; or a .npy or .parquet table of losses, a row an example."
    )
    source = server_files.path(
        "trajectories:source", suffixes=(".npy", ".parquet"), marks=("checkpoint-",)
    )
    if source:
        settings = trajectories.Settings(dataset=dataset.id, source=source)
        if st.button("Import losses", width="stretch", disabled=busy):
            proxy_run.launch(settings)
            st.rerun()
        job_card.command("trajectories", settings)


def picture(artifact: Artifact) -> None:
    """Show the recorded trajectories."""
    proxy_run.warn(artifact)
    proxy_run.facts(artifact)
    quantiles, samples = data.overview(artifact.id)
    measured = artifact.summary_as(TrajectoriesSummary)["measured"]
    with widgets.lead("losses"):
        st.plotly_chart(
            loss_charts.trajectory_overview(data.steps(artifact.id), quantiles, samples),
            height="stretch",
            alt=f"Loss of {measured:,} rows over training: it falls from "
            f"{quantiles['q50'].iloc[0]:.2f} to {quantiles['q50'].iloc[-1]:.2f} in the median",
        )
    st.caption(
        f"Loss of {measured:,} rows over training: "
        f"median, middle half and 10-90% band, with {len(samples)} rows drawn at random. A wide "
        "band late in training means the proxy still finds some examples much harder than others."
    )
    proxy_run.cost(artifact)
    tabs = st.tabs(list(TABS), on_change="rerun", key="trajectories:tab")
    for tab, draw in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                draw(artifact)


def by_source(artifact: Artifact) -> None:
    """Show the mean loss of each source."""
    means, counts = data.by_source(artifact.id)
    st.plotly_chart(
        loss_charts.source_curves(data.steps(artifact.id), means, counts),
        alt="Mean loss of each source over training",
    )


def training_loss(artifact: Artifact) -> None:
    """Show the training loss, with the recordings marked."""
    st.plotly_chart(
        loss_charts.live_loss(data.metrics(artifact.path), data.steps(artifact.id)),
        alt="Training loss over the steps, with the recordings marked",
    )


def flagged(artifact: Artifact) -> None:
    """Count the flags and list the rows that could not be measured, or not whole."""
    flags = data.flags(artifact.id)
    counted = flags["flag"].astype(str).replace("", "measured").value_counts()
    st.dataframe(counted.rename("rows"), width="content")
    flagged = flags["flag"].isin(["no response token", "loss not finite"])
    odd = flags[flagged | flags["truncated"] | (flags["reason"] != "")]
    columns = ["row", "source", "n_tokens", "n_response", "flag", "reason"]
    shown = odd.reset_index(names="row")[columns]
    st.dataframe(shown.head(500), hide_index=True)


TABS = {
    "By source": by_source,
    "Training loss": training_loss,
    "Flags": flagged,
    transfer.TITLE: transfer.show,
}

widgets.title(
    "Trajectories",
    "A small proxy is trained on every row; each row's loss is recorded at steps along the way.",
)
inputs = widgets.chips("dataset", "trajectories")
dataset, artifact = inputs["dataset"], inputs["trajectories"]
if dataset is None:
    lacking.draw("A proxy is trained on a dataset.", "dataset")
    st.stop()
job = jobs.newest(state.workspace(), "trajectories", dataset=dataset.id)
busy = job is not None and job.state in jobs.ACTIVE
left, right = st.columns(widgets.BESIDE)
with left:
    if artifact is not None:
        widgets.next_step("See the clusters", "clusters", primary=True, trajectories=artifact.id)
    with st.container(border=True):
        settings = train(dataset, busy=busy, primary=artifact is None)
    with st.expander("Trained elsewhere?", icon=":material/download:"):
        from_elsewhere(dataset, busy=busy)
    if artifact is not None:
        with st.expander("New data?", icon=":material/playlist_add:"):
            new_rows.extend_form(artifact, busy)
with right:
    if job is not None and job.state != "done":
        if not proxy_run.long_run(job, settings):
            job_card.card(job)
        if busy and not jobs.settings_of(job).source:  # an import has no training to watch
            st.fragment(proxy_run.live, run_every=2.0)(job)
    job_card.arrive(job, "trajectories")
    if artifact is None:
        if job is None:
            st.info(
                "Every row's loss over the proxy's training will appear here. The settings on the "
                "left suit a first look: press Train proxy.",
                icon=":material/show_chart:",
            )
    elif not busy:
        widgets.former(artifact, job)
        picture(artifact)
