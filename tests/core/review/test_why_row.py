import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.review.why_row import OUTSIDE, by_cluster, explain, needed, outside
from core.selection.budget import Budget
from core.selection.choose import choose
from core.selection.load_pool import load_pool
from core.selection.pool import Pool
from core.selection.quotas import water_fill
from core.trajectories.artifact import load_flags

N, K = 90, 7
NESTED = (
    "s2l",
    "random",
    "random_per_source",
    "least_confidence",
    "middle_perplexity",
    "high_learnability",
    "low_final_loss",
)


def make_pool(seed=0):
    rng = np.random.default_rng(seed)
    return Pool(
        rows=rng.permutation(N).astype(np.int64),
        ids=np.array([f"{i:04d}" for i in range(N)], dtype=object),
        sources=rng.choice(["a", "b", "c"], N, p=[0.7, 0.2, 0.1]).astype(object),
        tokens=rng.integers(1, 30, N),
        losses=np.sort(rng.random((N, 4)), axis=1)[:, ::-1].astype(np.float32),
        labels=np.sort(rng.integers(0, K, N)).astype(np.int32),
        k=K,
        features="raw",
        include_start=False,
    )


POOL = make_pool()


def drawer(strategy, seed=0, pool=POOL):
    return lambda n: choose(pool, strategy, Budget("rows", n), seed).positions


@pytest.mark.parametrize("strategy", NESTED)
@settings(max_examples=8, deadline=None)
@given(st.integers(0, N - 1), st.integers(0, 20))
def test_the_budget_needed_is_the_smallest_that_has_the_row(strategy, position, seed):
    draw = drawer(strategy, seed)
    n = needed(position, N, draw)
    inside = [bool((draw(m) == position).any()) for m in range(1, N + 1)]
    assert inside[n - 1]
    assert n == 1 or not inside[n - 2]
    few = {"s2l": K, "random_per_source": 3}.get(strategy, 0)  # fewer rows than groups: no order
    assert n == 1 + inside.index(True) or inside.index(True) < few
    assert all(inside[max(n, few) - 1 :])


def test_a_row_needs_as_many_rows_as_its_place_by_score():
    order = np.argsort(-POOL.losses[:, -1])
    for place in (0, 3, N - 1):
        assert needed(int(order[place]), N, drawer("least_confidence")) == place + 1


def test_a_row_that_no_budget_includes_needs_0():
    assert needed(5, N, lambda n: np.arange(min(n, 5))) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, N - 1), st.integers(0, 20))
def test_the_s2l_budget_is_foreseen_without_drawing(position, seed):
    draw = drawer("s2l", seed)
    foreseen = by_cluster(POOL, int(POOL.rows[position]), seed)
    found = needed(position, N, draw)
    assume(min(foreseen, found) >= K)  # with fewer rows than clusters there is no order
    assert foreseen == found == needed(position, N, draw, foreseen)


def test_a_right_guess_costs_two_draws_and_a_wrong_one_changes_nothing():
    calls = []

    def draw(n):
        calls.append(n)
        return choose(POOL, "s2l", Budget("rows", n), 4).positions

    position = int(np.setdiff1d(np.arange(N), draw(40))[0])
    right = needed(position, N, draw)
    calls.clear()
    assert needed(position, N, draw, right) == right
    assert calls == [right, right - 1]
    assert needed(position, N, draw, right + 1) == right


def test_every_row_of_the_pool_is_explained_as_the_selection_has_it():
    choice = choose(POOL, "s2l", Budget("rows", 30), 3)
    reasons = dict(zip(choice.positions, choice.reasons, strict=True))
    quotas = water_fill(np.bincount(POOL.labels, minlength=K), 30)
    for position, row in enumerate(POOL.rows):
        why = explain(POOL, choice.positions, int(row), reason=reasons.get(position, ""))
        assert why.kept == (position in reasons)
        assert why.cluster == POOL.labels[position]
        assert why.taken == quotas[why.cluster]
        assert why.probability == why.taken / why.size
        assert why.nearest.row != row
        assert int(np.flatnonzero(POOL.rows == why.nearest.row)[0]) in reasons
    assert sum(quotas) == 30


def test_the_nearest_kept_row_is_the_nearest_in_what_was_clustered():
    chosen = np.array([0, 10, 50])
    why = explain(POOL, chosen, int(POOL.rows[10]))
    distances = np.linalg.norm(POOL.losses[[0, 50], 1:] - POOL.losses[10, 1:], axis=1)
    assert why.nearest.distance == pytest.approx(distances.min(), rel=1e-5)
    assert why.nearest.row == POOL.rows[[0, 50][distances.argmin()]]


def test_the_sentences_name_cluster_quota_neighbour_and_budget():
    choice = choose(POOL, "s2l", Budget("rows", 30), 3)
    out = int(np.setdiff1d(np.arange(N), choice.positions)[0])
    why = explain(POOL, choice.positions, int(POOL.rows[out]), drawer("s2l", 3))
    assert why.needs > 30
    first, second, third, fourth = why.sentences()
    assert first == "Not selected."
    assert second.startswith(f"Of cluster {why.cluster}, {why.taken:,} of {why.size:,} rows")
    assert f"row {why.nearest.row:,}, of " in third
    share = f"{100 * why.needs / N:.1f}%"
    assert fourth == f"It would be in from {why.needs} rows ({share} of the pool) on, same seed."
    kept = int(choice.positions[0])
    why = explain(POOL, choice.positions, int(POOL.rows[kept]), drawer("s2l", 3), reason="drawn")
    assert why.needs <= 30
    assert why.sentences()[0] == "Selected: drawn."
    assert why.sentences()[3].startswith("It stays from a budget of")


def test_without_clusters_and_losses_the_pool_is_the_group():
    bare = Pool(
        POOL.rows,
        POOL.ids,
        POOL.sources,
        np.zeros(0, np.int64),
        np.zeros((N, 0), np.float32),
        np.zeros(0, np.int32),
        1,
        "raw",
        False,
    )
    draw = drawer("random", 1, bare)
    why = explain(bare, draw(9), int(POOL.rows[4]), draw)
    assert (why.cluster, why.size, why.taken, why.nearest) == (-1, N, 9, None)
    assert why.sentences()[1] == "Of the pool, 9 of 90 rows were selected (10%)."
    assert len(why.sentences()) == 3


def test_a_row_outside_the_pool_is_refused_and_its_flag_says_why(finished):
    w = finished.workspace
    artifact = w.open(finished.selection)
    pool = load_pool(w.open(finished.clusters), "s2l")
    table = pd.read_parquet(artifact.path / "table.parquet")
    flags = load_flags(w.open(finished.trajectories))
    held = int(np.flatnonzero(flags["flag"] == "holdout")[0])
    with pytest.raises(ValueError, match=f"row {held} is not among the {len(pool)} rows"):
        explain(pool, np.zeros(0, np.int64), held)
    assert outside(pool, held, "holdout").endswith("it is held out for testing.")
    assert set(flags["flag"]) <= set(OUTSIDE)
    chosen = pd.Index(pool.rows).get_indexer(table["row"])
    seed = artifact.config["seed"]
    draw = drawer("s2l", seed, pool)
    line = table.iloc[0]
    why = explain(pool, chosen, int(line["row"]), draw, reason=line["reason"])
    assert why.kept
    assert why.cluster == line["cluster"]
    assert why.needs <= len(table)
