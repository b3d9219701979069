"""Quotas: shared by a rule, around what is set by hand."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.selection import s2l_options
from core.selection.quotas import quotas, top_up, water_fill

ALLOCATIONS = ["equal", "proportional", "sqrt", "capped"]
RULES = st.sampled_from(ALLOCATIONS)


@st.composite
def cases(draw):
    """Sizes, what is in already, what is set and capped by hand, and the room these leave."""
    sizes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12))
    had = [draw(st.integers(0, min(3, size))) for size in sizes]
    groups = draw(st.lists(st.integers(0, len(sizes) - 1), unique=True, max_size=4))
    split = draw(st.integers(0, len(groups)))
    fixed = {g: draw(st.integers(had[g], sizes[g])) for g in groups[:split]}
    caps = {g: draw(st.integers(had[g], 50)) for g in groups[split:]}
    allocation = draw(RULES)
    high = [
        max(h, size // 2) if allocation == "capped" else size
        for size, h in zip(sizes, had, strict=True)
    ]
    high = [fixed.get(g, min(most, caps.get(g, most))) for g, most in enumerate(high)]
    low = sum(fixed.get(g, h) for g, h in enumerate(had))
    return sizes, had, fixed, caps, allocation, low, sum(high)


@given(cases(), st.data())
def test_quotas_are_exact_within_the_sizes_and_keep_what_is_set_by_hand(case, data):
    sizes, had, fixed, caps, allocation, low, room = case
    budget = data.draw(st.integers(low, room))
    taken = quotas(sizes, budget, had, fixed, caps, allocation)
    assert taken.sum() == budget
    assert (taken <= sizes).all()
    assert (taken >= had).all()
    assert all(taken[g] == rows for g, rows in fixed.items())
    assert all(taken[g] <= rows for g, rows in caps.items())
    if allocation == "capped":
        free = [g for g in range(len(sizes)) if g not in fixed]
        assert all(taken[g] <= max(had[g], sizes[g] / 2) for g in free)


@given(cases())
@settings(deadline=None)  # many budgets a case
def test_nobody_loses_by_a_larger_budget(case):
    sizes, had, fixed, caps, allocation, low, room = case
    every = [quotas(sizes, b, had, fixed, caps, allocation) for b in range(low, room + 1)]
    assert all((more >= less).all() for less, more in itertools.pairwise(every))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=25), st.data())
def test_without_a_hand_equal_quotas_are_water_filling(sizes, data):
    budget = data.draw(st.integers(0, sum(sizes)))
    assert (quotas(sizes, budget) == water_fill(sizes, budget)).all()
    kept = [data.draw(st.integers(0, size)) for size in sizes]
    budget = data.draw(st.integers(sum(kept), sum(sizes)))
    assert (quotas(sizes, budget, kept) == top_up(sizes, kept, budget)).all()


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.data())
def test_shares_by_size_are_within_a_row_of_the_fraction_or_whole(sizes, data):
    """Webster's method can leave the quota only with a few groups much larger than the rest."""
    budget = data.draw(st.integers(0, sum(sizes)))
    exact = budget * np.array(sizes) / sum(sizes)
    assert (np.abs(quotas(sizes, budget, allocation="proportional") - exact) < len(sizes)).all()


@pytest.mark.parametrize(
    ("sizes", "budget", "how", "taken"),
    [
        ([100, 300, 600], 10, {"allocation": "proportional"}, [1, 3, 6]),
        ([100, 400, 900], 12, {"allocation": "sqrt"}, [2, 4, 6]),
        ([4, 100, 100], 42, {"allocation": "capped"}, [2, 20, 20]),
        ([4, 10, 100], 34, {"allocation": "capped", "cap": 0.3}, [1, 3, 30]),
        ([50, 50, 50], 30, {"fixed": {0: 20}}, [20, 5, 5]),
        ([50, 50, 50], 30, {"fixed": {0: 0}}, [0, 15, 15]),
        ([50, 50, 50], 30, {"caps": {0: 4}}, [4, 13, 13]),
        ([50, 50, 50], 30, {"caps": {0: 40}}, [10, 10, 10]),
        ([50, 50, 50], 30, {"upper_bounds": [2, 50, 50]}, [2, 14, 14]),
        ([50, 50, 50], 30, {"upper_bounds": [2, 50, 50], "fixed": {0: 12}}, [12, 9, 9]),
        ([50, 50, 50], 30, {"already_selected": [5, 0, 0], "fixed": {0: 8}}, [8, 11, 11]),
    ],
)
def test_by_hand(sizes, budget, how, taken):
    assert quotas(sizes, budget, **how).tolist() == taken


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fixed": {0: 51}}, "cluster 0 is set to 51 rows but has 50; lower its quota"),
        ({"fixed": {3: 1}}, "there is no cluster 3; they are 0 to 2"),
        ({"caps": {-1: 1}}, "there is no cluster -1"),
        ({"fixed": {0: 20, 1: 11}}, "set by hand are 31 rows, more than the budget of 30"),
        ({"fixed": {0: 0, 1: 0, 2: 0}}, "leave room for 0 rows, less than the budget of 30"),
        ({"allocation": "capped", "cap": 0.1}, "leave room for 15 rows, less than the budget"),
        ({"caps": {0: 5, 1: 5, 2: 5}}, "leave room for 15 rows, less than the budget of 30"),
        ({"fixed": {0: 2}, "already_selected": [3, 0, 0]}, "is set to 2 rows but 3 of it stay"),
        ({"caps": {0: 2}, "already_selected": [3, 0, 0]}, "is capped at 2 rows but 3 of it stay"),
        (
            {"fixed": {0: 28}, "already_selected": [0, 3, 0]},
            "stay in the other clusters are 31, more than",
        ),
    ],
)
def test_what_cannot_be_met_is_refused_in_a_sentence(how, message):
    with pytest.raises(ValueError, match=message):
        quotas([50, 50, 50], 30, **how)


