from core.training.settings import steps_for


def test_epochs_in_steps():
    assert steps_for(100, 3, 32) == 12
    assert steps_for(100, 0.25, 32) == 1
    assert steps_for(1, 0.001, 32) == 1
