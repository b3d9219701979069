import random

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTJConfig,
    GPTJForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from core.model import loading, scoring, tokens
from core.model.output_layer import output_layer
from core.model.scoring import score


@pytest.fixture(scope="module")
def proxy(finished):
    return loading.load(str(finished.workspace.open(finished.trajectories).path / "proxy"), seed=0)


@pytest.fixture(scope="module")
def data(finished, proxy):
    dataset = finished.workspace.open(finished.dataset)
    return tokens.tokenize(finished.workspace, dataset, proxy[1], "plain", 64)


def plain(model, data, rows):
    """One example at a time, full logits, log-softmax in double precision."""
    out = []
    model.eval()
    for r in rows:
        ids, mask = data.row(int(r))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor(ids)[None]).logits[0].double()
        losses = -logits.log_softmax(-1)[np.arange(len(ids) - 1), ids[1:]].numpy()
        out.append(losses[mask[1:]].mean() if mask.any() else np.nan)
    return np.array(out)


def test_equal_to_a_plain_loop_over_examples(proxy, data):
    rows = np.random.default_rng(0).permutation(len(data))
    found = score(proxy[0], data, rows).losses
    expected = plain(proxy[0], data, rows)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.isnan(found).sum() == 1, "the row whose prompt fills the window"
    assert np.isnan(found[list(rows).index(158)])


@pytest.mark.parametrize("budget", [1, 100, 700, 10**6])
def test_any_batch_gives_the_same_values(proxy, data, budget, monkeypatch):
    rows = np.arange(0, len(data), 3)
    expected = score(proxy[0], data, rows, pool=True)
    monkeypatch.setitem(scoring.TILE, "cpu", (7, 100))
    seen = []
    found = score(proxy[0], data, rows, pool=True, token_budget=budget, report=seen.append)
    np.testing.assert_allclose(found.losses, expected.losses, atol=1e-5)
    np.testing.assert_allclose(found.pooled, expected.pooled, atol=2e-3)
    assert seen[-1] == len(rows)


def test_bf16_is_near_and_leaves_the_weights_alone(proxy, data):
    rows = np.arange(0, len(data), 3)
    before = [p.clone() for p in proxy[0].parameters()]
    expected = score(proxy[0], data, rows, pool=True, precision="fp32")
    found = score(proxy[0], data, rows, pool=True, precision="bf16")
    gap = np.abs(found.losses - expected.losses)
    assert 0 < np.nanmax(gap) < 0.05
    np.testing.assert_allclose(found.pooled, expected.pooled, atol=0.1)
    assert all(torch.equal(a, b) for a, b in zip(before, proxy[0].parameters(), strict=True))
    assert all(p.dtype == torch.float32 for p in proxy[0].parameters())


def test_auto_on_a_cpu_is_fp32(proxy, data):
    rows = np.arange(20)
    one, two = (score(proxy[0], data, rows, precision=p).losses for p in ("auto", "fp32"))
    np.testing.assert_array_equal(one, two)


def test_an_output_layer_with_a_bias(data):
    shape = {"vocab_size": 2048, "n_embd": 32, "n_layer": 1, "n_head": 2, "n_inner": 64}
    model = GPTJForCausalLM(GPTJConfig(**shape, rotary_dim=8))
    torch.nn.init.normal_(model.lm_head.bias)
    rows = np.arange(12)
    np.testing.assert_allclose(score(model, data, rows).losses, plain(model, data, rows), atol=1e-5)


@pytest.fixture
def memory_for(monkeypatch):
    """Let a batch of more than so many padded tokens run out of memory."""

    def limit(most):
        inner, seen = scoring._batch_losses, []

        def small(view, ids, mask):
            seen.append(ids.size)
            if ids.size > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return inner(view, ids, mask)

        monkeypatch.setattr(scoring, "_batch_losses", small)
        return seen

    return limit


def test_out_of_memory_halves_the_batches_and_goes_on(proxy, data, memory_for, capsys):
    rows = np.random.default_rng(0).permutation(len(data))
    expected = score(proxy[0], data, rows, pool=True)
    tried = memory_for(300)
    done = []
    found = score(proxy[0], data, rows, pool=True, token_budget=2048, report=done.append)
    np.testing.assert_allclose(found.losses, expected.losses, atol=1e-5)
    np.testing.assert_allclose(found.pooled, expected.pooled, atol=2e-3)
    assert sum(size > 300 for size in tried) == 3, "2,048, 1,024 and 512 were too much"
    assert done[-1] == len(rows)
    assert capsys.readouterr().err.count("going on with") == 3


def test_out_of_memory_for_a_single_row_says_what_to_do(proxy, data, memory_for):
    memory_for(10)
    with pytest.raises(ValueError, match=r"one row of 64 tokens; lower --max-length"):
        score(proxy[0], data, np.arange(len(data)))


def test_another_error_is_not_taken_for_a_want_of_memory(proxy, data, monkeypatch):
    def broken(*args):
        raise RuntimeError("a shape does not fit")

    monkeypatch.setattr(scoring, "_batch_losses", broken)
    with pytest.raises(RuntimeError, match="a shape"):
        score(proxy[0], data, np.arange(4))


