"""Tiny random models of many architectures: exact as proxy and as target, or refused by name."""

import pathlib

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from core.model import adapters, architectures, loading
from core.model.scoring import score
from core.model.tokens import Tokens
from core.training.loop import fit
from core.training.recipe import Recipe
from tests.core.model.test_scoring import plain

COMMON = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2}
STATE = {"state_size": 8, "expand": 2, "conv_kernel": 3}
OWN = {
    "Llama": {"tie_word_embeddings": False, **GROUPED},
    "Llama, tied embeddings": {"tie_word_embeddings": True, **GROUPED},
    "Mistral, sliding window": {"sliding_window": 4, **GROUPED},
    "Mixtral": {**EXPERTS, **GROUPED},
    "Qwen2": {"num_key_value_heads": 2},
    "Qwen2-MoE": {
        "num_key_value_heads": 2,
        **EXPERTS,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
    "Gemma": GROUPED,
    "Gemma 2": {**GROUPED, "sliding_window": 4, "final_logit_softcapping": 0.5},
    "Gemma 3, text": {**GROUPED, "sliding_window": 4},
    "Qwen3": GROUPED,
    "GPT-2": GPT,
    "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "BLOOM": {"n_layer": 2, "n_head": 4},
    "Cohere": {"logit_scale": 0.0625},
    "Granite": {"logits_scaling": 8.0, "residual_multiplier": 0.5},
    "Mamba": {**STATE, "time_step_rank": 4},
    "Mamba 2": {**STATE, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 8},
    "RWKV": {"attention_hidden_size": 32, "context_length": 64},
    "XLNet": {
        "max_position_embeddings": None,
        "d_model": 32,
        "n_layer": 2,
        "n_head": 4,
        "d_inner": 48,
    },
    "T5": {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_ff": 48, "d_kv": 8},
    "BART": {
        "d_model": 32,
        **{
            f"{side}_{what}": n
            for side in ("encoder", "decoder")
            for what, n in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 48))
        },
    },
}
TAKEN = [row for row in architectures.TRIED if not row.refused]
REFUSED = [row for row in architectures.TRIED if row.refused]
ROWS = np.arange(5)
RECIPE = Recipe(steps=2, batch_size=3, lr=1e-3, seed=0)


@pytest.fixture(scope="module")
def data():
    """Five rows of 6 to 20 tokens, the last two thirds of each trained."""
    rng = np.random.default_rng(0)
    lengths = np.array([6, 20, 9, 14, 20])
    ids = rng.integers(3, 96, lengths.sum()).astype(np.uint32)
    spans = np.stack([lengths // 3, lengths], 1)
    return Tokens(ids, np.cumsum([0, *lengths]), spans, np.arange(6), 64)


def save(row, folder: pathlib.Path) -> str:
    torch.manual_seed(0)
    shape = {**COMMON, **OWN.get(row.title, {})}
    config = AutoConfig.for_model(row.kind, **{k: v for k, v in shape.items() if v is not None})
    kind = AutoModel if row.refused == "encoder and decoder" else AutoModelForCausalLM
    model = kind.from_config(config)
    with torch.no_grad():  # louder than a fresh model, as a trained one is
        for name, p in model.named_parameters():
            if p.dim() > 1 and "time" not in name:
                p.mul_(3)
    model.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("row", TAKEN, ids=lambda row: row.title)
def test_it_is_exact(row, data, tmp_path):
    """Recorded as a plain loop over single rows finds it; reloaded, it gives what it gave."""
    saved = save(row, tmp_path / "model")
    model = loading.load_weights(saved)
    before = score(model, data, ROWS).losses
    np.testing.assert_allclose(before, plain(model, data, ROWS), atol=2e-6)
    fit(model, data, ROWS, RECIPE, tmp_path, stage="train")
    model.save_pretrained(tmp_path / "trained")
    after = score(model, data, ROWS).losses
    assert np.abs(after - before).max() > 1e-4
    again = loading.load_weights(str(tmp_path / "trained"))
    np.testing.assert_allclose(plain(again, data, ROWS), after, atol=2e-6)
    np.testing.assert_allclose(score(again, data, ROWS).losses, after, atol=1e-6)


@pytest.mark.parametrize("row", TAKEN, ids=lambda row: row.title)
def test_a_lora_adapter_on_it_is_exact(row, data, tmp_path):
    from peft import PeftModel

    saved = save(row, tmp_path / "model")
    model = adapters.with_adapter(loading.load_weights(saved), 0, targets=row.lora)
    before = score(model, data, ROWS).losses
    fit(model, data, ROWS, RECIPE, tmp_path, stage="train")
    model.save_pretrained(tmp_path / "adapter")
    after = score(model, data, ROWS).losses
    assert np.abs(after - before).max() > 1e-6
    again = PeftModel.from_pretrained(loading.load_weights(saved), str(tmp_path / "adapter"))
    np.testing.assert_allclose(plain(again, data, ROWS), after, atol=2e-6)
    np.testing.assert_allclose(score(again, data, ROWS).losses, after, atol=1e-6)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.title)
def test_it_is_refused_by_name_before_any_step(row, tmp_path):
    words = {
        "encoder and decoder": rf"is a {row.kind} model, an encoder with a decoder",
        "sees what follows": rf"(?i:{row.kind}\w+) looks at the tokens that follow",
    }[row.refused]
    with pytest.raises(ValueError, match=words) as raised:
        loading.load_weights(save(row, tmp_path))
    assert str(raised.value).count(". ") == 0


def test_the_page_of_the_docs_is_this_table():
    page = pathlib.Path(architectures.__file__).parents[2] / "docs" / "models.md"
    assert architectures.as_markdown() in page.read_text(encoding="utf-8")
    assert len(architectures.TRIED) >= 24
