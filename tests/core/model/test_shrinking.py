import json
import random

import numpy as np
import pytest
import torch

from core import trajectories
from core.model import loading, tokenizers
from core.model.scoring import score
from core.model.shrinking import needed, trim
from core.model.tokens import in_memory, tokenize
from core.trajectories import artifact
from tests.conftest import TRAIN

pytestmark = pytest.mark.usefixtures("quick")

RNG = random.Random(0)
SYLLABLES = [c + v for c in "bdfgklmnprst" for v in "aeiou"]
WORDS = ["".join(RNG.choices(SYLLABLES, k=3)) for _ in range(200)]
WIDE = [" ".join(RNG.choices(WORDS, k=20)) for _ in range(400)]
FEW = [" ".join(WORDS[:4]), " ".join(WORDS[2:8]) + ", 12"]
ODD = "Zürich 東京 \U0001f600 antidisestablishmentarianism\n"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model directory whose vocabulary is larger than FEW need; three layers."""
    folder = tmp_path_factory.mktemp("model")
    model, tokenizer = loading.load("scratch:small", seed=0, texts=WIDE)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def split(tokenizer, texts):
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


@pytest.fixture
def both(saved):
    whole = loading.load(f"shrink:{saved}:2", seed=0)
    return whole, loading.load(f"shrink:{saved}:2:trim", seed=0, texts=FEW)


def test_texts_it_was_cut_to_are_split_as_before(both):
    (_, before), (model, after) = both
    kept = needed(before, FEW)
    assert len(after) == len(kept) == model.config.vocab_size < len(before)
    for old, new in zip(split(before, FEW), split(after, FEW), strict=True):
        assert kept[new].tolist() == old
        assert after.convert_ids_to_tokens(new) == before.convert_ids_to_tokens(old)


def test_any_other_text_can_still_be_written(both):
    (_, before), (_, after) = both
    assert after.decode(split(after, [ODD])[0]) == ODD
    assert len(split(after, WIDE[-1:])[0]) > len(split(before, WIDE[-1:])[0])
    assert after.eos_token == before.eos_token
    assert after.chat_template == before.chat_template


def test_parameters_fall_by_the_rows_that_went_and_the_rest_stays(both):
    (whole, before), (small, after) = both
    gone = len(before) - len(after)
    assert loading.size(whole) - loading.size(small) == gone * whole.config.hidden_size
    kept = needed(before, FEW)
    table = whole.get_input_embeddings().weight[torch.from_numpy(kept)]
    assert torch.equal(small.get_input_embeddings().weight, table)
    assert small.get_output_embeddings().weight is small.get_input_embeddings().weight
    assert small.config.eos_token_id == after.eos_token_id
    assert small.config.pad_token_id == after.pad_token_id


def test_logits_stay_and_losses_lack_only_the_missing_vocabulary(both):
    """log softmax over the kept entries of the whole model's logits is the trimmed model's."""
    (whole, before), (small, after) = both
    kept = torch.from_numpy(needed(before, FEW))
    old, new = (torch.tensor(split(t, FEW[:1])) for t in (before, after))
    with torch.no_grad():
        a, b = whole(old).logits[..., kept], small(new).logits
    torch.testing.assert_close(a, b)
    chat = [[{"role": "user", "content": WORDS[5]}, {"role": "assistant", "content": FEW[0]}]]
    render = lambda messages, opened: "\n".join(m["content"] for m in messages)  # noqa: E731
    losses = [
        score(m, in_memory(t, render, chat, "test"), np.array([0])).losses[0]
        for m, t in ((whole, before), (small, after))
    ]
    assert losses[1] < losses[0]


def test_separate_output_rows_and_a_bias_are_cut_as_well(saved):
    from transformers import AutoTokenizer, PhiConfig, PhiForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(saved)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    padded = len(tokenizer) + 11  # rows beyond the tokenizer, as many models have
    model = PhiForCausalLM(PhiConfig(vocab_size=padded, intermediate_size=32, **shape)).eval()
    torch.nn.init.normal_(model.lm_head.bias)
    kept = torch.from_numpy(needed(tokenizer, FEW))
    with torch.no_grad():
        before = model(torch.tensor(split(tokenizer, FEW[:1]))).logits[..., kept]
        after = trim(model, tokenizer, FEW)
        torch.testing.assert_close(model(torch.tensor(split(after, FEW[:1]))).logits, before)


def test_a_token_that_wraps_texts_keeps_its_place(saved, tmp_path):
    """As Llama's begin-of-text, which the tokenizer itself adds."""
    tokenizer = tokenizers.load_tokenizer(str(saved))
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer.json"
    state = json.loads(file.read_text())
    new = len(tokenizer)
    state["added_tokens"].append({**state["added_tokens"][0], "id": new, "content": "<|begin|>"})
    state["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|begin|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [new], "tokens": ["<|begin|>"]}},
    }
    file.write_text(json.dumps(state))
    before = tokenizers.load_tokenizer(str(tmp_path))
    assert before(WORDS[0])["input_ids"][0] == new
    model, _ = loading.load(str(saved), seed=0)
    model.resize_token_embeddings(len(before), mean_resizing=False)
    after = trim(model, before, FEW)
    first = after(WORDS[0])["input_ids"][0]
    assert after.convert_ids_to_tokens(first) == "<|begin|>"
    assert first == len(after) - 1 < new


def test_only_byte_pair_encodings_are_cut(saved):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"<unk>": 0, "the": 1}, unk_token="<unk>"))
    with pytest.raises(ValueError, match=r"tokenizer is WordLevel, and only .* leave :trim away"):
        needed(PreTrainedTokenizerFast(tokenizer_object=words), ["the"])


def test_a_trimmed_proxy_trains_and_its_directory_loads_again(finished, saved):
    """Its texts are split as the whole model's tokenizer splits them, template included."""
    workspace = finished.workspace
    model = f"shrink:{saved}:2:trim"
    settings = trajectories.Settings(
        **{
            **TRAIN,
            "dataset": finished.dataset,
            "model": model,
            "epochs": 1.0,
            "template": "alpaca",
            "max_length": 256,
        }
    )
    made = workspace.open(trajectories.run(workspace, settings))
    proxy, tokenizer = loading.load(str(made.path / "proxy"), seed=0)
    assert made.summary["parameters"] == loading.size(proxy)
    assert proxy.config.vocab_size == len(tokenizer)
    dataset = workspace.open(finished.dataset)
    whole = tokenizers.load_tokenizer(str(saved))
    one, two = (tokenize(workspace, dataset, t, "alpaca") for t in (whole, tokenizer))
    pool = artifact.load_flags(made)["flag"] != "holdout"
    assert len(tokenizer) < len(whole)
    np.testing.assert_array_equal(one.full_lengths()[pool], two.full_lengths()[pool])
    np.testing.assert_array_equal(one.response_lengths()[pool], two.response_lengths()[pool])
    row = int(np.flatnonzero(pool)[0])
    names = [t.convert_ids_to_tokens(d.row(row)[0]) for t, d in ((whole, one), (tokenizer, two))]
    assert names[0] == names[1]
