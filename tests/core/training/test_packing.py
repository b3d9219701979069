"""Rows that share a sequence are trained on as if each were alone, or packing is refused."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.model import loading
from core.training.micro_batches import MicroBatches
from core.training.packing import bins, pack
from tests.core.model.test_architectures import ROWS, TAKEN, data, save  # noqa: F401
from tests.core.training.test_micro_batches import DATA, RECIPE, curve
from tests.core.training.test_micro_batches import ROWS as MANY

MIXING = {"BLOOM", "OPT", "Mamba", "Mamba 2", "RWKV"}
"""Architectures that count positions, or carry a state, over whole sequences."""


@settings(max_examples=50)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_every_row_is_in_one_sequence_that_holds_it(lengths):
    lengths = np.array(lengths)
    groups = bins(lengths, 50)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    used = [int(lengths[group].sum()) for group in groups]
    assert max(used) <= 50
    assert all(a + b > 50 for a, b in itertools.pairwise(used)), "two are not one"


def of(mixing):
    rows = [row for row in TAKEN if (row.title in MIXING) == mixing]
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.title)


@of(mixing=True)
def test_a_model_that_reads_across_rows_is_refused(row, data, tmp_path):  # noqa: F811
    model = loading.load_weights(save(row, tmp_path / "model"))
    with pytest.raises(InputError, match="reads across rows that share a sequence"):
        MicroBatches(model, data, packing=True)


@of(mixing=False)
def test_a_packed_step_has_the_gradients_of_one_that_is_not(row, data, tmp_path):  # noqa: F811
    model = loading.load_weights(save(row, tmp_path / "model"))
    items = int(data.response_lengths().sum())
    found = []
    for packing in (False, True):
        model.zero_grad()
        parts = MicroBatches(model, data, packing=packing)
        loss = float(parts.backward(ROWS, items, torch.enable_grad))
        found.append((loss, torch.cat([p.grad.flatten() for p in model.parameters()])))
    assert len(pack(data, ROWS)[0]) == 4, "five rows in four sequences"
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    torch.testing.assert_close(found[1][1], found[0][1], atol=2e-6, rtol=1e-4)


def test_a_packed_run_gives_the_same_loss_curve(tmp_path):
    packed = dataclasses.replace(RECIPE, packing=True, token_budget=200)
    expected = curve(tmp_path / "apart")
    np.testing.assert_allclose(curve(tmp_path / "packed", packed), expected, atol=1e-5)
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    parts = MicroBatches(model, DATA, budget=200, packing=True).split(MANY)
    assert sorted(np.concatenate(parts).tolist()) == MANY.tolist()
    assert max(int(DATA.lengths()[part].sum()) for part in parts) < 240
