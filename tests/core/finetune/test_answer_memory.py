import types

import pytest
import torch

from core.finetune.answer_memory import at_once, bytes_a_token
from core.model import loading


def test_a_token_takes_what_the_model_keeps_of_it():
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    kept = model(torch.ones(1, 5, dtype=torch.long), use_cache=True).past_key_values
    numbers = sum(layer.keys.numel() + layer.values.numel() for layer in kept.layers)
    assert bytes_a_token(model) == numbers / 5 * model.dtype.itemsize


def odd(**config):
    """A model whose configuration has this alone."""
    held = types.SimpleNamespace(**config)
    held.get_text_config = lambda: held
    return types.SimpleNamespace(config=held, dtype=torch.float32)


@pytest.mark.parametrize(
    ("config", "numbers"),
    [
        ({}, 0),
        ({"num_hidden_layers": 2}, 0),
        ({"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": None}, 16),
        ({"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 4}, 16),
        # a list has a number for each layer
        ({"num_hidden_layers": 2, "head_dim": 3, "num_key_value_heads": [1, 4]}, 24),
    ],
)
def test_an_odd_shape_stops_no_answers(config, numbers):
    model = odd(**config)
    assert bytes_a_token(model) == 2 * numbers * 4
    assert at_once(model, 64, 10) == 64
