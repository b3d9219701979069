"""Measures of free text, on answers whose scores are known by hand."""

import math

import pytest

from core.errors import InputError
from core.evaluations.free_text import bert_scores, bleu, is_free, rouge_l


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence():
    # 3 of 4 words of the answer and 3 of 6 of the reference are in common, in order
    [same, part, none, empty, other] = rouge_l(
        [
            ("the heart is normal", "the heart is normal"),
            ("the heart looks normal", "the heart size is quite normal"),
            ("nothing", "the heart"),
            ("", "the heart"),
            ("心脏正常", "心脏正常"),
        ]
    )
    assert (same, none, empty) == (1.0, 0.0, 0.0)
    assert part == pytest.approx(2 * (3 / 4) * (3 / 6) / (3 / 4 + 3 / 6))
    assert math.isnan(other), "words that are not Latin are not read, and that is no 0"


def test_bleu_is_of_all_answers_at_once():
    assert bleu(["a b c d e"], ["a b c d e"]) == pytest.approx(100)
    assert bleu(["x y z u v"], ["a b c d e"]) < 20


@pytest.mark.parametrize(
    ("gold", "matcher", "measure", "free"),
    [
        ("one word", "text", "text", True),
        ("a b c d e f g h i j", "text", "", True),
        ("a b c d e f g h i", "text", "", False),
        ("a b c d e f g h i j", "reasoning-gym", "", False),
        ("a b c d e f g h i j", "likelihood", "choice", False),
    ],
)
def test_which_answers_are_free_text(gold, matcher, measure, free):
    assert is_free(gold, matcher, measure) == free


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "heart", "lung", "is", "normal", "large"]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    ).save_pretrained(place)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"vocab_size": len(words), "intermediate_size": 16}
    BertModel(BertConfig(**sizes)).save_pretrained(place)
    return str(place)


def test_bert_score_of_a_local_encoder(encoder):
    same, other, empty = bert_scores(
        ["heart is normal", "lung is large", ""], ["heart is normal"] * 3, encoder
    )
    assert same == pytest.approx(1, abs=1e-5)
    assert 0 < other < same
    assert empty == 0


def test_an_encoder_that_is_not_here_is_named(tmp_path):
    with pytest.raises(InputError, match="is no folder; BERTScore takes a local encoder"):
        bert_scores(["a"], ["a"], "bert-base-uncased")
    with pytest.raises(InputError, match="cannot be loaded"):
        bert_scores(["a"], ["a"], str(tmp_path))
