"""Texts with marks of who speaks become turns, without the marks of another model."""

import pytest

from core.dataset.transcripts import turns

LLAMA = "<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>"


@pytest.mark.parametrize(
    "text",
    [
        "<|begin_of_text|>" + LLAMA.format("user", "q") + LLAMA.format("assistant", "a"),
        "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n<eos>",
        "<s>[INST] q [/INST] a </s>",
        "<s> USER: q ASSISTANT: a</s>",
    ],
)
def test_what_begins_and_ends_a_text_is_no_turn(text):
    assert [(turn["role"], turn["content"]) for turn in turns(text)] == [
        ("user", "q"),
        ("assistant", "a"),
    ]


def test_marks_within_a_reply_are_its_text():
    said = turns("### Human: strike it\n### Assistant: a <s>b</s> c, then <|end|> x</s>")
    assert said[1]["content"] == "a <s>b</s> c, then <|end|> x"
