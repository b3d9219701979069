import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.model import loading


@pytest.fixture
def saved(tmp_path):
    """Save a tiny model; return a function that changes its weights on the disk."""

    def change(how=lambda weights: None, **config):
        model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
        if config.get("tie_word_embeddings") is False:
            model.config.tie_word_embeddings = False
            model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.save_pretrained(tmp_path)
        file = tmp_path / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
        weights = load_file(tmp_path / "model.safetensors")
        how(weights)
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
        return str(tmp_path)

    return change


def lose(part):
    def how(weights):
        for name in [n for n in weights if part in n]:
            del weights[name]

    return how


@pytest.mark.parametrize(
    ("part", "config", "words"),
    [
        (
            "layers.1.",
            {},
            r"9 weights are missing from .* \(model.layers.1.input_layernorm.weight, ",
        ),
        (
            "lm_head",
            {"tie_word_embeddings": False},
            r"1 weight is missing from .* \(lm_head.weight\)",
        ),
        ("embed_tokens", {}, "missing from"),
        ("model.norm", {}, r"1 weight is missing from .* \(model.norm.weight\)"),
    ],
)
def test_a_model_that_lost_weights_is_refused_by_their_names(saved, part, config, words):
    with pytest.raises(ValueError, match=words):
        loading.load_weights(saved(lose(part), **config))


def test_a_tied_model_lacks_nothing(saved, capsys):
    loading.load_weights(saved())
    assert "missing" not in capsys.readouterr().err


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_model_with_a_weight_that_is_no_number_is_refused(saved, bad):
    def how(weights):
        weights["model.layers.0.mlp.up_proj.weight"][0, 0] = bad

    words = r"itself has nan or infinite weights \(model.layers.0.mlp.up_proj.weight\)"
    with pytest.raises(ValueError, match=words):
        loading.load_weights(saved(how))


def test_weights_that_have_no_place_are_said(saved, capsys):
    loading.load_weights(saved(num_hidden_layers=1))
    said = capsys.readouterr().err
    assert "9 weights of" in said
    assert "have no place in LlamaForCausalLM" in said


def test_weights_of_another_shape_are_refused(saved):
    with pytest.raises(ValueError, match="shape"):
        loading.load_weights(saved(intermediate_size=64))