def test_a_million_rows_in_500_clusters_are_shared_at_once():
    labels = np.random.default_rng(0).integers(0, 500, 1_000_000)
    for allocation in ALLOCATIONS:
        best = np.inf
        for _ in range(3):  # the machine may be busy
            began = time.perf_counter()
            quotas(np.bincount(labels), 110_000, None, {3: 40, 7: 0}, {12: 25}, allocation)
            best = min(best, time.perf_counter() - began)
        assert best < 0.15


def test_quotas_are_spelled_up_to_four():
    def spelled(quotas):
        return s2l_options.words(s2l_options.Switches(quotas=quotas))

    assert spelled("") == []
    assert spelled(" 12<=25,3=40 , 7=0") == ["quotas 3=40,7=0,12<=25"]
    (long,) = spelled("1=1,2=2,3=3,4=4,5=5")
    assert long.startswith("5 quotas #")
    assert spelled("5=5,4=4,3=3,2=2,1=1") == [long], "their order is no difference"
    assert spelled("1=1,2=2,3=3,4=4,5<=5") != [long]


SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=25)


@given(SIZES, st.data())
def test_water_fill_is_exact_and_takes_no_more_than_there_is(sizes, data):
    budget = data.draw(st.integers(0, sum(sizes)))
    taken = water_fill(sizes, budget)
    assert taken.sum() == budget
    assert (taken <= np.array(sizes)).all()
    assert (taken >= 0).all()


@given(SIZES, st.data())
def test_water_fill_is_even_but_for_groups_taken_whole(sizes, data):
    assume(any(sizes))
    budget = data.draw(st.integers(0, sum(sizes) - 1))  # so that some group is not taken whole
    taken, sizes = water_fill(sizes, budget), np.array(sizes)
    cut = taken[taken < sizes]
    assert cut.max() - cut.min() <= 1
    assert taken.max() <= cut.max() + 1, "nobody got more than those who could take more"
    assert (taken[sizes <= cut.min()] == sizes[sizes <= cut.min()]).all(), "small ones whole"


@given(SIZES, st.data())
def test_water_fill_of_permuted_groups_is_permuted_but_for_ties(sizes, data):
    budget = data.draw(st.integers(0, sum(sizes)))
    order = data.draw(st.permutations(range(len(sizes))))
    sizes = np.array(sizes)
    one, two = water_fill(sizes, budget)[order], water_fill(sizes[order], budget)
    assert sorted(zip(sizes[order], one, strict=True)) == sorted(
        zip(sizes[order], two, strict=True)
    )


@pytest.mark.parametrize(
    ("sizes", "budget", "taken"),
    [
        ([10, 10, 10], 9, [3, 3, 3]),
        ([1, 100, 100], 21, [1, 10, 10]),
        ([100, 1, 2], 50, [47, 1, 2]),  # sorted descending, the surplus of 1 and 2 would be lost
        ([5], 5, [5]),
        ([5, 5], 0, [0, 0]),
    ],
)
def test_water_fill_by_hand(sizes, budget, taken):
    assert water_fill(sizes, budget).tolist() == taken


@given(SIZES, st.data())
def test_topping_up_is_exact_keeps_what_was_kept_and_is_as_even_as_that_allows(sizes, data):
    kept = [data.draw(st.integers(0, size)) for size in sizes]
    budget = data.draw(st.integers(sum(kept), sum(sizes)))
    taken, sizes, kept = top_up(sizes, kept, budget), np.array(sizes), np.array(kept)
    assert taken.sum() == budget
    assert (kept <= taken).all()
    assert (taken <= sizes).all()
    added, open_ = taken[taken > kept], taken[taken < sizes]
    if len(added) and len(open_):
        assert added.max() <= open_.min() + 1, "no row went to a group while another had 2 fewer"


@given(SIZES, st.data())
def test_topping_up_nothing_is_water_filling(sizes, data):
    budget = data.draw(st.integers(0, sum(sizes)))
    assert (top_up(sizes, [0] * len(sizes), budget) == water_fill(sizes, budget)).all()


@pytest.mark.parametrize(
    ("sizes", "kept", "budget", "taken"),
    [
        ([10, 10, 10], [8, 0, 0], 14, [8, 3, 3]),
        ([10, 10, 10], [2, 2, 2], 9, [3, 3, 3]),
        ([2, 50, 50], [0, 20, 3], 32, [2, 20, 10]),
        ([5, 5], [5, 5], 10, [5, 5]),
    ],
)
def test_topping_up_by_hand(sizes, kept, budget, taken):
    assert top_up(sizes, kept, budget).tolist() == taken
