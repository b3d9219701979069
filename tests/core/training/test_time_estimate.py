import numpy as np
import pytest
import torch

from core.model import loading, tokens
from core.training import loop, micro_batches, time_estimate
from core.training.recipe import Recipe
from core.training.time_estimate import measure

pytestmark = pytest.mark.usefixtures("quick")


def test_the_micro_run_gives_a_range_and_changes_nothing(finished):
    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    dataset = finished.workspace.open(finished.dataset)
    data = tokens.tokenize(finished.workspace, dataset, tokenizer, "plain", 64)
    before = [p.clone() for p in model.parameters()]
    recipe = Recipe(steps=100, batch_size=8, lr=1e-3, seed=0)
    rates = measure(model, data, np.arange(50), recipe, seconds=1.0)
    assert 0 < rates.train[0] <= rates.train[1]
    assert 0 < rates.score[0] <= rates.score[1]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    now = time_estimate.estimate(rates, model, data, np.arange(50), recipe, checkpoints=5)
    assert 0 < now.low <= now.high
    assert 0 < now.recording < now.high
    assert now.memory > 10**8
    assert now.disk > 4 * loading.size(model)
    keep = {"checkpoints": 500, "keep": True}  # of which a run of 100 steps has 101
    more = time_estimate.estimate(rates, model, data, np.arange(50), recipe, **keep)
    assert more.kept == 101 * 4 * loading.size(model)
    assert "MiB of it for the checkpoints kept" in str(more)
    assert "kept" not in str(now)


def test_the_micro_run_begins_with_the_largest_batch(finished, monkeypatch):
    """So that the memory it reports, and runs out of, is that of the run."""
    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    dataset = finished.workspace.open(finished.dataset)
    data = tokens.tokenize(finished.workspace, dataset, tokenizer, "plain", 256)
    recipe = Recipe(steps=40, batch_size=8, lr=1e-3, seed=0)
    rows = np.flatnonzero(data.response_lengths() > 0)
    sizes = []

    def pad(tokens, batch, pad_id):
        ids, mask = tokens_pad(tokens, batch, pad_id)
        sizes.append(ids.size)
        return ids, mask

    tokens_pad = tokens.pad
    monkeypatch.setattr(micro_batches, "pad", pad)
    measure(model, data, rows, recipe, seconds=10.0)
    steps = loop.schedule(data.lengths(), rows, recipe)
    assert sizes[0] == max(len(s) * data.lengths()[s].max() for s in steps)
    assert len(sizes) >= 3
