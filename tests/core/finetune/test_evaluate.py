import json

import numpy as np
import pandas as pd
import pytest

from core.finetune import evaluate as evaluation
from core.finetune.evaluate import evaluate, generate, load_items
from core.model import loading, tokenizers
from core.model.templates import renderer


@pytest.fixture(scope="module")
def target(finished):
    return loading.load(str(finished.workspace.open(finished.finetune).path / "model"), seed=0)


QUESTIONS = ["Sum of 1 and 2?", "Repeat: blue", "Is 3 larger than 2? " * 9, "x", "How many?"]


def test_batches_answer_as_one_at_a_time(target, monkeypatch):
    render = renderer("plain", target[1])
    talks = [[{"role": "user", "content": q}] for q in QUESTIONS]

    def answers():
        return generate(*target, render, talks, max_length=200, max_new=12)

    together = answers()
    monkeypatch.setattr(evaluation, "DECODE_BATCH", 1)
    assert answers() == together
    assert any(together)


def test_a_long_prompt_leaves_room_for_the_answer(target):
    model, tokenizer = target
    talks = [[{"role": "user", "content": "word " * 5000}]]
    made = generate(
        model, tokenizer, renderer("plain", tokenizer), talks, max_length=10**6, max_new=5
    )
    assert len(made) == 1


def test_an_answer_ends_at_the_templates_end_of_turn():
    tokenizer = tokenizers.train_tokenizer(["a b"], 300)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
    ends = evaluation._end_tokens(tokenizer, renderer("chat", tokenizer))
    assert sorted(tokenizer.convert_ids_to_tokens(ends)) == ["<|end|>", "<|im_end|>"]
    assert evaluation._end_tokens(tokenizer, renderer("plain", tokenizer)) == [
        tokenizer.eos_token_id
    ]


def test_scores_of_the_held_out_rows(finished, target):
    dataset = finished.workspace.open(finished.dataset)
    items, matcher = load_items(dataset, "holdout")
    assert len(items) == 20
    assert items["id"].is_monotonic_increasing
    assert matcher == "number"  # four in five answers hold one
    scores, said = evaluate(
        finished.workspace,
        *target,
        dataset,
        split="holdout",
        template="plain",
        max_length=64,
        max_new=6,
        decode=7,
    )
    assert (scores["items"], scores["loss_items"], scores["decoded"]) == (20, 20, 7)
    assert scores["balanced_loss"] == pytest.approx(
        sum(scores["loss_by_source"].values()) / len(scores["loss_by_source"]), abs=1e-3
    )
    assert [s["id"] for s in said] == items["id"].tolist()[:7]
    assert scores["right"] == sum(s["right"] for s in said)
    json.dumps(scores, allow_nan=False)


def test_a_dataset_without_test_rows_says_what_to_do(finished, monkeypatch):
    dataset = finished.workspace.open(finished.dataset)
    assert len(load_items(dataset, "all")[0]) == 160
    whole = pd.read_parquet
    monkeypatch.setattr(pd, "read_parquet", lambda path: whole(path).assign(split="pool"))
    with pytest.raises(ValueError, match="no held-out rows; name a test file with --eval"):
        load_items(dataset, "holdout")


@pytest.mark.parametrize(
    ("lengths", "longest"), [([], 256), ([0, 0], 256), ([5, 6, 7], 14), ([900], 256)]
)
def test_the_longest_answer(lengths, longest):
    assert evaluation.longest_answer(np.array(lengths, np.int64)) == longest
