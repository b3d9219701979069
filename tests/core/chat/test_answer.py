"""Answers: streamed whole, the same for the same seed, by the right weights."""

import pytest

from core import chat
from core.chat.answer import answer
from core.chat.settings import Sampling
from core.errors import InputError
from core.finetune.generate import generate
from core.finetune.trained import load_trained
from core.model.templates import renderer

TALK = [{"role": "user", "content": "Sum of 1 and 2?"}]


def test_pieces_are_the_answer_and_greedy_is_what_the_test_of_a_finetune_says(runs):
    model, tokenizer = load_trained(runs.whole)
    heard = []
    said = answer(model, tokenizer, "plain", TALK, Sampling(tokens=12), hear=heard.append)
    render = renderer("plain", tokenizer)
    (tested,) = generate(model, tokenizer, render, [TALK], max_length=64, max_new=12)
    assert tested.text.startswith(said.text)
    assert "".join(heard).startswith(said.text)
    assert said.tokens <= 12


def test_a_seed_is_an_answer(runs):
    model, tokenizer = load_trained(runs.whole)

    def said(seed):
        hot = Sampling(temperature=1.5, tokens=12, seed=seed)
        return answer(model, tokenizer, "plain", TALK, hot).text

    assert said(1) == said(1)
    assert len({said(seed) for seed in range(4)}) > 1


def test_it_stops_when_told_and_before_the_next_turn(runs, monkeypatch):
    model, tokenizer = load_trained(runs.whole)
    long = Sampling(tokens=200, temperature=1.0)
    heard = []
    said = answer(
        model,
        tokenizer,
        "plain",
        TALK,
        long,
        hear=heard.append,
        stopped=lambda: len(heard) > 2,
    )
    assert said.tokens < 200
    whole = answer(model, tokenizer, "plain", TALK, Sampling(tokens=40)).text
    mark = whole.split()[-1]
    monkeypatch.setattr("core.chat.answer.next_turn", lambda render: (mark,))
    cut = answer(model, tokenizer, "plain", TALK, Sampling(tokens=40))
    assert cut.ended == "next turn"
    assert mark not in cut.text
    assert whole.startswith(cut.text)


def test_a_long_prompt_loses_its_beginning_and_says_so(runs):
    model, tokenizer = load_trained(runs.whole)
    long = [{"role": "user", "content": "word " * 5_000}]
    said = answer(model, tokenizer, "plain", long, Sampling(tokens=4))
    assert said.cut > 0


def test_the_command_asks_side_by_side(runs, spoken):
    asked = {"id": runs.one.id, "prompt": "Sum of 1 and 2?", "tokens": 6}
    out = chat.run(spoken.workspace, chat.Talk(**asked, others=f"base,{runs.two.id}"))
    assert [block.split(":\n")[0] for block in out.split("\n\n") if ":\n" in block] == [
        "adapter 0",
        "base: model",
        "adapter 1",
    ]
    for wrong, words in (("base,base", "different"), ("a,b,c,d", "1 to 4"), ("nobody", "nobody")):
        with pytest.raises(InputError, match=words):
            chat.run(spoken.workspace, chat.Talk(**asked, others=wrong))
