import pytest

from core.training.settings import LONG
from core.training.shorter_runs import propose

SMALL = {"rows": 50_000, "parameters": 2e6, "smaller": {"tiny": 3e5}}


def test_fewer_epochs_shorten_the_training_not_the_recordings():
    ways = propose(100, 40, epochs=3, rows=10_000, parameters=1e6, smaller={"tiny": 1e5})
    seconds = {way.words: way.seconds for way in ways}
    assert seconds["1 epoch"] == pytest.approx(40 + 60 / 3)
    assert seconds["the smaller proxy tiny"] == pytest.approx(10)


def test_of_a_run_far_too_long_the_first_way_joins_what_saves_most():
    """Each way alone leaves hours, or a few hundred rows."""
    now = 60 * 3600.0
    ways = propose(now, now / 2, epochs=6, in_bf16=now / 2.5, **SMALL)
    first, alone = ways[0], [way for way in ways if set(way.changed) == {"limit"}]
    assert set(first.changed) == {"model", "lr", "precision", "limit"}
    assert first.words == "the smaller proxy tiny, in bf16, a sample of 6,900 of 50,000 rows"
    whole = now * (3e5 / 2e6) / 2.5  # what the joined way takes on all rows
    assert first.seconds == pytest.approx(whole * 6_900 / 50_000)
    assert whole * 7_000 / 50_000 > LONG >= first.seconds  # no hundred more would do
    assert alone[0].changed == {"limit": 400}


def test_where_one_way_is_enough_none_are_joined():
    ways = propose(2.0 * LONG, LONG, epochs=6, in_bf16=0.9 * LONG, **SMALL)
    assert [len(way.changed) for way in ways] == [1, 2, 1, 1]  # a model brings its learning rate


def test_bf16_that_saves_nothing_is_not_joined():
    ways = propose(60 * 3600.0, 1.0, epochs=1, in_bf16=61 * 3600.0, **SMALL)
    assert "precision" not in ways[0].changed


def test_a_probe_of_the_target_has_bf16_and_rows_alone():
    ways = propose(
        9 * LONG,
        0.0,
        epochs=1,
        rows=500,
        parameters=1e9,
        smaller={},
        in_bf16=3 * LONG,
        sample_flag="rows",
    )
    assert ways[0].changed == {"precision": "bf16", "rows": 100}
    assert ways[0].words == "in bf16, a sample of 100 of 500 rows"
