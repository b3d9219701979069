import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trajectories.proxy_warnings import warnings

GOOD = {"rows": 1000, "truncated": 10, "first_loss": 4.0, "final_loss": 2.0, "not_finite": 0}
CONFIG = {"lr": 2e-5, "epochs": 3.0, "max_length": 128}
LENGTHS = np.arange(1, 1001)  # 99th percentile: 990


def found(first_step=0, config=CONFIG, **changed):
    return warnings({**GOOD, **changed}, config, LENGTHS, first_step)


def test_a_proxy_that_learned_from_whole_rows_needs_no_warning():
    assert found() == []


def test_a_flat_loss_names_what_to_raise_and_from_where():
    (one,) = found(final_loss=3.9)
    assert "hardly learned: mean loss 4.000 → 3.900, 2.5% less" in one
    assert "--lr (now 2e-05) or --epochs (now 3)" in one
    assert "--model" in one


def test_a_fall_is_judged_from_before_training_only():
    assert found(final_loss=3.9, first_step=500) == []
    assert len(found(final_loss=4.1, first_step=500)) == 1


def test_a_loss_that_rose_asks_for_a_lower_rate():
    (one,) = found(final_loss=9.0)
    assert one == "The proxy diverged: mean loss 4.000 → 9.000. Lower --lr (now 2e-05)."


def test_rows_that_are_not_finite_are_counted():
    assert found(not_finite=12)[0].startswith("12 of 1,000 rows have a loss that is not finite")
    assert found(not_finite=1)[0].endswith("is left out. Lower --lr (now 2e-05).")


def test_many_cut_rows_name_the_length_that_would_hold_them():
    assert found(truncated=50) == []
    (one,) = found(truncated=51)
    assert "51 of 1,000 rows (5%) are longer than 128 tokens" in one
    assert one.endswith("Raise --max-length to 990, the 99th percentile of the data.")


def test_no_longer_length_is_advised_than_the_proxy_reads():
    (one,) = found(truncated=500, positions=512)
    assert "Raise --max-length to 512, all that this proxy reads" in one
    (one,) = found(truncated=500, positions=512, config={**CONFIG, "max_length": 512})
    assert "Raise --max-length" not in one
    assert "99th percentile of the data is 990, and this proxy reads at most 512" in one


def test_losses_from_elsewhere_are_not_told_settings_that_were_not_used():
    config = {"lr": "auto", "epochs": "auto", "max_length": 128}
    texts = found(config=config, final_loss=3.9, not_finite=2, imported=True)
    assert "auto" not in " ".join(texts)
    assert "where these losses come from" in texts[0]
    assert "gaps in what was imported" in texts[1]


def test_an_artifact_from_before_these_counts_is_judged_by_what_it_has():
    old = {k: v for k, v in GOOD.items() if k != "not_finite"}
    assert warnings(old, CONFIG, LENGTHS, 0) == []


@pytest.mark.parametrize("first_step", [0, 10])
@given(
    first=st.floats(0.01, 20),
    last=st.floats(0.01, 20),
    cut=st.integers(0, 1000),
    odd=st.integers(0, 999),
    positions=st.sampled_from([None, 64, 2048]),
)
def test_every_warning_says_what_to_do(first_step, first, last, cut, odd, positions):
    facts = {"first_loss": first, "final_loss": last, "truncated": cut, "not_finite": odd}
    texts = found(first_step, **facts, positions=positions)
    assert len(texts) <= 3
    assert all("--" in text and text.endswith(".") for text in texts)
    assert any("cut" in text for text in texts) == (cut > 50)
