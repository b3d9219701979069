import json
import random

import pytest
import torch

from core.model import loading, scratch, tokenizers

TEXTS = [f"Sum of {a} and {b}? {a + b}" for a in range(20) for b in range(3)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=TEXTS)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_scratch_model_depends_on_seed_and_texts_only():
    mixed = random.Random(1).sample(TEXTS, len(TEXTS))
    one, first = loading.load("scratch:tiny", seed=3, texts=TEXTS)
    same, second = loading.load("scratch:tiny", seed=3, texts=mixed)
    other, _ = loading.load("scratch:tiny", seed=4, texts=TEXTS)
    assert first.get_vocab() == second.get_vocab()
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert first.decode(first("Q: 12\nA: é\x07 3")["input_ids"]) == "Q: 12\nA: é\x07 3"


def test_a_local_directory_gives_the_same_model(saved):
    model, _ = loading.load(str(saved), seed=0)
    assert torch.equal(
        weights(model), weights(loading.load("scratch:tiny", seed=0, texts=TEXTS)[0])
    )
    assert loading.positions(model) == tokenizers.POSITIONS
    assert loading.size(model) == sum(p.numel() for p in model.parameters())


def test_shrink_keeps_evenly_spaced_blocks(tmp_path, monkeypatch):
    monkeypatch.setitem(scratch.SCRATCH, "tiny", {**scratch.SCRATCH["tiny"], "layers": 4})
    for part in loading.load("scratch:tiny", seed=0, texts=TEXTS):
        part.save_pretrained(tmp_path)
    whole, _ = loading.load(str(tmp_path), seed=0)
    small, _ = loading.load(f"shrink:{tmp_path}:2", seed=0)
    assert small.config.num_hidden_layers == 2
    first, last = whole.model.layers[0], whole.model.layers[3]
    assert torch.equal(small.model.layers[0].mlp.up_proj.weight, first.mlp.up_proj.weight)
    assert torch.equal(small.model.layers[1].mlp.up_proj.weight, last.mlp.up_proj.weight)
    ids = torch.tensor([[5, 6, 7]])
    assert small.generate(ids, max_new_tokens=3, do_sample=False).shape == (1, 6)
    with pytest.raises(ValueError, match="has 4 layers; it cannot be shrunk to 5"):
        loading.load(f"shrink:{tmp_path}:5", seed=0)


def test_a_shrunk_scratch_model_has_a_tokenizer_of_the_data():
    assert loading.is_scratch("shrink:scratch:tiny:2")
    _, tokenizer = loading.load("shrink:scratch:tiny:1", seed=0, texts=TEXTS)
    assert len(tokenizer) > 262, "more than the bytes"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("scratch:huge", "from scratch there are tiny, small"),
        ("scratch:", "from scratch there are"),
        ("shrink:gpt2", "should read shrink:<model>:<layers>"),
        ("shrink:gpt2:0", "should read shrink:<model>:<layers>"),
        ("shrink:gpt2:trim", "should read shrink:<model>:<layers>"),
        ("shrink:scratch:tiny:1:trim", "a scratch vocabulary is the data's own"),
        ("/nowhere/model", "no model directory /nowhere/model"),
        ("./nowhere", "no model directory"),
    ],
)
def test_what_is_no_model_is_refused(spec, words):
    with pytest.raises(ValueError, match=words):
        loading.load(spec, seed=0)


def test_an_unknown_hub_model_is_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match=r"no model 'nobody/nothing-here': .*scratch:small"):
        loading.load("nobody/nothing-here", seed=0)


def copy(saved, tmp_path, *names):
    for name in names:
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return str(tmp_path)


def test_a_directory_without_tokenizer_is_a_sentence(saved, tmp_path):
    folder = copy(saved, tmp_path, "config.json", "model.safetensors")
    with pytest.raises(ValueError, match="has no tokenizer"):
        loading.load(folder, seed=0)


TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def test_a_broken_directory_is_a_sentence(saved, tmp_path):
    folder = copy(saved, tmp_path, *TOKENIZER)
    with pytest.raises(ValueError, match=r"the model in .* cannot be read"):
        loading.load(folder, seed=0)
    copy(saved, tmp_path, "config.json")
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:999])
    with pytest.raises(ValueError, match=r"the model in .* cannot be read"):
        loading.load(folder, seed=0)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"the tokenizer in .* cannot be read"):
        loading.load(folder, seed=0)


def test_pickled_weights_are_not_read(saved, tmp_path):
    folder = copy(saved, tmp_path, *TOKENIZER, "config.json")
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no weights but pickled ones .*; save or download"):
        loading.load(folder, seed=0)


def test_remote_code_is_never_run(saved, tmp_path):
    folder = copy(saved, tmp_path, *TOKENIZER)
    config = json.loads((saved / "config.json").read_text())
    config |= {"model_type": "odd", "auto_map": {"AutoConfig": "evil.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match="cannot be read"):
        loading.load(folder, seed=0)
    assert not (tmp_path / "ran").exists()
