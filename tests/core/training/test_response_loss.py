import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from core.model import loading, output_layer
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


def loss(model, ids, labels, items=None):
    items = int((labels != -100).sum()) if items is None else items
    return response_loss.loss(model, output_layer.output_layer(model), ids, labels, items)


def gradients(model, found):
    model.zero_grad()
    found.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def capped():
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 256}
    torch.manual_seed(0)
    return Gemma2ForCausalLM(Gemma2Config(**shape, **heads, final_logit_softcapping=0.1))


@pytest.mark.parametrize("at_once", [2**26, 3000, 1])
@pytest.mark.parametrize("caps", [False, True])
def test_the_same_loss_and_gradients_as_the_models_own(model, batch, at_once, caps, monkeypatch):
    model = capped() if caps else model
    ids, labels = batch
    expected = model(input_ids=ids, labels=labels).loss
    wanted = gradients(model, expected)
    monkeypatch.setattr(response_loss, "AT_ONCE", at_once)
    found = loss(model, ids, labels)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(gradients(model, found), wanted, atol=1e-6)


@pytest.mark.parametrize("at_once", [2**26, 3000])
def test_the_rows_have_their_own_losses_beside_the_same_sum(model, batch, at_once, monkeypatch):
    monkeypatch.setattr(response_loss, "AT_ONCE", at_once)
    ids, labels = batch
    out = output_layer.output_layer(model)
    total, rows = response_loss.loss_and_rows(model, out, ids, labels, 10)
    assert float(total) == pytest.approx(float(loss(model, ids, labels, 10)), rel=1e-6)
    alone = [float(loss(model, ids[[i]], labels[[i]])) for i in range(5)]
    np.testing.assert_allclose(rows[:5].detach(), alone, rtol=1e-5)
    assert torch.isnan(rows[5]), "it has no response token"


def test_items_divide_the_sum(model, batch):
    n = int((batch[1] != -100).sum())
    one, two = (float(loss(model, *batch, items)) for items in (n, 2 * n))
    assert two == pytest.approx(one / 2, rel=1e-6)


def test_a_batch_without_a_response_has_gradients_of_zero(model, batch):
    """A process that has no row in a step still takes part in it."""
    found = loss(model, batch[0][-1:], batch[1][-1:], 7)
    assert float(found) == 0
    assert gradients(model, found).abs().max() == 0
