import itertools
import json
import time
import types

import numpy as np
import pandas as pd
import pytest
import torch

from core.finetune import answer_memory, settings
from core.finetune import evaluate as evaluation
from core.finetune import generate as generating
from core.finetune.evaluate import evaluate, load_items
from core.finetune.generate import generate
from core.jobs import progress
from core.jobs.progress import JOB_VARIABLE, Stopped
from core.model import loading, tokenizers
from core.model.templates import renderer
from core.training import fit_budget, fit_memory
from core.workspace.files import read_jsonl


@pytest.fixture(scope="module")
def target(finished):
    return loading.load(str(finished.workspace.open(finished.finetune).path / "model"), seed=0)


QUESTIONS = ["Sum of 1 and 2?", "Repeat: blue", "Is 3 larger than 2? " * 9, "x", "How many?"]


def test_batches_answer_as_one_at_a_time(target):
    render = renderer("plain", target[1])
    talks = [[{"role": "user", "content": q}] for q in QUESTIONS]

    def answers(**how):
        return generate(*target, render, talks, max_length=200, max_new=12, **how)

    together = answers()
    assert answers(batch=1) == together
    assert any(answer.text for answer in together)
    assert [answer.prompt for answer in together] == [render(talk, True) for talk in talks]


def test_no_more_answers_at_once_than_there_is_memory_for(target, monkeypatch):
    render = renderer("plain", target[1])
    talks = [[{"role": "user", "content": q}] for q in QUESTIONS]
    sizes, decode = [], target[0].generate

    def generate_and_note(**how):
        sizes.append(len(how["input_ids"]))
        return decode(**how)

    monkeypatch.setattr(target[0], "generate", generate_and_note)
    together = generate(*target, render, talks, max_length=200, max_new=12)
    assert sizes == [len(QUESTIONS)]
    token = answer_memory.bytes_a_token(target[0])
    longest = max(len(target[1](render(t, True))["input_ids"]) for t in talks) + 12
    monkeypatch.setattr(fit_memory, "in_use", lambda: 1000.0)
    free = 2.2 * longest * token / answer_memory.SHARE
    monkeypatch.setattr(fit_budget, "allowed", lambda: 1000.0 + free)
    sizes.clear()
    fewer = generate(*target, render, talks, max_length=200, max_new=12)
    assert [a.text for a in fewer] == [a.text for a in together]
    assert sizes == [2, 2, 1]


