import json

import pytest
import torch
from peft import PeftModel
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core.model import adapters, loading


@pytest.fixture
def model():
    return loading.load("scratch:tiny", seed=0, texts=["a b c"])[0]


def adapted(model):
    return {
        n.rsplit(".lora_A", 1)[0].split("layers.")[-1]
        for n, _ in model.named_parameters()
        if "lora_A" in n
    }


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        (
            "all-linear",
            "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj "
            "mlp.gate_proj mlp.up_proj mlp.down_proj",
        ),
        ("attention", "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj"),
        ("q_proj, mlp.up_proj", "self_attn.q_proj mlp.up_proj"),
    ],
)
def test_the_layers_asked_for_get_an_adapter(model, targets, layers):
    made = adapters.with_adapter(model, 0, targets=targets)
    assert adapted(made) == {f"{i}.{name}" for i in range(2) for name in layers.split()}


def test_attention_of_a_model_whose_names_repeat():
    """GPT-2 calls a layer of its attention and one of its network c_proj."""
    model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2))
    made = adapters.with_adapter(model, 0, targets="attention")
    names = {
        n.split(".h.0.")[1].split(".lora")[0] for n, _ in made.named_parameters() if "lora_A" in n
    }
    assert names == {"attn.c_attn", "attn.c_proj"}


def test_rank_alpha_dropout_and_rslora_are_the_adapters(model):
    made = adapters.with_adapter(
        model, 0, rank=4, alpha=8, dropout=0.25, targets="q_proj", rslora=True
    )
    layer = made.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.lora_A["default"].weight.shape[0] == 4
    assert layer.scaling["default"] == 8 / 4**0.5
    assert layer.lora_dropout["default"].p == 0.25


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (
            "q_prej",
            r"no linear layer 'q_prej' for --lora-targets; it has down_proj, gate_proj, k_proj",
        ),
        (",", "all-linear, attention, or names"),
    ],
)
def test_layers_that_are_not_there_are_refused(model, targets, words):
    with pytest.raises(ValueError, match=words):
        adapters.with_adapter(model, 0, targets=targets)


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "falcon_mamba"])
def test_mamba_is_refused_in_our_words_before_its_weights_are_read(tmp_path, kind):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    for targets in ("all-linear", "attention", "in_proj,out_proj", "mixer.x_proj"):
        with pytest.raises(
            ValueError, match=f"is a {kind} model.*--lora-targets in_proj, or --method full"
        ):
            adapters.check_targets(str(tmp_path), targets)
    adapters.check_targets(str(tmp_path), "in_proj")
    adapters.check_targets("scratch:tiny", "all-linear")


@pytest.mark.parametrize(
    ("where", "frozen", "precision", "kind"),
    [
        ("cuda", True, "auto", torch.bfloat16),
        ("cuda", True, "fp32", torch.float32),
        ("cuda", False, "bf16", torch.float32),
        ("cpu", True, "bf16", torch.float32),
    ],
)
def test_what_stays_as_it_is_loads_in_the_precision_of_a_gpus_run(
    model, tmp_path, monkeypatch, where, frozen, precision, kind
):
    model.save_pretrained(tmp_path)
    monkeypatch.setattr(loading, "device", lambda: where)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    found = loading.load_weights(str(tmp_path), frozen=frozen, precision=precision)
    assert {p.dtype for p in found.parameters()} == {kind}
    made = adapters.with_adapter(found, 0)
    assert {p.dtype for p in made.parameters() if p.requires_grad} == {torch.float32}


@pytest.mark.parametrize("tied", [False, True])
def test_embeddings_that_train_beside_an_adapter_are_saved_and_merged_with_it(tied, tmp_path):
    shape = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48}
    how = {"num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": tied}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**shape, **how)).save_pretrained(tmp_path / "base")
    base = loading.load_weights(str(tmp_path / "base"))
    model = adapters.with_adapter(base, 0, rank=2, embeddings=True)
    ids = torch.arange(20)[None]
    for name, p in model.named_parameters():
        if p.requires_grad:
            p.data += 0.01 * torch.randn(
                p.shape, generator=torch.Generator().manual_seed(len(name))
            )
    expected = model.eval()(input_ids=ids).logits
    model.save_pretrained(tmp_path / "adapter")
    again = loading.load_weights(str(tmp_path / "base"))
    loaded = PeftModel.from_pretrained(again, str(tmp_path / "adapter")).eval()
    torch.testing.assert_close(loaded(input_ids=ids).logits, expected)
    merged = loaded.merge_and_unload()
    torch.testing.assert_close(merged(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-4)
    assert (merged.lm_head.weight is merged.model.embed_tokens.weight) == tied
