import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clusters.how_learned import behaviours
from core.dataset.duplicates import duplicates
from core.trajectories.artifact import load_flags, load_losses
from core.trajectories.row_checks import HIGH, never_learned, screen

NAMES = ["no_response", "not_finite", "truncated", "duplicate", "never_learned", "known"]


def pool(n=20):
    """Rows that learned: losses 8 -> 1..2; nothing is wrong with them."""
    losses = np.linspace(8, np.linspace(1, 2, n), 5).T.astype(np.float32)
    flags = pd.DataFrame({"flag": [""] * n, "truncated": False})
    return flags, losses


def none():
    return np.zeros(0, np.int64)


def found(flags, losses, copies=None, **kwargs):
    result = screen(flags, losses, none() if copies is None else copies, **kwargs)
    return {f.name: f for f in result}


def test_sound_data_has_every_check_and_no_row():
    result = screen(*pool(), none())
    assert [f.name for f in result] == NAMES
    assert all(len(f.rows) == 0 and not f.remedy for f in result)
    assert result[0].sentence.startswith("0 of 20 rows of the pool have no response token")


def test_each_trouble_is_found_where_it_was_put():
    flags, losses = pool()
    flags.loc[0, "flag"], losses[0] = "no response token", np.nan
    flags.loc[1, "flag"], losses[1, 2] = "loss not finite", np.inf
    flags.loc[2, "truncated"] = True
    losses[4] = [8, 7.9, 7.8, 7.7, 7.3]  # falls by 8.75%
    losses[5] = [8, 7.9, 7.8, 7.7, 7.1]  # by 11.25%
    losses[6] = 0.3  # flat, but low: known, not never learned
    result = found(flags, losses, np.array([3]))
    assert {n: f.rows.tolist() for n, f in result.items()} == {
        "no_response": [0],
        "not_finite": [1],
        "truncated": [2],
        "duplicate": [3],
        "never_learned": [4],
        "known": [6],
    }
    assert result["truncated"].sentence.startswith("1 of 20 rows of the pool are longer")
    assert result["never_learned"].sentence.startswith("1 of 18 rows measured stay high and flat")
    assert all(f.remedy for f in result.values())


def test_rows_held_out_are_not_screened():
    flags, losses = pool()
    flags.loc[[0, 1], "flag"], losses[:2] = "holdout", np.nan
    flags.loc[[0, 1], "truncated"] = True
    result = found(flags, losses, np.array([0, 1]))
    assert all(len(f.rows) == 0 for f in result.values())
    assert result["duplicate"].sentence.startswith("0 of 18 rows")


def test_rows_that_a_limit_left_unmeasured_are_judged_by_their_texts_only():
    flags, losses = pool()
    flags.loc[[0, 1], "flag"], losses[:2] = "not sampled", np.nan
    flags.loc[0, "truncated"] = True
    result = found(flags, losses, np.array([1]))
    assert [len(f.rows) for f in result.values()] == [0, 0, 1, 1, 0, 0]
    assert result["truncated"].sentence.startswith("1 of 20 rows")
    assert result["never_learned"].sentence.startswith("0 of 18 rows measured")


def test_without_a_recording_before_training_nothing_is_said_about_before():
    assert list(found(*pool(), start=False)) == NAMES[:4]


def test_a_pool_without_a_measured_row_is_no_error():
    flags, losses = pool(2)
    flags["flag"], losses[:] = "no response token", np.nan
    assert found(flags, losses)["never_learned"].sentence.startswith("0 of 0 rows measured")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", "x", "y"])), max_size=12))
def test_duplicates_are_the_rows_with_an_earlier_equal(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("examples") / "examples.parquet"
    frame = pd.DataFrame(texts, columns=["prompt", "response"], dtype=str)
    frame.insert(0, "row", np.arange(len(texts)))
    frame.to_parquet(path)
    expected = [i for i, text in enumerate(texts) if text in texts[:i]]
    assert duplicates(path).tolist() == expected


def test_a_border_moved_between_prompt_and_response_is_no_duplicate(tmp_path):
    frame = pd.DataFrame({"row": [0, 1], "prompt": ["ab", "a"], "response": ["c", "bc"]})
    frame.to_parquet(tmp_path / "examples.parquet")
    assert duplicates(tmp_path / "examples.parquet").tolist() == []


def test_on_recorded_trajectories(finished):
    made = finished.workspace.open(finished.trajectories)
    examples = finished.workspace.open(finished.dataset).path / "examples.parquet"
    flags, losses = load_flags(made), np.asarray(load_losses(made))
    result = {f.name: f for f in screen(flags, losses, duplicates(examples))}
    assert (
        len(result["truncated"].rows) == (flags["truncated"] & (flags["flag"] != "holdout")).sum()
    )
    assert len(result["no_response"].rows) == made.summary["unmeasurable"]


LOSSES = st.one_of(st.floats(0, 12, width=32), st.just(float("nan")))


@given(st.lists(st.tuples(LOSSES, LOSSES), max_size=20), st.floats(0, 12, width=32))
def test_never_learned_is_flat_and_high_one_by_one_and_all_at_once(pairs, high):
    """10% and what is above are spelt out here: the rule of the paper's guard, in float64."""
    first, final = np.array(pairs, np.float64).reshape(-1, 2).T
    expected = []
    for before, after in pairs:
        flat = before - after < 0.1 * before
        expected.append(flat and after > high)
    assert never_learned(first, final, high).tolist() == expected
    assert [bool(never_learned(*pair, high)) for pair in pairs] == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_rows_and_clusters_are_never_learned_by_the_same_rule(seed):
    rng = np.random.default_rng(seed)
    flags, losses = pool(40)
    losses[:] = rng.uniform(0, 8, losses.shape)
    losses[:, -1] = losses[:, 0] * rng.uniform(0.8, 1, 40)
    rows = found(flags, losses)["never_learned"].rows.tolist()
    high = float(np.quantile(losses[:, -1], HIGH))
    quantiles = pd.DataFrame(
        [(c, s, losses[c, s]) for c in range(40) for s in range(5)],
        columns=["cluster", "step", "q50"],
    )
    ends = pd.DataFrame({"q25": 0.0, "q50": np.linspace(8, 1, 5), "q75": high})
    table = pd.DataFrame({"cluster": range(40), "tokens": 5.0})
    said = behaviours(quantiles, table, ends, (1, 9))
    assert [c for c, words in enumerate(said) if "never learned" in words] == rows
