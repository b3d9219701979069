import pathlib
from typing import Any, Literal

import pandas as pd
import streamlit as st

from core import dataset, jobs
from core.dataset import sides
from core.dataset.artifact import DatasetSummary, load_skipped
from core.dataset.report import sentences
from core.dataset.settings import COLUMN_FLAGS
from core.workspace.artifact import Artifact
from dashboard.charts import figure
from dashboard.charts import losses as loss_charts
from dashboard.dataset import doctor, first_rows
from dashboard.escape import plain
from dashboard.frame import (
    data,
    job_card,
    lacking,
    overlap,
    reader,
    server_files,
    state,
    uploads,
    widgets,
)
from dashboard.frame.forms import form, kept
from dashboard.frame.page_words import plain_words

COLUMN_SETTINGS = tuple(f"{part}_column" for part in COLUMN_FLAGS)
LAUNCHED = "dataset:launched"
FETCHED = "dataset:fetched"


def chosen_path() -> tuple[str, bool]:
    """Choose a file; return its path, "" for none, and whether it is on the hub."""
    how = st.segmented_control(
        "From",
        ["File", "Path", "Hub"],
        default="File",
        key="dataset:from",
        required=True,
        width="stretch",
        help="Upload a file, name one on the server, or a dataset of the model hub",
    )
    if how == "Hub":
        return server_files.hub_id("dataset:hub"), True
    return (uploads.ask("dataset") if how == "File" else server_files.path("dataset:server")), False


def import_form(
    path: str, said: dict[str, Any] | None, *, hub: bool, primary: bool, understood: bool
) -> None:
    """Set how to read a file, launch the import.

    Args:
        path: What to import, "" for nothing yet.
        said: Settings of what the columns mean; None where the form asks for them.
        hub: Whether it is a dataset of the hub.
        primary: Whether nothing else on the page is to be done first.
        understood: Whether its first rows are, or were not looked at.
    """
    several = hub or (path and pathlib.Path(path).is_dir())
    leave_out = (*(() if several else ("split",)), *(() if said is None else COLUMN_SETTINGS))
    fixed = {"path": path or "-", **(said or {})}
    settings = form(dataset.Settings, "dataset", fixed=fixed, leave_out=leave_out)
    kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    ready = bool(path) and settings is not None and understood
    why = None if understood else "Choose first what a row holds, beside the first rows"
    pressed = st.button("Import", type=kind, disabled=not ready, width="stretch", help=why)
    if pressed and settings is not None:
        job_card.launch("dataset", settings, f"Import {pathlib.Path(path).name}", "dataset")
        st.session_state[LAUNCHED] = path
        st.rerun()
    if path and settings is not None:
        job_card.command("dataset", settings)


def looked_at(path: str, *, hub: bool) -> bool:
    """Say whether the first rows of a file are to be shown: until it is being imported."""
    if not path:
        return False
    if hub and st.session_state.get(LAUNCHED) != path:
        return _fetched(path)
    if st.session_state.get(LAUNCHED) != path:
        return True
    return st.toggle("Show its first rows", key="dataset:again")


def _fetched(path: str) -> bool:
    """Say whether a person asked for the first rows of a hub dataset; none are fetched unasked."""
    split = kept(dataset.Settings, "dataset", fixed={"path": path}).split
    asked = f"{path} {split}"
    if st.session_state.get(FETCHED) != asked and st.button(
        "Show its first rows",
        icon=":material/cloud_download:",
        width="stretch",
        help="Fetches the first 200 rows of this split from the hub, and nothing else, so that you "
        "see what its columns mean before all of it is imported",
    ):
        st.session_state[FETCHED] = asked
    return bool(st.session_state.get(FETCHED) == asked)


def warnings(artifact: Artifact) -> None:
    """Say what of the test rows stands in the pool, beside the step that it spoils."""
    for notice in sides.report(artifact.summary_as(DatasetSummary)):
        overlap.tell(notice.text, warns=notice.warns)


def picture(artifact: Artifact) -> None:
    """Show what was understood of the data."""
    s = artifact.summary_as(DatasetSummary)
    skipped = sum(s["set_aside"].values())
    widgets.facts(
        ("Rows", f"{s['rows']:,} of {s['rows_read']:,}"),
        ("Pool", f"{s['pool_rows']:,}"),
        ("Held out", f"{s['holdout_rows']:,}"),
        ("Skipped", f"{skipped:,}"),
        ("Exact duplicates", f"{s['duplicates']:,}"),
        ("Sources", f"{s['n_sources']:,}"),
    )
    lengths = data.lengths(artifact.id)[["prompt", "response"]]
    middle = lengths.median()
    with widgets.lead("lengths"):
        st.plotly_chart(
            loss_charts.length_histogram(lengths, "characters"),
            config=figure.READ_ONLY,
            height="stretch",
            alt=f"Lengths of {len(lengths):,} prompts and responses in characters: the median "
            f"prompt has {middle['prompt']:,.0f}, the median response {middle['response']:,.0f}",
        )
    said = sentences(s) if "certainty" in s else []
    if s.get("left_out"):
        said.append(f"columns that are not in the conversations: {', '.join(s['left_out'])}")
    for sentence in said:
        st.caption(plain_words(sentence[:1].upper() + sentence[1:] + "."))
    overlap.side_by_side(artifact.path / sides.PAIRS, artifact.id, artifact.id, "pool row")


