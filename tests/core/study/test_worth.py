"""What a selection saved against what it lost, in one sentence whose numbers are counted by hand."""

import dataclasses

import pandas as pd
import pytest

from core.study import artifact as study_artifact
from core.study import worth


@pytest.fixture
def study(finished, monkeypatch):
    """Return a function that makes a study of losses and seconds that are known."""
    made = finished.workspace.open(finished.study)
    monkeypatch.setattr("core.study.costs.proxy_seconds", lambda study: 900.0)

    def make(losses, *, epochs=0.0, seconds=(60.0, 600.0)):
        lines = [
            {"arm": arm, "seed": seed, "rows": rows, "loss": loss, "failed": ""}
            | {"train_seconds": took, "seconds": took, "response_tokens": 5}
            for arm, rows, took in (("s2l", 60, seconds[0]), ("full", 600, seconds[1]))
            for seed, loss in enumerate(losses[arm])
        ]
        table = pd.DataFrame(lines)
        monkeypatch.setattr("core.study.costs.table_of", lambda study: table)
        summary = {**made.summary, "epochs": epochs, "noise": {}}
        return dataclasses.replace(made, manifest={**made.manifest, "summary": summary}), table

    return make


APART = {"s2l": [1.10, 1.12, 1.08], "full": [1.0, 1.0, 1.0]}


def test_equal_steps_save_no_time_and_the_loss_has_its_interval(study):
    said = worth.sentence(*study(APART), "loss")
    assert said == (
        "The selection needs 60 of 600 examples (10%), saves no training time as all trained "
        "equally many steps, and took 15 min to find, once; it did 0.100 nats worse than all the "
        "data (95% interval 0.050 nats worse to 0.150 nats worse, 3 seeds)."
    )


def test_equal_epochs_say_when_the_search_is_won_back_and_a_price_is_put_on_both(study):
    said = worth.sentence(*study(APART, epochs=3), "loss", 12.0)
    assert "saves 9 min 0 s (1.80 at that price) of each training's 10 min" in said
    assert "took 15 min (3.00 at that price) to find, once, won back by the 2nd training;" in said


def test_no_difference_shown_is_said_to_be_open(study):
    losses = {"s2l": [1.3, 0.8, 1.0], "full": [1.0, 1.0, 1.0]}
    said = worth.sentence(*study(losses), "loss")
    assert "whether it loses anything is open: it did 0.033 nats worse than all the data" in said
    assert "95% interval 0.592 nats better to 0.658 nats worse, 3 seeds" in said


def test_one_training_is_no_evidence_and_a_slower_one_saves_nothing(study):
    said = worth.sentence(*study({"s2l": [0.9], "full": [1.0]}, epochs=1, seconds=(9, 8)), "loss")
    assert "saved no training time, and took 15 min to find, once;" in said
    assert said.endswith(
        "it did 0.100 nats better than all the data in one training each, which is no evidence."
    )


def test_a_failed_training_says_nothing_of_the_loss(study):
    said = worth.sentence(*study({"s2l": [1.0, None, 1.0], "full": [1.0, 1.0, 1.0]}), "loss")
    assert said.endswith("nothing can be said of what it loses, as a training failed.")


def test_without_all_the_data_there_is_nothing_to_say(finished):
    made = finished.workspace.open(finished.study)
    table = study_artifact.table(made)
    assert worth.sentence(made, table[table["arm"] != "full"], "loss") == ""