def test_pooled_is_the_mean_hidden_state_of_the_row(proxy, data):
    found = score(proxy[0], data, np.array([5, 158]), pool=True).pooled
    for i, r in enumerate((5, 158)):
        ids, _ = data.row(r)
        with torch.no_grad():
            hidden = proxy[0].model(input_ids=torch.tensor(ids)[None]).last_hidden_state[0]
        np.testing.assert_allclose(found[i], hidden.mean(0), atol=5e-3)
    assert score(proxy[0], data, np.array([5])).pooled.shape == (1, 0)


def test_it_draws_no_random_number_and_leaves_every_mode_as_it_was(data):
    model = GPT2LMHeadModel(GPT2Config(vocab_size=2048, n_embd=32, n_layer=2, n_head=2))
    model.train()
    model.transformer.h[0].eval()
    before = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    modes = [m.training for m in model.modules()]
    grads = [p.requires_grad for p in model.parameters()]
    first = score(model, data, np.arange(20)).losses
    again = score(model, data, np.arange(20)).losses
    np.testing.assert_array_equal(first, again)
    assert random.getstate() == before[0]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), before[1], strict=True))
    assert torch.equal(torch.get_rng_state(), before[2])
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == grads
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("cap", [None, 0.05, 30.0])
def test_a_model_that_caps_its_logits_is_scored_as_it_speaks(data, cap):
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 2048}
    torch.manual_seed(0)
    model = Gemma2ForCausalLM(Gemma2Config(**shape, **heads, final_logit_softcapping=cap))
    rows = np.arange(4)
    np.testing.assert_allclose(score(model, data, rows).losses, plain(model, data, rows), atol=1e-5)
    assert output_layer(model).linear == (cap is None), "a cap that hides at small logits is found"


class Scaled(GPT2LMHeadModel):
    def forward(self, *args, **kwargs):
        out = super().forward(*args, **kwargs)
        out.logits = out.logits / 8
        return out


@pytest.mark.parametrize("whole", [scoring.WHOLE, 3])
def test_a_model_that_scales_its_logits_is_scored_as_it_speaks(data, whole, monkeypatch):
    monkeypatch.setattr(scoring, "WHOLE", whole)
    torch.manual_seed(0)
    model = Scaled(GPT2Config(vocab_size=2048, n_embd=32, n_layer=1, n_head=2))
    rows = np.arange(4)
    before = torch.get_rng_state()
    np.testing.assert_allclose(score(model, data, rows).losses, plain(model, data, rows), atol=1e-5)
    assert "forward" not in vars(model.transformer)
    assert torch.equal(torch.get_rng_state(), before)


class Backwards(GPT2LMHeadModel):
    def forward(self, input_ids, **kwargs):
        return super().forward(input_ids.flip(1), **kwargs)


class Apart(GPT2LMHeadModel):
    def forward(self, input_ids, **kwargs):
        out = super().forward(input_ids, **kwargs)
        out.logits = out.logits + self.transformer.wte(input_ids) @ self.lm_head.weight.T
        return out


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Backwards, "Backwards looks at the tokens that follow, so it is no causal"),
        (Apart, "logits of Apart do not follow from its last hidden states"),
    ],
)
def test_a_model_that_cannot_be_recorded_is_refused(data, kind, words):
    torch.manual_seed(0)
    model = kind(GPT2Config(vocab_size=2048, n_embd=32, n_layer=1, n_head=2))
    with pytest.raises(ValueError, match=words):
        score(model, data, np.arange(4))


def test_an_adapter_counts(proxy, data):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    base, _ = loading.load("scratch:tiny", seed=0, texts=["abc"])
    base.resize_token_embeddings(2048)
    lora = LoraConfig(target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    rows = np.arange(6)
    without = score(base, data, rows).losses
    adapted = get_peft_model(base, lora)
    found = score(adapted, data, rows).losses
    np.testing.assert_allclose(found, plain(adapted, data, rows), atol=1e-5)
    assert np.abs(found - without).max() > 1e-3


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation gives, in bytes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.bytes = max(self.bytes, out.numel() * out.element_size())
        return out


SMALL = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
SMALL |= {"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 8}


@pytest.mark.parametrize(
    ("config", "model", "n", "most"),
    [
        (LlamaConfig, LlamaForCausalLM, 2_048, 2**25),
        (Gemma2Config, Gemma2ForCausalLM, 600, 2**28),  # caps its logits: no tiles, but parts
    ],
)
def test_the_logits_of_a_large_vocabulary_are_never_held_at_once(config, model, n, most):
    """2,048 tokens of 128k entries are 1 GiB in fp32, and 3 GiB with a softmax and its copy."""
    vocabulary = 2**17
    made = model(config(vocab_size=vocabulary, max_position_embeddings=4_096, **SMALL)).eval()
    ids = np.arange(n, dtype=np.uint32) * 61 % vocabulary
    ends, spans = np.array([0, n]), np.array([[1, n]])
    rows = tokens.Tokens(ids, ends, spans, np.array([0, 1]), n)
    with Largest() as seen:
        [loss] = score(made, rows, np.array([0])).losses
    assert loss == pytest.approx(np.log(vocabulary), rel=0.02), "such a model knows nothing"
    assert seen.bytes <= most
