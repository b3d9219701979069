"""What goes through a model at once is found by trying, and the trial changes nothing."""

import dataclasses

import numpy as np
import pytest
import torch

from core.model import loading
from core.training import fit_budget, fit_memory
from core.training.fit_budget import SETTLED, settle
from core.training.fit_memory import Memory
from core.training.micro_batches import BUDGET, OutOfMemoryError
from core.training.recipe import Recipe
from tests.core.training.test_micro_batches import DATA, ROWS

RECIPE = Recipe(
    steps=5, batch_size=64, lr=1e-3, seed=0, precision="fp32", gradient_checkpointing="auto"
)
LONGEST = int(DATA.lengths().max())
BASE, TOKEN = 2.0**30, 2.0**21
"""Bytes of a made-up model, and of a token that goes through it."""


@pytest.fixture
def model():
    return loading.load("scratch:tiny", seed=0, texts=["a b c"])[0]


@pytest.fixture
def memory(monkeypatch):
    """Return a function that gives a machine so much memory; what is held follows the tokens."""
    tried = []

    def give(limit, again=0.25):
        on = []

        def trial(model, tokens, recipe, budget, checkpointing):
            on.append(checkpointing)
            return real(model, tokens, recipe, budget, checkpointing)

        def peak():
            return Memory(0.0, BASE + TOKEN * tried[-1][0] * (again if on[-1] else 1.0))

        real = fit_budget.trial
        monkeypatch.setattr(fit_budget, "trial", trial)
        monkeypatch.setattr(fit_memory, "peak", peak)
        monkeypatch.setattr(fit_budget, "allowed", lambda: limit)
        monkeypatch.setattr(fit_budget, "guess", lambda *args: 2 * limit)
        return tried

    one = fit_budget.MicroBatches._one

    def count(self, rows, items, cast):
        tried.append((len(rows) * int(self.lengths[rows].max()), len(rows)))
        return one(self, rows, items, cast)

    monkeypatch.setattr(fit_budget.MicroBatches, "_one", count)
    return give


def test_a_small_model_is_not_tried(model, monkeypatch):
    monkeypatch.setattr(fit_budget, "affordable", None)
    found = settle(model, DATA, ROWS, RECIPE)
    assert found.token_budget == BUDGET[loading.device()]
    assert found.gradient_checkpointing is False


def test_what_is_set_by_hand_stays(model, memory):
    tried = memory(0.0)
    by_hand = dataclasses.replace(RECIPE, micro_batch=4, gradient_checkpointing=True)
    assert settle(model, DATA, ROWS, by_hand) is by_hand
    assert not tried


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_as_many_of_the_longest_rows_as_the_memory_holds(model, memory, rows):
    tried = memory(BASE + TOKEN * LONGEST * (rows + 0.5))
    found = settle(model, DATA, ROWS, RECIPE)
    assert found.token_budget == LONGEST * rows
    assert found.gradient_checkpointing is False
    assert [n for _, n in tried] == [1, 1, 2]


def test_layers_are_computed_again_only_where_not_one_row_fits_otherwise(model, memory, capsys):
    memory(BASE + TOKEN * LONGEST * 0.6)
    found = settle(model, DATA, ROWS, RECIPE)
    assert found.gradient_checkpointing is True
    assert found.token_budget == LONGEST * 2  # 0.6 of a row is 2.4 rows at a quarter
    assert "layers computed again" in capsys.readouterr().err


def test_rows_that_do_not_fit_are_refused_with_what_to_do(model, memory):
    memory(BASE)
    with pytest.raises(OutOfMemoryError, match=r"a row of 39 tokens does not fit .*--max-length"):
        settle(model, DATA, ROWS, RECIPE)


def test_a_micro_batch_by_hand_that_does_not_fit_turns_checkpointing_on(model, memory):
    memory(BASE + TOKEN * LONGEST * 3.5)
    found = settle(model, DATA, ROWS, dataclasses.replace(RECIPE, micro_batch=8))
    assert found.gradient_checkpointing is True
    assert found.token_budget == 8 * LONGEST


def test_a_stopped_run_goes_on_in_the_same_parts(model, memory, tmp_path):
    memory(BASE + TOKEN * LONGEST * 3.5)
    first = settle(model, DATA, ROWS, RECIPE, tmp_path)
    assert (tmp_path / SETTLED).exists()
    memory(BASE + TOKEN * LONGEST * 1.5)
    assert settle(model, DATA, ROWS, RECIPE, tmp_path) == first


def test_a_trial_leaves_weights_mode_and_random_numbers_as_they_were(model):
    before = [p.clone() for p in model.parameters()]
    model.eval()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    with fit_budget.trial(model, DATA, RECIPE, 10**6, checkpointing=True) as step:
        assert model.training
        step(ROWS[:8])
    assert torch.equal(torch.rand(3), expected)
    assert not model.training
    assert not model.is_activation_checkpointing
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_guess_is_above_what_a_step_takes(model):
    """Or a model would be taken for small that is not."""
    rows = np.repeat(ROWS[np.argmax(DATA.lengths())], 64)
    with fit_budget.trial(model, DATA, RECIPE, 10**6, checkpointing=False) as step:
        step(rows[:8])  # what the libraries load for their first step is no step's
    fit_memory.forget_peak()
    before = fit_memory.peak().host
    with fit_budget.trial(model, DATA, RECIPE, 10**6, checkpointing=False) as step:
        step(rows)
        step(rows)
    taken = fit_memory.peak().host - before
    assert taken < fit_budget.guess(model, 64 * LONGEST, LONGEST)