def rows(artifact: Artifact) -> None:
    """Read rows with the trained text marked: by token once there is a proxy's tokenizer."""
    controls = st.columns(2)
    entries = state.workspace().recent("trajectories")
    proxies = state.distinct(
        {
            e.id: f"proxy {e.name}"
            for e in entries
            if e.state == "sealed"
            and e.parents.get("dataset") == artifact.id
            and (state.workspace().find(e.id) / "proxy").is_dir()  # imported losses have none
        }
    )
    seen_by = controls[0].selectbox(
        "As seen by",
        [*proxies, "plain", "alpaca"],
        format_func=lambda o: proxies.get(o, f"{o} template"),
        help="A trained proxy shows its own tokens; scratch models use the plain template",
    )
    counts = list(artifact.summary_as(DatasetSummary)["sources"])
    source = controls[1].selectbox("Source", ["all", *counts])
    if seen_by in proxies:
        proxy = state.workspace().open(seen_by, "trajectories")
        most = proxy.config["max_length"]
        st.caption(
            "Each shade is a token. Blue is trained, grey is only read; struck through lies "
            f"beyond {most:,} tokens and is cut."
        )
    else:
        proxy = None
        st.caption(
            "Marked text is trained; the rest is only read by the model. Tokens show once a proxy "
            "has been trained."
        )
    frame = data.lengths(artifact.id)
    of_source = frame if source == "all" else frame[frame["source"] == source]
    pages = max(1, -(-len(of_source) // reader.PER_PAGE))
    page = st.pagination(pages, key="dataset:page") if pages > 1 else 1
    part = of_source["row"].iloc[(page - 1) * reader.PER_PAGE : page * reader.PER_PAGE]
    examples = data.examples(artifact.id, part.tolist(), "row, source, split, messages")
    for row, example in examples.iterrows():
        with st.container(border=True):
            st.text(f"row {row:,}   {example['source']}   {example['split']}")
            st.html(reader.as_seen(example["messages"], seen_by, proxy))


def mend(job: jobs.Job, path: str, *, looking: bool) -> None:
    """Lead from an import that failed to what its columns mean."""
    if job.state == "failed" and path and st.session_state.get(LAUNCHED) == path and not looking:
        st.button(
            "See its first rows and say what they hold",
            icon=":material/table_rows:",
            type="primary",
            on_click=lambda: st.session_state.update({"dataset:again": True}),
        )


def health(artifact: Artifact) -> None:
    """Count the rows that were skipped, by reason."""
    s = artifact.summary_as(DatasetSummary)
    if not s["set_aside"]:
        st.markdown(f"All {s['rows_read']:,} rows could be used.")
        return
    st.markdown(f"{sum(s['set_aside'].values()):,} of {s['rows_read']:,} rows were skipped:")
    st.dataframe(pd.Series(s["set_aside"], name="rows"), width="content")
    st.dataframe(load_skipped(artifact)[:200], hide_index=True)


widgets.title(
    "Dataset", "The examples as the models will see them: how many, how long, from where."
)
artifact = widgets.chips("dataset")["dataset"]
left, right = st.columns(widgets.BESIDE)
job = jobs.newest(state.workspace(), "dataset")
unsure = job is not None and job.state != "done"  # what "it" is
with left:
    onward = st.container()
    with st.container(border=True):
        st.markdown("**Import a dataset**")
        path, hub = chosen_path()
        looking = looked_at(path, hub=hub)
        form_place = st.container()
if artifact is not None and not looking:
    with onward:
        label = f"Train a proxy on {plain(artifact.name)}" if unsure else "Train a proxy on it"
        widgets.next_step(label, "trajectories", primary=not unsure, dataset=artifact.id)
        if not unsure:
            warnings(artifact)
said: dict[str, Any] | None = None
understood = True
if looking:
    unsaid = {**dict.fromkeys(COLUMN_SETTINGS, ""), "map": "", "no_header": False}
    with right, st.container(border=True):
        said, understood = first_rows.panel(
            path, kept(dataset.Settings, "dataset", fixed={"path": path, **unsaid})
        )
with form_place:
    import_form(path, said, hub=hub, primary=artifact is None or looking, understood=understood)
with right:
    if job is not None and job.state != "done":
        job_card.card(job)
        mend(job, path, looking=looking)
        if artifact is not None and not looking:
            st.markdown(f"**Not of that import:** below is {plain(artifact.name)}, as it was.")
            warnings(artifact)
    job_card.arrive(job, "dataset")
    if artifact is None and not looking and (job is None or job.state not in jobs.ACTIVE):
        with lacking.box(
            "table_rows",
            "The lengths, sources and rows of your dataset will appear here, with the trained text "
            "marked. Import a file on the left, or see the whole on embedded data.",
        ):
            lacking.offer_demo()
    elif artifact is not None and not looking:
        picture(artifact)
        tabs = st.tabs(
            ["Rows", "Sources", "Skipped", "Doctor"], on_change="rerun", key="dataset:tab"
        )
        if tabs[0].open:
            with tabs[0]:
                rows(artifact)
        if tabs[1].open:
            sources = artifact.summary_as(DatasetSummary)["sources"]
            tabs[1].dataframe(pd.Series(sources, name="rows"))
        if tabs[2].open:
            with tabs[2]:
                health(artifact)
        if tabs[3].open:
            with tabs[3]:
                doctor.doctor(artifact)
