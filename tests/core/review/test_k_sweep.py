import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.review import k_sweep
from core.review.k_sweep import (
    Sweep,
    adjusted_agreement,
    by_k,
    choices,
    inclusion,
    overlap,
    sweep,
    verdict,
)
from core.selection.quotas import water_fill


def pool(n=300, seed=0):
    """Three bundles of unequal size, far apart, and two rows that cannot be measured."""
    rng = np.random.default_rng(seed)
    level = rng.choice([1.0, 4.0, 9.0], n, p=[0.7, 0.2, 0.1])[:, None]
    losses = (level + rng.normal(0, 0.05, (n, 4))).astype(np.float32)
    losses[[5, 9], 2] = np.nan
    ids = np.array([f"{h:06x}" for h in rng.permutation(n)], dtype=object)
    return losses, ids


def found(pairs, ks, rows=100, of=100):
    """A sweep with these agreements: (k, other_k) -> value, two seeds."""
    lines = [
        (a, s, b, t, pairs[a, b])
        for i, a in enumerate(ks)
        for b in ks[i:]
        for s, t in ([(0, 1)] if a == b else [(0, 0), (0, 1), (1, 0), (1, 1)])
    ]
    columns = ["k", "seed", "other_k", "other_seed", "agreement"]
    table = pd.DataFrame({"k": np.repeat(ks, 2), "random": 0.5})
    return Sweep(table, pd.DataFrame(lines, columns=columns), rows, of)


def test_a_clear_number_of_clusters_is_found_the_same_by_every_seed():
    made = sweep(*pool(), [3], [0, 1, 2])
    assert (made.rows, made.of) == (298, 298)
    assert made.agreement["agreement"].tolist() == [1, 1, 1]
    assert made.table["silhouette"].min() > 0.9
    sizes = made.table[["smallest", "largest"]].drop_duplicates()
    assert len(sizes) == 1
    assert made.table["random"].max() < 0.6, "the rare bundles are drawn far more often"


def test_the_table_by_hand():
    losses = np.array([[0, 0.0], [0, 0], [0, 0], [0, 9]], np.float32)
    line = sweep(losses, np.array(list("abcd"), object), [2], [0, 1], share=0.5).table.iloc[0]
    assert line[["clusters", "smallest", "largest", "inertia"]].tolist() == [2, 1, 3, 0]
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / np.log(2)
    assert line["balance"] == pytest.approx(entropy)
    # drawn with 1/3, 1/3, 1/3 and 1 against 1/2 each
    assert line["random"] == pytest.approx((1 + 0.5) / (1.5 + 1))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_the_rows_does_not_matter(seed):
    losses, ids = pool()
    moved = np.random.default_rng(seed).permutation(len(ids))
    one = sweep(losses, ids, [4, 8], [0, 1])
    two = sweep(losses[moved], ids[moved], [8, 4], [1, 0])
    pd.testing.assert_frame_equal(one.table, two.table)
    pd.testing.assert_frame_equal(one.agreement, two.agreement)


def test_many_rows_are_sampled_and_the_verdict_says_so(monkeypatch):
    monkeypatch.setattr(k_sweep, "SAMPLE", 100)
    losses, ids = pool()
    made = sweep(losses, ids, [2, 3], [0, 1])
    assert (made.rows, made.of) == (100, 298)
    assert "Seen on a seeded sample of 100 of 298 rows." in verdict(made)
    moved = np.random.default_rng(1).permutation(len(ids))
    pd.testing.assert_frame_equal(
        made.table, sweep(losses[moved], ids[moved], [2, 3], [0, 1]).table
    )


@pytest.mark.parametrize("seeds", [[], [0], [3, 3]])
def test_one_seed_cannot_say_what_a_seed_changes(seeds):
    with pytest.raises(ValueError, match="give two"):
        sweep(*pool(), [3], seeds)


def test_a_k_above_the_rows_says_the_range():
    with pytest.raises(ValueError, match="choose K from 1 to 298"):
        sweep(*pool(), [299], [0, 1])


@pytest.mark.parametrize(
    ("rows", "ks"),
    [(10**6, [5, 10, 20, 40, 70, 100, 200, 300]), (500, [5, 10, 20, 40]), (30, [2]), (1, [1])],
)
def test_the_ks_worth_trying(rows, ks):
    assert choices(rows) == ks


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=40), st.floats(0, 1))
def test_probabilities_add_up_to_the_budget_and_are_the_quotas(labels, share):
    labels = np.array(labels, np.int32)
    budget = int(share * len(labels))
    p = inclusion(labels, budget)
    assert p.sum() == pytest.approx(budget)
    assert ((p >= 0) & (p <= 1)).all()
    quotas = np.bincount(labels, p)
    assert quotas == pytest.approx(water_fill(np.bincount(labels), budget))


PROBABILITIES = st.lists(st.floats(0, 1), min_size=5, max_size=5).map(np.array)


@settings(max_examples=60, deadline=None)
@given(PROBABILITIES, PROBABILITIES)
def test_overlap_is_symmetric_one_with_itself_and_never_outside_0_and_1(p, q):
    assert overlap(p, p) == 1
    assert overlap(p, q) == overlap(q, p)
    assert 0 <= overlap(p, q) <= 1


def test_overlap_of_sets_is_their_jaccard_index():
    a, b = np.array([1, 1, 0, 0.0]), np.array([0, 1, 1, 0.0])
    assert overlap(a, b) == pytest.approx(1 / 3)
    assert overlap(a, 1 - a) == 0


def test_agreement_of_ks_is_the_mean_over_seeds_with_another_seed_on_the_diagonal():
    table = by_k(found({(5, 5): 0.9, (5, 9): 0.7, (9, 9): 0.8}, [5, 9]).agreement)
    assert table.to_numpy().tolist() == pytest.approx(np.array([[0.9, 0.7], [0.7, 0.8]]))
    assert table.index.tolist() == table.columns.tolist() == [5, 9]


def test_verdict_names_the_range_where_k_costs_no_more_than_a_seed():
    pairs = {
        (5, 5): 0.95,
        (5, 30): 0.6,
        (5, 60): 0.55,
        (5, 120): 0.5,
        (30, 30): 0.92,
        (30, 60): 0.94,
        (30, 120): 0.92,
        (60, 60): 0.92,
        (60, 120): 0.93,
        (120, 120): 0.92,
    }
    assert verdict(found(pairs, [5, 30, 60, 120])) == (
        "K does not matter between 30 and 120: selections agree 0.93; another seed of one K "
        "agrees 0.92, a plain random draw 0.50. Beyond chance, of 1: 0.86 and 0.84."
    )


def test_verdict_says_when_k_matters():
    pairs = {(5, 5): 0.95, (5, 30): 0.6, (30, 30): 0.9}
    assert verdict(found(pairs, [5, 30], 100, 500)) == (
        "K matters: selections of two Ks between 5 and 30 agree 0.60 on average; another seed of "
        "one K agrees 0.93, a plain random draw 0.50. Beyond chance, of 1: 0.20 and 0.85. Seen on a "
        "seeded sample of 100 of 500 rows."
    )


def test_verdict_on_one_k():
    assert verdict(found({(7, 7): 0.8}, [7])) == "With K = 7 alone, another seed agrees 0.80."


def test_agreement_beyond_chance_is_that_of_the_worked_example():
    assert adjusted_agreement(0.78, 0.67) == pytest.approx(0.333, abs=5e-4)
    assert adjusted_agreement(0.5, 0.5) == 0
    assert adjusted_agreement(1, 1) == 1, "everything is selected"
