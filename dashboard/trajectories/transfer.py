"""Can this proxy speak for your target? A few rows are tried on the target, and compared."""

from __future__ import annotations

import streamlit as st

from core import jobs, transfer
from core.finetune.settings import short
from core.jobs.progress import duration
from core.jobs.record import Job
from core.training.settings import ASKS
from core.training.time_estimate import load_foreseen
from core.trajectories.artifact import TrajectoriesSummary
from core.transfer.artifact import TransferSummary
from core.workspace.artifact import Artifact
from dashboard.charts import transfer as transfer_charts
from dashboard.escape import plain
from dashboard.frame import forms, job_card, state

TITLE = "Can it speak for your target?"
FORM = "transfer"


def launch(settings: transfer.Settings, *flags: str) -> None:
    """Start the target's short run."""
    title = f"Target {short(settings.model)} on {settings.rows:,} rows"
    job_card.launch("transfer", settings, title, FORM, *flags)


def show(proxy: Artifact) -> None:
    """Ask for a target, try it, and say how far proxy and target agree."""
    st.caption(
        "The selection is made from this proxy's losses and used to train a target. A short run of "
        "the target on some of the rows shows whether both find the same rows hard."
    )
    measured = int(proxy.summary_as(TrajectoriesSummary)["measured"])
    if measured < transfer.FEWEST:
        st.info(f"{measured} rows were measured; a try needs at least {transfer.FEWEST}.")
        return
    job = jobs.newest(state.workspace(), "transfer", trajectories=proxy.id)
    busy = job is not None and job.state in jobs.ACTIVE
    tries = [e for e in state.sealed("transfer") if e.parents.get("trajectories") == proxy.id]
    if tries:
        names = state.distinct(
            {
                e.id: f"{e.config['model']} · {e.summary_as(TransferSummary)['rows']:,} rows"
                for e in tries
            }
        )
        chosen = tries[0].id
        if len(tries) > 1:
            chosen = st.selectbox(
                "Target tried",
                list(names),
                format_func=names.__getitem__,
                key=f"transfer:shown:{tries[0].id}",
            )
        picture(state.workspace().open(chosen))
    with st.container(border=True):
        settings = _ask(proxy, measured)
        if settings is not None:
            if st.button(
                "Try the target",
                icon=":material/compare_arrows:",
                width="stretch",
                disabled=busy,
                help=ASKS,
            ):
                launch(settings)
                st.rerun()
            job_card.command("transfer", settings)
    if job is not None and job.state != "done":
        job_card.card(job)
        _begin_anyway(job, settings)


def _ask(proxy: Artifact, measured: int) -> transfer.Settings | None:
    most = min(measured, 5000)
    rows = st.number_input(
        "Rows",
        transfer.FEWEST,
        most,
        min(500, most),
        key=f"transfer:rows:{proxy.id}",
        help=f"Measured rows that the target is tried on, of {measured:,}",
        persist_state="session",
    )
    fixed = {"trajectories": proxy.id, "rows": int(rows or 0)}
    return forms.form(transfer.Settings, FORM, fixed=fixed)


def _begin_anyway(job: Job, settings: transfer.Settings | None) -> None:
    """Offer to begin what the micro-run found long."""
    foreseen = load_foreseen(jobs.folder_of(state.workspace(), job.id))
    if job.state != "failed" or not foreseen or not foreseen["refused"] or settings is None:
        return
    low, high = map(duration, foreseen["seconds"])
    st.button(
        f"Begin as it is: {low} to {high}",
        icon=":material/hourglass_top:",
        on_click=launch,
        args=(settings, "--accept-long", "yes"),
        help="It runs without this page, can be stopped, and goes on where it stopped",
    )


def picture(made: Artifact) -> None:
    """Show what a try found: the answer, the agreement over training, what to make of it."""
    s = made.summary_as(transfer.TransferSummary)
    st.markdown(f"**{plain(transfer.verdict(s))}**")
    table = transfer.load_table(made)
    st.plotly_chart(
        transfer_charts.agreement_curves(table, transfer.YES, transfer.PART),
        alt="Agreement of the clusters of two models, by the number of clusters",
    )
    st.caption(
        f"At the same share of training, are the {s['rows']:,} rows in the same order of loss? "
        "1 is the same order, 0 no relation. Look at the right end, and whether the line rises. "
        "Clusters are those of the trajectories so far. "
        f"The band is over rows only: another run of {plain(made.config['model'])} would "
        f"move it too. Response length alone orders the target's losses to "
        f"{abs(s['rho_by_length'][0]):.2f}."
    )
    st.caption(
        f"Yes from {transfer.YES:g} and in part from {transfer.PART:g} at the lower end of the "
        "interval: our levels, not the paper's. Models with different tokenizers compare by rank "
        "only. This is an estimate on some rows; it certifies no bound."
    )
