"""The tab "Cost"."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import streamlit as st

from core.arrays import Ints
from core.errors import InputError
from core.review import cost as costs
from core.trajectories import cost as proxy_cost
from core.workspace.artifact import Artifact
from dashboard.charts import cost as cost_charts
from dashboard.escape import plain
from dashboard.frame import state
from dashboard.frame.page_words import plain_words


def cost(clusters: Artifact, chosen: Sequence[int] | Ints) -> None:
    """Set what was done before against the target training that the selection saves."""
    try:
        done = costs.proxy(clusters)
    except (InputError, KeyError) as e:
        st.caption(f"The cost of these trajectories is not known: {plain_words(str(e))}")
        return
    left, right = st.columns(2)
    size = left.number_input(
        "Target, million parameters",
        0.1,
        1e6,
        2_700.0,
        key="selection:target",
        persist_state="session",
        help="Phi-2, one of the paper's targets, has 2,700",
    )
    epochs = right.number_input(
        "Epochs of the target",
        0.1,
        100.0,
        3.0,
        key="selection:target-epochs",
        persist_state="session",
    )
    trajectories = clusters.ancestor("trajectories")
    tokens = proxy_cost.tokens(trajectories, chosen)
    bill = costs.operations(done, tokens, 1e6 * float(size or 1), float(epochs or 1))
    st.markdown(plain(bill.sentence()))
    st.plotly_chart(
        cost_charts.cost_bars(bill.table(), bill.unit), alt="What each way of training costs"
    )
    tuned = _finetuned(trajectories)
    if tuned is not None:
        seconds = costs.measured(done, tuned, tokens.share, float(epochs or 1))
        st.markdown(
            f"As measured with a target of {tuned.parameters / 1e6:,.1f} million parameters: "
            f"{plain(seconds.sentence())}"
        )
        st.plotly_chart(
            cost_charts.cost_bars(seconds.table(), seconds.unit),
            alt="Seconds of each way of training on this machine",
        )
    else:
        st.markdown(
            f"{plain(done.sentence())} Fine-tune a target on a selection to see here how "
            "many seconds it saves."
        )
    st.caption(costs.EQUAL_STEPS)


def _finetuned(trajectories: Artifact) -> costs.MeasuredTarget | None:
    """Return the newest fine-tune on a selection of these trajectories."""
    workspace = state.workspace()
    for entry in workspace.made_from(trajectories.id, "finetune"):
        with contextlib.suppress(InputError, KeyError):  # of a version that did not count
            return costs.target(workspace.open(entry.id, entry.kind))
    return None
