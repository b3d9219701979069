"""What a fine-tune is on the disk: weights, scores, answers, and what its manifest says."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

import pandas as pd

from core.workspace.files import read_jsonl, write_json, write_jsonl

SCORES, GENERATIONS, ITEMS = "scores.json", "generations.jsonl", "items.parquet"
SECOND_OPINION = "second_opinion.jsonl"
MODEL, ADAPTER = "model", "adapter"


class Counts(TypedDict, total=False):
    """What stands among scores beside the metrics, whose keys are those of METRICS.

    Those of the items that no row of the pool gives away stand a second time, as `clean_...`.
    """

    items: int
    judged: int
    """How answers were judged: `JUDGED` of then; none in fine-tunes of the first version."""
    matcher: str
    """How answers were compared, with counts where it was in more ways than one."""
    answered: int
    """Items asked, whatever is measured of their answers."""
    ran_on: int
    at_limit: int
    right_as_is: int
    """Right without the cut where an answer runs on to a next question."""
    no_gold: int
    unread_golds: int
    """Golds that look like maths and could only be compared as text, or are broken."""
    programs: int
    """Answers that are programs: none is run."""
    answer_tokens: int
    """Longest answer allowed."""
    longer_golds: int
    """Items whose own answer is longer than that."""
    commonest: int
    """Items that their source's commonest answer in the pool would get right."""
    not_asked: int
    """Drawn items that the template cannot render."""
    loss_items: int
    right: int
    decoded: int
    covered: int
    sources: int
    choices: int
    """Items answered by the likeliest of several choices."""
    choices_right: int
    choices_right_by_length: int
    rouge_items: int
    texts: int
    """Answers of free text."""
    bert_score_absent: str
    """Why there is no BERTScore."""
    second_opinion: int
    """Verdicts that another judge does not share."""
    seen: int
    """Test rows that rows trained on give away."""
    seen_in_pool: int


class Trained(TypedDict, total=False):
    """What the training did to rows it was given; not known of early fine-tunes."""

    model_class: str
    trainable_parameters: int
    trained_rows_loss: list[float]
    """Of some of the rows trained on: before, after."""
    warning: str
    """What to do where the loss rose; empty where it did not."""


class FinetuneSummary(Counts, Trained):
    """What the manifest of a fine-tune says, beside a number for each metric."""

    rows: int
    """Trained on."""
    left_out: int
    """Selected rows that were not."""
    left_out_why: NotRequired[dict[str, int]]
    """Reason -> rows; only where there are any."""
    steps: int
    epochs: float
    response_tokens: int
    train_seconds: NotRequired[float]
    """The first fine-tunes did not count the training apart."""
    train_forecast: NotRequired[list[float]]
    """Seconds of the training, from and to, as a try of these settings foretold."""
    train_loss: NotRequired[float]
    """Of the last step, nats per response token; not known of early fine-tunes."""
    planned_steps: NotRequired[int]
    """Where it ended early."""
    kept_step: NotRequired[int]
    """The step whose weights it has, where that is not the last."""
    looked_at: NotRequired[str]
    """Which held-out rows were looked at while it trained, in words."""
    ids_sha256: str
    """Of the selection."""
    parameters: int
    test: str
    overlap: NotRequired[str]
    """Which test rows are given away, as a sentence; empty without any."""
    tests: NotRequired[dict[str, dict[str, Any]]]
    """Key of a test beside the first -> its title, dataset and scores."""
    regression: NotRequired[str]
    """What the training made worse, as a sentence."""


def odd(summary: Mapping[str, Any]) -> str:
    """Return what is wrong with the scores of a summary, which a table names; empty if nothing."""
    from core.finetune.metrics import known

    for key, metric in known(summary).items():
        if isinstance(summary[key], bool) or not isinstance(summary[key], int | float):
            return f"{key} in its summary is {summary[key]!a:.40}"
        for count in filter(None, (metric.of, metric.hits)):
            if count not in summary:
                return f"{count} is missing in its summary, of which {key} is a share"
    return ""


class Generation(TypedDict):
    """One answer and all that a person needs to check its verdict; early ones hold less."""

    id: str
    source: str
    prompt: str
    asked: NotRequired[str]
    """The prompt as the model read it."""
    answer: str
    """What is right."""
    said: str
    right: bool
    right_as_is: NotRequired[bool]
    right_by_length: NotRequired[bool]
    """Of a choice: by likelihood a character."""
    likelihoods: NotRequired[list[float | None]]
    """Of the choices."""
    extracted: NotRequired[str]
    where: NotRequired[str]
    matcher: NotRequired[str]
    ran_on: NotRequired[bool]
    at_limit: NotRequired[bool]
    program: NotRequired[bool]


class Result(NamedTuple):
    """Scores of one model on one test set."""

    scores: dict[str, Any]
    """`Counts`, a number for each metric that could be measured, and details that are dicts."""
    generations: list[Generation]
    items: pd.DataFrame
    """A line an item, in order of id: id, row, source, loss (nats per response token, NaN without a
    response), right (None where it was not answered), what else was measured of it, overlap."""
    disagreements: list[dict[str, Any]] | None = None
    """Verdicts of which a second opinion differs; None where none was asked."""


def write_result(folder: pathlib.Path, result: Result) -> None:
    """Write scores, answers, items, and where asked the second opinion."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SCORES, result.scores)
    write_jsonl(folder / GENERATIONS, result.generations)
    result.items.to_parquet(folder / ITEMS)
    if result.disagreements is not None:
        write_jsonl(folder / SECOND_OPINION, result.disagreements)


def weights(folder: pathlib.Path, method: str) -> pathlib.Path:
    """Return where the model is saved, or the adapter that `method` lora gives."""
    return folder / (ADAPTER if method != "full" else MODEL)


def load_generations(folder: pathlib.Path) -> list[Generation]:
    """Read what was answered; empty where nothing was decoded.

    Args:
        folder: Of a fine-tune, or of one of its tests.
    """
    return cast("list[Generation]", list(read_jsonl(folder / GENERATIONS)))
