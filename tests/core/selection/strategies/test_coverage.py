"""What spreads over rows that are alike: covers, centres, and what is left of copies."""

import dataclasses

import numpy as np
import pytest

from tests.core.pools import N, ids, make_pool, pick, with_odd_rows


@pytest.mark.parametrize("space", ["embeddings", "trajectories"])
def test_rows_without_a_loss_are_like_no_other(space):
    pool, pinned = with_odd_rows(make_pool(space=space))
    for name in ("facility_location", "k_center", "d4"):
        reasons = pick(pool, name, "30", 0, {}, pinned).reasons
        assert not any("nan" in reason for reason in reasons)


def test_what_sorts_rows_by_likeness_gives_a_start_of_the_longer_choice():
    pool = make_pool()
    for name in ("facility_location", "k_center", "d4"):
        long = ids(pool, name, "90")
        assert ids(pool, name, "31") == long[:31]


def test_facility_location_is_the_greedy_cover():
    pool = make_pool()
    x, _ = pool.points()
    alike = np.clip((1 + x @ x.T) / 2, 0, 1)
    best, expected = np.zeros(N), []
    for _ in range(25):
        gain = np.maximum(alike - best[:, None], 0).sum(0)
        gain[expected] = -1
        expected.append(int(gain.argmax()))
        best = np.maximum(best, alike[:, expected[-1]])
    assert pick(pool, "facility_location", "25").positions.tolist() == expected


def test_above_the_limit_facility_location_tries_a_sample(monkeypatch):
    pool = make_pool()
    x, _ = pool.points()

    def covered(positions):
        return np.clip((1 + x @ x[positions].T) / 2, 0, 1).max(1).sum()

    exact = covered(pick(pool, "facility_location", "12").positions)
    monkeypatch.setattr("core.selection.strategies.coverage.EXACT", 60)
    made = [pick(pool, "facility_location", "12", seed).positions for seed in range(5)]
    assert len({tuple(m) for m in made}) > 1, "by seed"
    assert all(len(set(m.tolist())) == 12 for m in made)
    drawn = np.mean([covered(pick(pool, "random", "12", s).positions) for s in range(5)])
    assert all(drawn < covered(m) <= exact * 1.001 for m in made)


def test_k_center_takes_the_farthest_row_each_time():
    pool = make_pool()
    x, _ = pool.points()
    order = pick(pool, "k_center", "20").positions
    assert order[0] == np.linalg.norm(x - x.mean(0), axis=1).argmin()
    for at in range(1, 20):
        gaps = np.linalg.norm(x[:, None] - x[order[:at]], axis=2).min(1)
        assert gaps[order[at]] == pytest.approx(gaps.max(), abs=1e-5)


def test_d4_leaves_copies_and_the_typical_out_until_they_are_needed():
    pool = make_pool()
    rows = np.array(pool.embeddings)
    rows[40:60] = rows[:20]  # in order of id the second of each pair repeats the first
    pool = dataclasses.replace(pool, embeddings=rows)
    choice = pick(pool, "d4", "90")
    kinds = [reason.split(",")[0].split(" of ")[0] for reason in choice.reasons]
    assert kinds.count("a near-duplicate") >= 20
    first = set(choice.positions[: kinds.index("prototypical")].tolist())
    assert not first & set(range(40, 60))
    assert kinds == sorted(kinds, key=["drawn", "prototypical", "a near-duplicate"].index)


def test_without_embeddings_rows_are_compared_by_trajectories_if_asked():
    pool = make_pool(embeddings=None)
    for name in ("facility_location", "k_center", "d4"):
        with pytest.raises(ValueError, match=r"hold no embeddings.*--space trajectories"):
            pick(pool, name, "9")
        assert len(ids(dataclasses.replace(pool, space="trajectories"), name, "9")) == 9