def test_a_token_takes_what_the_models_own_cache_takes(target):
    model = target[0]
    ids = torch.arange(10).reshape(2, 5)
    with torch.no_grad():
        cache = model(ids, use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert answer_memory.bytes_a_token(model) == held / ids.numel()


def test_how_far_the_answers_are_is_told_at_each_token_and_a_stop_is_heard(
    target, tmp_path, monkeypatch
):
    monkeypatch.setenv(JOB_VARIABLE, str(tmp_path))
    clock = types.SimpleNamespace(monotonic=itertools.count(0, 10).__next__, time=time.time)
    monkeypatch.setattr(progress, "time", clock)
    render = renderer("plain", target[1])
    talks = [[{"role": "user", "content": q}] for q in QUESTIONS]
    generate(*target, render, talks, max_length=200, max_new=30)
    told = list(read_jsonl(tmp_path / "progress.jsonl"))
    assert [r["step"] for r in told] == sorted(r["step"] for r in told)
    assert told[-1]["step"] == told[-1]["total"] == len(QUESTIONS)
    assert {*range(1, 25)} <= {r.get("tokens") for r in told}
    (tmp_path / "STOP").touch()
    with pytest.raises(Stopped):
        generate(*target, render, talks, max_length=200, max_new=30)


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
    ends = generating.end_tokens(tokenizer, renderer("chat", tokenizer))
    assert sorted(tokenizer.convert_ids_to_tokens(ends)) == ["<|end|>", "<|im_end|>"]
    assert generating.end_tokens(tokenizer, renderer("plain", tokenizer)) == [
        tokenizer.eos_token_id
    ]


def test_scores_of_the_held_out_rows(finished, target):
    dataset = finished.workspace.open(finished.dataset)
    items = load_items(dataset, "holdout")
    assert len(items) == 20
    assert items["id"].is_monotonic_increasing
    scores, said, *_ = evaluate(
        finished.workspace,
        *target,
        dataset,
        split="holdout",
        template="plain",
        max_length=64,
        trained=np.array([3, 4]),
        how=settings.Tested(answer_tokens=6, decode=7),
    )
    assert (scores["items"], scores["loss_items"], scores["decoded"]) == (20, 20, 7)
    assert scores["balanced_loss"] == pytest.approx(
        sum(scores["loss_by_source"].values()) / len(scores["loss_by_source"]), abs=1e-3
    )
    assert [s["id"] for s in said] == items["id"].iloc[evaluation.sample(items, 7)].tolist()
    assert scores["right"] == sum(s["right"] for s in said)
    json.dumps(scores, allow_nan=False)


def test_a_dataset_without_test_rows_says_what_to_do(finished, monkeypatch):
    dataset = finished.workspace.open(finished.dataset)
    assert len(load_items(dataset, "all")) == 160
    whole = pd.read_parquet
    monkeypatch.setattr(pd, "read_parquet", lambda *a, **kw: whole(*a, **kw).assign(split="pool"))
    with pytest.raises(ValueError, match="no held-out rows; name a test file with --eval"):
        load_items(dataset, "holdout")


@pytest.mark.parametrize(
    ("trained", "test", "longest"),
    [
        ([], [], 256),
        ([0, 0], [0], 256),
        ([5, 6, 7], [0], 14),
        ([5, 6, 7], [20, 20], 28),  # as long as the test's own answers
        ([900], [], 908),
        ([5_000], [], 1_024),
    ],
)
def test_the_longest_answer(trained, test, longest):
    lengths = np.array(trained, np.int64), np.array(test, np.int64)
    assert evaluation.longest_answer(*lengths) == longest
    assert evaluation.longest_answer(*lengths, 77) == 77


def test_the_items_answered_are_drawn_from_every_source():
    items = pd.DataFrame({"source": ["big"] * 90 + ["small"] * 10})
    drawn = evaluation.sample(items, 20)
    assert drawn == sorted(set(drawn))
    assert items["source"].iloc[drawn].value_counts().to_dict() == {"big": 18, "small": 2}
    assert drawn != list(range(20))
    assert drawn == evaluation.sample(items, 20)
    assert evaluation.sample(items, 100) == evaluation.sample(items, 10**6) == list(range(100))


def test_an_answer_is_cut_where_its_template_begins_the_next_question():
    tokenizer = tokenizers.train_tokenizer(["a b"], 300)
    assert generating.next_turn(renderer("plain", tokenizer)) == ("Q:",)
    assert generating.next_turn(renderer("alpaca", tokenizer)) == ("### Instruction:",)
    assert generating.next_turn(lambda turns, opened: 1 / 0) == ()


def test_all_that_a_verdict_stands_on_is_kept(finished, target, monkeypatch):
    dataset = finished.workspace.open(finished.dataset)
    gold = load_items(dataset, "holdout")["answer"]
    said = [f"#### {gold.iloc[0]}\nQ: more\n#### none"] + ["#### none of it"] * 19
    monkeypatch.setattr(
        evaluation,
        "generate",
        lambda *a, **k: [generating.Answered(text, "asked", i == 1) for i, text in enumerate(said)],
    )
    scores, kept, items, _ = evaluate(
        finished.workspace,
        *target,
        dataset,
        split="holdout",
        template="plain",
        max_length=64,
        trained=np.array([3]),
        how=settings.Tested(),
    )
    counts = {k: scores[k] for k in ("right", "right_as_is", "ran_on", "at_limit", "decoded")}
    assert counts == {"right": 1, "right_as_is": 0, "ran_on": 1, "at_limit": 1, "decoded": 20}
    assert items["right"].tolist() == [True] + [False] * 19
    assert (kept[0]["asked"], kept[0]["where"]) == ("asked", "after ####")
    assert kept[0]["extracted"] in str(gold.iloc[0])
    assert kept[0]["ran_on"]
