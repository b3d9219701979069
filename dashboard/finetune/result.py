"""What a fine-tune scored, what it answered, and the runs so far."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.dataset.sides import PAIRS
from core.finetune import metrics
from core.finetune.artifact import FinetuneSummary, Generation, load_generations
from core.finetune.forecast import between
from core.jobs.progress import duration
from core.training.settings import epochs_of
from core.workspace.artifact import Artifact, Entry
from dashboard.escape import plain
from dashboard.frame import overlap, reader, widgets
from dashboard.frame.models import count
from dashboard.frame.page_words import plain_words


def scores(artifact: Artifact) -> None:
    """Show what the fine-tune scored, each number with its denominator."""
    s, numbers = artifact.summary_as(FinetuneSummary), artifact.summary
    epochs = epochs_of(s["rows"], s["steps"], artifact.config["batch_size"])
    pairs = [("Steps", f"{s['steps']:,} on {s['rows']:,} rows ({epochs:.4g} epochs)")]
    if trainable := s.get("trainable_parameters", 0):
        pairs.append(("Trained", f"{count(trainable)} of {count(s['parameters'])} parameters"))
    seen = s.get("seen", 0)  # not in fine-tunes of earlier versions
    pairs += [
        (plain(m.called(seen)), plain(m.written(numbers[key], numbers)))
        for key, m in metrics.known(numbers).items()
    ]
    widgets.facts(*pairs)
    for why, n in s.get("left_out_why", {}).items():
        selected = s["rows"] + s["left_out"]
        sentence = f"{n:,} of {selected:,} selected rows were left out: {why}"
        st.warning(plain_words(sentence), icon=":material/content_cut:")
    if warning := s.get("warning", ""):
        st.warning(plain_words(warning))
    overlap.tell(s.get("overlap", ""), warns=seen > 0)
    dataset = artifact.ancestor("selection").ancestor("dataset")
    overlap.side_by_side(artifact.path / PAIRS, artifact.parents["test"], dataset.id, "trained row")
    more_tests(artifact.summary)
    st.caption(
        f"{how_answers_ended(artifact.summary)}Tested on {plain(s['test'])}; "
        f"took {duration(artifact.manifest['seconds'])}{plain(training_took(s))}. "
        "Balanced loss is the mean over sources, so that large sources do not drown small ones."
    )


def training_took(s: FinetuneSummary) -> str:
    """Write what the training took of it, beside what a try of its settings foretold."""
    if not (taken := s.get("train_seconds")):
        return ""
    foretold = s.get("train_forecast")
    beside = f" ({between(*foretold)} foretold)" if foretold else ""
    return f", the training {duration(taken)} of it{beside}"


def more_tests(summary: Mapping[str, Any]) -> None:
    """Show the scores of the tests beside the first, what got worse, and all without overlap."""
    if scores := summary.get("regression"):
        st.info(plain(scores), icon=":material/healing:")
    tests = {"": {"title": "test set", **summary}, **summary.get("tests", {})}
    lines = [
        {
            "test": scores["title"],
            "measure": metric.called(scores.get("seen", 0)),
            "score": metric.written(scores[key], scores),
            "without overlap": without_overlap(key, scores),
        }
        for scores in tests.values()
        for key, metric in metrics.known(scores).items()
    ]
    if len(tests) > 1 or "clean_items" in summary:
        which = "Every test" if len(tests) > 1 else "The test"
        st.caption(f"{which}, with and without the items that have words in common with the pool")
        shown = pd.DataFrame(lines)  # one test needs no column that names it
        st.dataframe(shown if len(tests) > 1 else shown.drop(columns="test"), hide_index=True)
    for scores in tests.values():
        if reason := scores.get("bert_score_absent"):
            st.caption(plain(f"{scores['title']}: no BERTScore, {reason}."))


def without_overlap(key: str, scores: Mapping[str, Any]) -> str:
    """Write a score on the items that no row of the pool gives away, with its denominator."""
    clean = {k.removeprefix("clean_"): v for k, v in scores.items() if k.startswith("clean_")}
    if key in clean:
        return metrics.METRICS[key].written(clean[key], clean)
    return "none left" if clean else "no overlap"


def how_answers_ended(scores: Mapping[str, Any]) -> str:
    """Count the answers that did not simply end, with their denominator."""
    odd = {
        "ran on to a next question": scores.get("ran_on", 0),
        "ended at the length limit": scores.get("at_limit", 0),
        "have no gold": scores.get("no_gold", 0),
        "have a gold that could only be compared as text": scores.get("unread_golds", 0),
        "are programs, which are not run": scores.get("programs", 0),
        "have a gold longer than an answer may be": scores.get("longer_golds", 0),
    }
    asked = scores.get("answered", scores.get("decoded", 0))
    counts = [f"{n:,} of {asked:,} {what}" for what, n in odd.items() if n]
    return f"Answers: {'; '.join(counts)}. " if counts else ""


def answer_notes(record: Generation) -> str:
    """Say what was compared with the expected answer, and what is odd about it."""
    taken = f"{record['extracted']!r} ({record['where']})" if record["extracted"] else "no answer"
    notes = [f"compared as {record['matcher']}: {taken}"]
    if record["ran_on"]:
        notes.append("ran on to a next question, which was cut off")
    if record["at_limit"]:
        notes.append("ended at the length limit")
    if record["right"] != record["right_as_is"]:
        notes.append(f"{'right' if record['right_as_is'] else 'wrong'} without the cut")
    return "; ".join(notes)


def answers(artifact: Artifact) -> None:
    """Read what the model answered."""
    records = load_generations(artifact.path)
    if not records:
        st.caption("No answers were decoded.")
        return
    only = st.segmented_control("Show", ["All", "Right", "Wrong"], default="All", required=True)
    shown = [r for r in records if only == "All" or r["right"] == (only == "Right")]
    if not shown:
        st.caption("None.")
        return
    pages = -(-len(shown) // reader.PER_PAGE)
    page = st.pagination(pages, key="answers") if pages > 1 else 1
    for r in shown[(page - 1) * reader.PER_PAGE : page * reader.PER_PAGE]:
        with st.container(border=True):
            st.text(f"{'right' if r['right'] else 'wrong'}   {r['source']}   id {r['id']}")
            if "where" in r:  # not in fine-tunes of earlier versions
                st.text(answer_notes(r))
            columns = st.columns(3)
            texts = {"Question": r["prompt"], "Expected": r["answer"], "Answered": r["said"]}
            for column, (title, text) in zip(columns, texts.items(), strict=True):
                column.caption(title)
                column.code(reader.said(str(text)), language=None, wrap_lines=True)
            if r.get("asked"):
                with st.expander("The prompt as the model read it"):
                    st.code(reader.cut(r["asked"]), language=None, wrap_lines=True)


TABLE = "finetune:runs"


def open_chosen(runs: list[Entry]) -> None:
    """Let the address name the run of the line that was chosen."""
    chosen = st.session_state[TABLE]["selection"]["rows"]
    if chosen:
        entry = runs[chosen[0]]
        st.query_params["selection"] = entry.parents["selection"]
        st.query_params["finetune"] = entry.id


def table(runs: list[Entry]) -> None:
    """List the runs so far; one that is chosen is opened."""
    made = [(e, e.summary_as(FinetuneSummary)) for e in runs]
    measured = {key for e in runs for key in e.summary}
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "run": e.name,
                    "rows": s["rows"],
                    "steps": s["steps"],
                    **{key: e.summary.get(key) for key in metrics.METRICS if key in measured},
                    "test rows also trained on": s.get("seen"),
                    "items answered": s.get("decoded"),
                    "training took": duration(s.get("train_seconds")),
                    "id": e.id,
                }
                for e, s in made
            ]
        ),
        hide_index=True,
        column_config=widgets.metric_columns(),
        key=TABLE,
        on_select=functools.partial(open_chosen, runs),
        selection_mode="single-row",
    )
    st.caption("Choose a line to open its run.")
