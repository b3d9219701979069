"""Tokenizers that lack something work, or are refused in a sentence."""

import json
import socket

import numpy as np
import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from core import clusters, finetune, selection, trajectories
from core.errors import InputError
from core.model import loading, tokenizers
from core.trajectories.artifact import load_flags, load_losses
from tests.conftest import TRAIN, TUNE
from tests.core.conftest import write_bare

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("special", [{}, {"eos_token": "<|end|>"}])
def test_a_model_without_padding_or_end_token_is_trained_recorded_and_answers(
    finished, tmp_path, special
):
    folder = write_bare(tmp_path / "bare", ["Sum of 1 and 2?", "Repeat: blue"] * 40, **special)
    tokenizer = tokenizers.load_tokenizer(str(folder))
    assert tokenizer.pad_token == tokenizer.eos_token == special.get("eos_token")
    settings = {**TRAIN, "dataset": finished.dataset, "model": str(folder), "epochs": 1.0}
    settings |= {"template": "plain", "batch_size": 32}
    made = finished.workspace.open(
        trajectories.run(finished.workspace, trajectories.Settings(**settings))
    )
    measured = load_flags(made)["flag"] == ""
    assert measured.sum() > 130
    assert np.isfinite(load_losses(made)[measured]).all()
    groups = clusters.run(
        finished.workspace, clusters.Settings(trajectories=made.id, k=3, map=False)
    )
    chosen = selection.run(finished.workspace, selection.Settings(parent=groups, budget="20"))
    target = {**TUNE, "selection": chosen, "model": str(folder), "template": "plain"}
    tuned = finished.workspace.open(finetune.run(finished.workspace, finetune.Settings(**target)))
    assert tuned.summary["decoded"] == 8


def test_a_tokenizer_of_another_model_is_refused_in_a_sentence(finished, tmp_path):
    folder = write_bare(tmp_path / "mixed", ["Sum of 1 and 2?"] * 40)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).save_pretrained(folder)
    settings = {**TRAIN, "dataset": finished.dataset, "model": str(folder), "template": "plain"}
    with pytest.raises(ValueError, match=r"gives token 2\d\d, but the model knows only 50"):
        trajectories.run(finished.workspace, trajectories.Settings(**settings))
    target = {**TUNE, "selection": finished.selection, "model": str(folder), "template": "plain"}
    with pytest.raises(ValueError, match="but the model knows only 50"):
        finetune.run(finished.workspace, finetune.Settings(**target))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"num_hidden_layers": 10**9}, "1,000,000,000 layers, more than any model has"),
        ({"text_config": {"n_layer": 5000}}, "5,000 layers"),
        ({"num_hidden_layers": 61, "n_routed_experts": 10**6}, "61 layers with 1,000,000 experts"),
    ],
)
def test_a_model_said_to_have_more_layers_than_any_is_refused_at_once(tmp_path, config, words):
    """The library makes each of them before it looks at the weights."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    with pytest.raises(InputError, match=words):
        loading.load_weights(str(tmp_path))


def test_models_of_many_experts_are_not_refused(tmp_path):
    config = {"num_hidden_layers": 61, "n_routed_experts": 384, "max_window_layers": 28}
    config |= {"num_experts_per_tok": 8, "shared_expert_intermediate_size": 5632}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert tokenizers.named(str(tmp_path)) == tmp_path


def test_a_tokenizer_of_half_a_gigabyte_is_not_read(tmp_path):
    with (tmp_path / "tokenizer.json").open("wb") as f:
        f.truncate(500_000_000)
    with pytest.raises(InputError, match="has 500 MB, which no model's has"):
        loading.load(str(tmp_path), seed=0)


def test_without_a_way_to_the_hub_a_name_is_not_tried_for_a_minute(monkeypatch):
    def nowhere(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    def waits(seconds):
        raise AssertionError(f"waits {seconds} s")

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", waits)
    with pytest.raises(InputError, match="the model hub cannot be reached from here"):
        tokenizers.load_tokenizer("nobody/nothing-here")
    with pytest.raises(InputError, match="the model hub cannot be reached from here"):
        loading.load_weights("nobody/nothing-here")


def test_a_proxy_may_know_the_way(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: 1 / 0)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert not tokenizers.out_of_reach()
