"""Step 1: what training on everything takes, beside what the selection takes."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.dataset.artifact import DatasetSummary
from core.jobs.progress import duration
from core.report.project import choosable
from core.selection.artifact import SelectionSummary
from core.study.artifact import StudySummary
from core.study.artifact import table as study_table
from core.trajectories.artifact import TrajectoriesSummary
from dashboard.escape import plain
from dashboard.story.project import Project


class ArmBill(NamedTuple):
    """What the trainings of an arm took: the middle one of its seeds."""

    rows: int
    tokens: int
    seconds: float
    trainings: int
    fastest: float
    slowest: float


def draw(project: Project, *, masked: bool) -> None:
    """Set all the data and the selection side by side, then the part that one is of the other."""
    trained = arms(study_table(project.study)) if project.study is not None else {}
    full, part = trained.get("full"), trained.get("s2l")
    epochs = project.study.summary_as(StudySummary).get("epochs", 0) if project.study else 0
    all_tokens, chosen_tokens, chosen_rows = _counted(project)
    left, right = st.columns(2)
    below = st.container()
    price = _price() if trained else 0.0
    with left.container(border=True):
        st.markdown("#### All the data")
        pool = int(choosable(project).value)
        _figures(full, pool, all_tokens, price)
    with right.container(border=True):
        st.markdown("#### The selection")
        often = as_often(full, part) if full and part and not epochs else None
        _figures(part, chosen_rows, chosen_tokens, price, often)
    shares: tuple[tuple[str, int | None, int | None], ...] = ()
    if full is not None and part is not None:
        shares = (
            ("examples", part.rows, full.rows),
            ("tokens to learn", part.tokens, full.tokens),
        )
    else:
        shares = (
            ("examples", chosen_rows, pool),
            ("tokens to learn", chosen_tokens, all_tokens),
        )
    for what, some, of in shares:
        if some is not None and of:
            below.progress(
                min(some / of, 1.0),
                text=f"The selection has **{some / of:.0%}** of the {plain(what)}: "
                f"{some:,} of {of:,}",
            )
    below.caption(plain(times(full, part, project, epochs)))
    below.caption(plain(rows_said(project)))


def _counted(project: Project) -> tuple[int | None, int | None, int | None]:
    """Return what the selection says: tokens of all rows, its own tokens, its rows."""
    if project.selection is None:
        return None, None, None
    s = project.selection.summary_as(SelectionSummary)
    return s["pool_response_tokens"], s["response_tokens"], s["rows"]


def _figures(
    arm: ArmBill | None,
    rows: int | None,
    tokens: int | None,
    price: float,
    often: float | None = None,
) -> None:
    left, right = st.columns(2)
    if arm is not None:
        rows, tokens = arm.rows, arm.tokens
    left.metric("examples", "not chosen yet" if rows is None else f"{rows:,}")
    if tokens is not None:
        (left if arm is not None else right).metric("tokens to learn", f"{tokens:,}")
    if arm is not None:
        right.metric("training took", duration(arm.seconds) + money(arm.seconds, price))
    if often is not None:
        words = f"about {duration(often)}{money(often, price)}"
        right.metric("if each is seen as often", words)


def arms(table: pd.DataFrame) -> dict[str, ArmBill]:
    """Return what the arms `full` and `s2l` took, at the study's first budget."""
    if not {"rows", "response_tokens", "train_seconds"} <= set(table):
        return {}
    out = {}
    for name in ("full", "s2l"):
        part = table[(table["failed"] == "") & (table["arm"] == name)]
        part = part[part["rows"] == part["rows"].iloc[0]] if len(part) else part
        if len(part):
            seconds = part["train_seconds"]
            middle = part[["rows", "response_tokens"]].median()
            out[name] = ArmBill(
                int(middle["rows"]),
                int(middle["response_tokens"]),
                float(seconds.median()),
                len(part),
                float(seconds.min()),
                float(seconds.max()),
            )
    return out


def times(full: ArmBill | None, part: ArmBill | None, project: Project, epochs: float = 0) -> str:
    """Say what the times are of, and how far apart the trainings were."""
    proxy = project.trajectories.manifest.get("seconds") if project.trajectories else None
    if full is None and part is None:
        return (
            "How long both train is known once a study has trained on both: see the Study page."
            + (f" The small model took {duration(proxy)}, once." if proxy else "")
        )
    ranges = [
        f"{name} {duration(arm.fastest)} to {duration(arm.slowest)}"
        for name, arm in (("all the data", full), ("the selection", part))
        if arm is not None and arm.trainings > 1
    ]
    several = max(arm.trainings for arm in (full, part) if arm is not None)
    middle = f", the middle of {several} trainings each ({'; '.join(ranges)})" if ranges else ""
    estimate = ""
    if full is not None and part is not None:
        estimate = (
            "; with each example seen only as often as among all the data, it would take about "
            f"{duration(as_often(full, part))}"
        )
    equal = (
        ". Every example was seen equally often, so fewer examples take less time."
        if epochs
        else ". All trained equally many steps: the selection saves examples here, not time"
        f"{estimate}."
    )
    return f"Times are measured{middle}{equal}" + (
        f" Finding the selection took {duration(proxy)} once." if proxy else ""
    )


def rows_said(project: Project) -> str:
    """Say which rows are meant and why there are fewer of them than in the file."""
    s = project.dataset.summary_as(DatasetSummary)
    said = (
        f"Dataset {project.dataset.name}, {project.dataset.id}: {s['rows']:,} "
        f"examples, of which {s['rows'] - s['pool_rows']:,} are held out for the test"
    )
    if project.trajectories is not None:
        small = project.trajectories.summary_as(TrajectoriesSummary)
        reasons = {
            "have no answer within the length that the small model reads": small["unmeasurable"],
            "are not in the sample that it read": small["not_sampled"],
        }
        said += "".join(f"; {n:,} {why}" for why, n in reasons.items() if n)
        said += f"; {small['measured']:,} are left to choose from"
    return said + "."


def as_often(full: ArmBill, part: ArmBill) -> float:
    """Return the seconds of a selection seen as often as all rows were, by the number of rows."""
    return full.seconds * part.rows / full.rows


def money(seconds: float, price: float) -> str:
    """Say what a time costs at a price for an hour; nothing without a price."""
    return f" · {seconds / 3600 * price:,.2f}" if price > 0 else ""


def _price() -> float:
    """Ask what an hour of the machine costs, if that is to be shown."""
    return float(
        st.number_input(
            "Price of an hour of training (optional, in your currency)",
            min_value=0.0,
            value=0.0,
            step=1.0,
            key="story:price",
            width=420,
            persist_state="session",
        )
    )
