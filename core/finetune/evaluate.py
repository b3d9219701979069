"""Test a model: held-out loss per response token, and answers by greedy decoding.

Answers are compared, never executed. Of multiple choice nothing is generated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from core.arrays import Float32s, Ints, by_id
from core.dataset import holdout
from core.dataset.artifact import load_examples, original_file
from core.dataset.privacy import is_private
from core.errors import InputError
from core.evaluations import second_opinion
from core.evaluations.choice import choose
from core.evaluations.free_text import NO_ENCODER, bert_scores, is_free, rouge_l
from core.finetune.answers import JUDGED
from core.finetune.artifact import Generation, Result
from core.finetune.floor import commonest_right
from core.finetune.generate import DECODE_BATCH, generate, next_turn, questions, renders
from core.finetune.kept_answers import chosen_answer, counts, judged_answer, without_texts
from core.finetune.metrics import measure
from core.finetune.settings import Tested
from core.jobs.progress import say
from core.model.conversation import Turn, with_extras
from core.model.loading import check_vocabulary
from core.model.rendering import Renderer
from core.model.scoring import score
from core.model.templates import renderer
from core.model.tokens import tokenize
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST_ANSWER = 1_024
"""Tokens of an answer on auto, at most."""
SAMPLE_SEED = 0
"""Of the items that are answered: the same for every arm and run."""
OF_ITEMS = ("verifier", "task", "metadata", "measure", "continuations")
"""Columns of the original that say how an item is judged."""


def longest_answer(trained: Ints, test: Ints, asked: int | str = "auto") -> int:
    """Return how many tokens an answer may take.

    Args:
        trained: Response tokens of the rows trained on (n_rows,).
        test: Response tokens of the test items, 0 for those without a worked answer (n_items,).
        asked: A number; auto is a little over the 99th percentile of the longer of the two.
    """
    if asked != "auto":
        return int(asked)
    usual = [int(np.quantile(n, 0.99)) for part in (trained, test) if len(n := part[part > 0])]
    return min(LONGEST_ANSWER, 8 + max(usual)) if usual else 256


def load_items(dataset: Artifact, split: str) -> pd.DataFrame:
    """Return the test items of a dataset in order of id.

    Args:
        split: `holdout`, or `all` for a file that is a test set as a whole.

    Raises:
        InputError: there are none.
    """
    items = with_extras(load_examples(dataset))
    kept = pq.ParquetFile(original_file(dataset))
    there = [c for c in OF_ITEMS if c in kept.schema_arrow.names]
    original = kept.read(there).to_pandas()
    for column in OF_ITEMS:
        items[column] = original.get(column, "")
    items["measure"] = items["measure"].where(items["measure"].isin(["choice", "text"]), "")
    if split == "holdout":
        items = items[items["split"] == "holdout"]
    if items.empty:
        raise InputError(f"{dataset.name} has no held-out rows; name a test file with --eval")
    items = items.iloc[by_id(items["id"].to_numpy())]
    no_answer = items["answer"].isna() | (items["answer"] == "")
    items["answer"] = items["answer"].where(~no_answer, items["response"])
    return items


def check_answers(dataset: Artifact, split: str) -> None:
    """Refuse a test set that has nothing to compare an answer with, before anything is trained.

    Raises:
        InputError: no item has an answer or a response.
    """
    items = load_items(dataset, split)
    if not items["answer"].fillna("").astype(str).str.strip().any() and not any(items["verifier"]):
        raise InputError(
            f"none of the {len(items):,} items of {dataset.name} has an answer; import it again "
            "with --answer-column naming the column that has them"
        )


def sample(items: pd.DataFrame, n: int) -> list[int]:
    """Draw the items to answer, each source in proportion; ascending positions, the same always."""
    if n >= len(items):
        return list(range(len(items)))
    rng = np.random.default_rng(SAMPLE_SEED)
    sources = items["source"].astype(str).tolist()
    room = holdout.quotas(sources, n)
    chosen = []
    for at in rng.permutation(len(items)).tolist():
        if room[sources[at]] > 0:
            room[sources[at]] -= 1
            chosen.append(at)
    return sorted(chosen)


def evaluate(
    workspace: Workspace,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Artifact,
    *,
    split: str,
    template: str,
    max_length: int,
    trained: Ints,
    how: Tested,
    overlapping: Ints | None = None,
    batch: int = DECODE_BATCH,
) -> Result:
    """Score a model on the test items of a dataset.

    Args:
        split: holdout or all.
        template: The template the model was trained with.
        max_length: Longest input, in tokens.
        trained: Response tokens of the rows trained on (n_rows,), for the longest answer.
        how: How many items are answered, how long an answer may be, and with what it is compared.
        overlapping: Rows of the dataset that stand in the pool, too: scores are given without
            them, besides.
        batch: Items answered at once: in exact arithmetic it changes nothing.
    """
    items = load_items(dataset, split)
    rows = items["row"].to_numpy()
    tokens = tokenize(workspace, dataset, tokenizer, template).cut(max_length)
    check_vocabulary(model, tokens.highest())
    losses = score(model, tokens, rows).losses
    own = tokens.cut(2**31).response_lengths()[rows]
    max_new = longest_answer(trained, own, how.answer_tokens)
    render = renderer(template, tokenizer)
    talks, not_asked = _asked(items, how, render)
    entries = cast("list[dict[str, Any]]", items.to_dict("records"))
    given = [i for i in talks if entries[i]["measure"] == "choice"]
    free = [i for i in talks if entries[i]["measure"] != "choice"]
    written = generate(
        model,
        tokenizer,
        render,
        [talks[i] for i in free],
        max_length=max_length,
        max_new=max_new,
        batch=batch,
        usual=lengths if (lengths := own[own > 0]).any() else trained,
    )
    stops = next_turn(render)
    kept = {
        i: judged_answer(entries[i], answer, stops) for i, answer in zip(free, written, strict=True)
    }
    choices = [list(map(str, entries[i]["continuations"])) for i in given]
    chosen = choose(model, tokenizer, render, template, [talks[i] for i in given], choices)
    for i, several, one in zip(given, choices, chosen, strict=True):
        kept[i] = chosen_answer(entries[i], render(talks[i], True), several, one)
    generations = [kept[i] for i in talks]
    judged = _judged(items, losses, kept, given)
    answer = _compared(judged, kept, entries, how)
    scores = {"items": len(items), "judged": JUDGED, **counts(generations), **answer}
    if how.answers and free:
        longer = int((own[free] > max_new).sum())
        scores |= {"answer_tokens": max_new, "longer_golds": longer}
        floor = commonest_right(dataset, items.iloc[list(talks)]) if split == "holdout" else None
        scores |= {} if floor is None else {"commonest": floor}
    if not_asked:
        scores["not_asked"] = not_asked
    scores |= measure(judged)
    if overlapping is not None and len(overlapping):
        scores |= _without(judged, overlapping)
    differ = None
    if how.second_opinion:
        differ = second_opinion.disagreements(kept[i] for i in free)
        scores["second_opinion"] = len(differ)
    if is_private(dataset):
        generations = cast("list[Generation]", without_texts(generations))
        differ = None if differ is None else without_texts(differ)
    return Result(
        scores, generations, judged.drop(columns=["said", "gold"], errors="ignore"), differ
    )


def _asked(items: pd.DataFrame, how: Tested, render: Renderer) -> tuple[dict[int, list[Turn]], int]:
    """Return the questions to ask by position, and how many the template cannot render."""
    drawn = sample(items, len(items) if how.all_items else how.decode) if how.answers else []
    talks = {i: questions(items["messages"].iloc[i]) for i in drawn}
    asked = {i: talk for i, talk in talks.items() if renders(render, talk)}
    if not_asked := len(drawn) - len(asked):
        say(
            f"{not_asked:,} of {len(drawn):,} questions are not asked: the template cannot render "
            "them"
        )
    return asked, not_asked


def _judged(
    items: pd.DataFrame, losses: Float32s, kept: dict[int, Generation], given: list[int]
) -> pd.DataFrame:
    """Return a line an item, with its loss and whether its answer is right.

    Args:
        losses: Of the items (n_items,).
        kept: Answers by position.
        given: Positions of those that were chosen among several.
    """
    measures = items["measure"].tolist()
    judged = pd.DataFrame(
        {
            "id": items["id"].to_numpy(),
            "row": items["row"].to_numpy(),
            "source": items["source"].to_numpy(),
            "loss": np.where(np.isfinite(losses), losses, np.nan),
            "right": _column(
                len(items),
                {i: kept[i]["right"] for i in kept if measures[i] not in ("text", "choice")},
            ),
        }
    )
    if given:
        judged["choice"] = _column(len(items), {i: kept[i]["right"] for i in given})
        by_length = {i: kept[i]["right_by_length"] for i in given}
        judged["choice_by_length"] = _column(len(items), by_length)
    return judged


def _without(judged: pd.DataFrame, overlapping: Ints) -> dict[str, Any]:
    """Mark the items that stand in the pool, too, and return the scores of the others."""
    judged["overlap"] = np.isin(judged["row"].to_numpy(), overlapping)
    clean = judged[~judged["overlap"]]
    scores = {f"clean_{key}": value for key, value in measure(clean).items()}
    return {"clean_items": len(clean), **scores}


def _column(n: int, values: dict[int, Any]) -> pd.Series:
    """Return values by position, None elsewhere (n,)."""
    return pd.Series(values, dtype=object).reindex(range(n))


def _compared(
    judged: pd.DataFrame,
    kept: dict[int, Generation],
    entries: list[dict[str, Any]],
    how: Tested,
) -> dict[str, Any]:
    """Add what is measured of free text to the items; return what is to be said of it."""
    free = [
        i
        for i, answer in sorted(kept.items())
        if is_free(answer["answer"], answer["matcher"], entries[i]["measure"])
    ]
    if not free:
        return {}
    said, gold = [kept[i]["said"] for i in free], [kept[i]["answer"] for i in free]
    n = len(judged)
    for name, values in (("said", said), ("gold", gold)):
        judged[name] = _column(n, dict(zip(free, values, strict=True)))
    scored = rouge_l(zip(said, gold, strict=True))
    judged["rouge_l"] = _column(n, dict(zip(free, scored, strict=True))).astype(float)
    if not how.encoder:
        return {"texts": len(free), "bert_score_absent": NO_ENCODER}
    likeness = bert_scores(said, gold, how.encoder)
    judged["bert_score"] = _column(n, dict(zip(free, likeness, strict=True))).astype(float)
    return {"texts": len(free)}
