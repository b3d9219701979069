"""What answers take is learned from a few of them, whatever else the machine does meanwhile."""

import numpy as np
import pytest
import torch

from core.finetune import fit_evaluation

READ, STEP, ITEM = 2e-4, 0.004, 0.0005
PROMPTS = [np.arange(20, dtype=np.int64)] * 3


class Machine:
    """Answers in known seconds of its own clock, but for what is done in between at some calls."""

    device = torch.device("cpu")

    def __init__(self, between=lambda call, answers: 0.0):
        """Let `between` give the seconds that a call takes more."""
        self.now, self.calls, self.between = 0.0, 0, between

    def generate(self, *, input_ids, max_new_tokens, **more):
        """Read and write for so long."""
        n, width = input_ids.shape
        self.now += n * width * READ + max_new_tokens * (STEP + n * ITEM)
        self.now += self.between(self.calls, n)
        self.calls += 1


class Padded:
    """All that is asked of a tokenizer."""

    pad_token_id = 0


@pytest.fixture
def rates(monkeypatch):
    """Return what finds the rates of a machine."""
    monkeypatch.setattr("core.model.output_layer.evaluating", lambda model: torch.no_grad())

    def found(machine):
        monkeypatch.setattr(fit_evaluation.time, "monotonic", lambda: machine.now)
        return fit_evaluation._answering(machine, Padded(), PROMPTS, 64)

    return found


def first_of_its_shape():
    met = set()

    def more(call, answers):
        cold = answers not in met
        met.add(answers)
        return 0.5 if cold else 0.0

    return more


@pytest.mark.parametrize(
    "between",
    [
        lambda call, answers: 0.0,
        first_of_its_shape(),
        *(lambda call, answers, at=at: 0.4 if call == at else 0.0 for at in range(2, 9)),
    ],
)
def test_one_interruption_does_not_become_the_price_of_every_token(rates, between):
    found = rates(Machine(between))
    assert found["step"] == pytest.approx(STEP, rel=0.05)
    assert found["item"] == pytest.approx(ITEM, rel=0.05)
    assert found["read"] == pytest.approx(READ, rel=0.05)


def test_a_slow_model_answers_no_more_often_than_it_must(rates):
    machine = Machine(lambda call, answers: 60.0)
    rates(machine)
    assert machine.calls <= 6
