import json

import numpy as np
import pandas as pd
import pytest

from core.finetune import evaluate as evaluation
from core.finetune.answers import MATCHERS, extract_number
from core.finetune.evaluate import evaluate, generate, load_items
from core.model import loading, tokenizers
from core.model.templates import renderer


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (r"so \boxed{42}.", "42"),
        (r"first \boxed{1}, then \boxed{\frac{1}{2}}", "1/2"),
        (r"\boxed{\sqrt{2}}", r"\sqrt{2}"),
        (r"\boxed{1,234}", "1234"),
        (r"\boxed{3", "3"),
        ("He has 3 + 4 = 7\n#### 7", "7"),
        ("#### 1,234,567", "1234567"),
        ("#### $72.50", "72.5"),
        ("#### 72 apples", "72"),
        ("#### -3", "-3"),
        ("The answer is 1,234.50 dollars.", "1234.5"),
        ("3.0", "3"),
        ("0.50", "0.5"),
        (".5", "0.5"),
        ("100", "100"),
        ("It is 12.", "12"),
        ("either 2,3,4", "4"),
        ("10-5", "5"),
        ("x = -5", "-5"),
        ("x = \u22125", "-5"),
        ("about 1/2", "1/2"),
        ("12%", "12"),
        ("no number", ""),
        ("", ""),
    ],
)
def test_extract_number(text, number):
    assert extract_number(text) == number


@pytest.mark.parametrize(
    ("said", "answer", "right"),
    [
        ("the answer is 7", "7", True),
        ("7.0", "7", True),
        ("0.5", "1/2", True),
        (r"\boxed{\dfrac{1}{2}}", "0.5", True),
        ("1,000", "1000", True),
        ("8", "7", False),
        ("", "7", False),
        ("7/0", "7", False),
        (r"\boxed{x+1}", r"\boxed{x + 1}", True),
        ("Yes", "yes", True),
        ("12 yes", "yes", False),
    ],
)
def test_numbers_match_by_value(said, answer, right):
    assert MATCHERS["number"].right(said, {"answer": answer}) is right


def test_texts_match_but_for_case_and_spaces():
    match = MATCHERS["text"].right
    assert match(" The  Blue\nMoon ", {"answer": "the blue moon"})
    assert not match("the blue", {"answer": "the blue moon"})


def test_the_tasks_own_verifier():
    import reasoning_gym

    item = reasoning_gym.create_dataset("number_sorting", size=1, seed=0)[0]
    entry = {
        "task": "number_sorting",
        "prompt": item["question"],
        "answer": item["answer"],
        "metadata": json.dumps(item["metadata"], default=str),
    }
    match = MATCHERS["reasoning-gym"].right
    assert match(item["answer"] + "\n", entry)
    for nonsense in ("", "no", "[", "['1'", "\x00", "9" * 5000, "__import__('os')"):
        assert not match(nonsense, entry)


@pytest.fixture(scope="module")
def target(house):
    return loading.load(str(house.workspace.open(house.finetune).path / "model"), seed=0)


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


def test_scores_of_the_held_out_rows(house, target):
    dataset = house.workspace.open(house.dataset)
    items, matcher = load_items(dataset, "holdout")
    assert len(items) == 20
    assert items["id"].is_monotonic_increasing
    assert matcher == "number"  # four in five answers hold one
    scores, said = evaluate(
        house.workspace,
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


def test_a_dataset_without_test_rows_says_what_to_do(house, monkeypatch):
    dataset = house.workspace.open(house.dataset)
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
