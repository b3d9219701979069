import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from core.model import loading
from core.training import response_loss


@pytest.fixture
def model():
    return loading.load("scratch:tiny", seed=0, texts=["a b c"])[0]


@pytest.fixture
def batch():
    """Six rows of up to 20 tokens; the last has no response token."""
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(0, 200, (6, 20)))
    labels = ids.clone()
    for row, (first, end) in enumerate([(3, 9), (1, 20), (10, 14), (19, 20), (5, 8), (20, 20)]):
        labels[row, :first] = labels[row, end:] = -100
    return ids, labels


def gradients(model, found):
    model.zero_grad()
    found.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("at_once", [2**26, 3000, 1])
def test_the_same_loss_and_gradients_as_the_models_own(model, batch, at_once, monkeypatch):
    ids, labels = batch
    expected = model(input_ids=ids, labels=labels).loss
    wanted = gradients(model, expected)
    monkeypatch.setattr(response_loss, "AT_ONCE", at_once)
    found = response_loss.loss(model, ids, labels)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(gradients(model, found), wanted, atol=1e-6)


def test_items_divide_the_sum(model, batch):
    n = int((batch[1] != -100).sum())
    one, two = (float(response_loss.loss(model, *batch, items)) for items in (None, 2 * n))
    assert two == pytest.approx(one / 2, rel=1e-6)


def test_a_batch_without_a_response_has_gradients_of_zero(model, batch):
    """A process that has no row in a step still takes part in it."""
    found = response_loss.loss(model, batch[0][-1:], batch[1][-1:], 7)
    assert float(found) == 0
    assert gradients(model, found).abs().max() == 0


def test_the_forward_is_the_models_own_again_afterwards(model, batch):
    before = model(input_ids=batch[0]).logits
    with response_loss.response_loss_only(model):
        out = model(input_ids=batch[0], labels=batch[1], num_items_in_batch=4)
        assert list(out) == ["loss"]
    assert torch.equal(model(input_ids=batch[0]).logits, before)
    assert "forward" not in vars(model)


def test_a_model_that_caps_its_logits_keeps_its_own_loss(batch):
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 256}
    capped = Gemma2ForCausalLM(Gemma2Config(**shape, **heads))
    with response_loss.response_loss_only(capped):
        out = capped(input_ids=batch[0], labels=batch[1])
    assert out.logits is not None
