"""Quotas over clusters, and the pick inside each."""

import dataclasses
import re

import numpy as np
import pytest

from core.selection.quotas import quotas, water_fill
from core.selection.s2l_options import Switches
from core.selection.strategies.catalog import having
from core.trajectories.row_checks import never_learned
from tests.core.pools import K, N, make_pool, pick


def counts(pool, choice, labels=None):
    return np.bincount((pool.labels if labels is None else labels)[choice.positions], minlength=K)


@pytest.mark.parametrize("rule", ["equal", "proportional", "sqrt", "capped"])
def test_allocation(rule):
    pool = make_pool()
    sizes = np.bincount(pool.labels)
    taken = counts(pool, pick(pool, "s2l", "40", 0, {"allocation": rule}))
    assert taken.tolist() == quotas(sizes, 40, allocation=rule).tolist()


def test_a_cap_that_leaves_too_little_is_refused():
    with pytest.raises(ValueError, match=r"leave room for .* less than the budget of 60"):
        pick(make_pool(), "s2l", "60", 0, {"allocation": "capped"})
    with pytest.raises(ValueError, match="--cap counts with --allocation capped only"):
        Switches(cap=0.3)


def test_pick_inside_a_cluster():
    pool = make_pool()
    final = pool.losses[:, -1]
    for how, key in (("hardest", -final), ("easiest", final)):
        choice = pick(pool, "s2l", "30", 0, {"pick": how})
        for c, n in enumerate(water_fill(np.bincount(pool.labels), 30)):
            inside = np.flatnonzero(pool.labels == c)
            best = inside[np.argsort(key[inside], kind="stable")[:n]]
            assert set(best) == set(choice.positions[pool.labels[choice.positions] == c])
    x = pool.losses[:, 1:]
    choice = pick(pool, "s2l", "7", 0, {"pick": "medoid"})
    for row in choice.positions:
        inside = np.flatnonzero(pool.labels == pool.labels[row])
        gaps = np.linalg.norm(x[inside] - x[inside].mean(0), axis=1)
        assert row == inside[gaps.argmin()]

    def apart(how):
        chosen = pick(pool, "s2l", "30", 0, {"pick": how}).positions
        big = x[chosen[pool.labels[chosen] == K - 1]]
        gaps = np.linalg.norm(big[:, None] - big, axis=2)
        return gaps[gaps > 0].min()

    assert apart("spread") > apart("random")


def test_the_noise_guard_holds_a_never_learned_cluster_to_its_share():
    pool = make_pool()
    losses = np.array(pool.losses)
    losses[pool.labels == 0] = 5  # the smallest cluster stays where it began
    pool = dataclasses.replace(pool, losses=losses)
    size = int((pool.labels == 0).sum())
    high = float(np.quantile(losses[:, -1], 0.75))
    medians = [np.median(losses[pool.labels == c], axis=0) for c in range(K)]
    noisy = [never_learned(float(m[0]), float(m[-1]), high) for m in medians]
    assert noisy == [True] + [False] * (K - 1)
    free = counts(pool, pick(pool, "s2l", "40"))
    held = counts(pool, pick(pool, "s2l", "40", 0, {"noise_guard": True}))
    assert held[0] == -(-40 * size // N) < free[0]
    with pytest.raises(ValueError, match="no recording at step 0"):
        pick(dataclasses.replace(pool, start=False), "s2l", "40", 0, {"noise_guard": True})


def test_small_sources_are_kept_whole_and_count():
    pool = make_pool()
    small = np.flatnonzero(pool.sources == "c")
    choice = pick(pool, "s2l", "30", 0, {"small_sources": len(small) + 1})
    assert choice.positions[: len(small)].tolist() == small.tolist()
    assert choice.reasons[0] == f"source c: kept whole, {len(small)} rows"
    had = np.bincount(pool.labels[small], minlength=K)
    assert counts(pool, choice).tolist() == quotas(np.bincount(pool.labels), 30, had).tolist()
    with pytest.raises(ValueError, match=r"less than the 90 of small sources; raise it or lower"):
        pick(pool, "s2l", "30", 0, {"small_sources": N})


def test_quotas_set_by_hand():
    pool = make_pool()
    taken = counts(pool, pick(pool, "s2l", "30", 0, {"quotas": "6=9, 0=0, 5<=2"}))
    assert (taken[6], taken[0]) == (9, 0)
    assert taken[5] <= 2
    assert taken.sum() == 30
    zero = {"quotas": ",".join(f"{c}=0" for c in range(K))}
    for how, message in (
        ({"quotas": "9=1"}, "there is no cluster 9"),
        ({"quotas": "6=31"}, "cluster 6 is set to 31|set by hand are 31 rows"),
        (zero, "leave room for 0 rows"),
        ({"quotas": "0=999"}, "lower its quota"),
    ):
        with pytest.raises(ValueError, match=message):
            pick(pool, "s2l", "30", 0, how)
    with pytest.raises(ValueError, match="the budget must be rows or a share"):
        pick(pool, "s2l", "100 tokens", 0, {"quotas": "0=1"})
    for text in ("3", "a=1", "3=-1", "3>=4", "3==4"):
        with pytest.raises(ValueError, match=re.escape(f"--quotas has {text!r}; write")):
            Switches(quotas=text)
    with pytest.raises(ValueError, match="names cluster 3 twice"):
        Switches(quotas="3=1,3<=4")


@pytest.mark.parametrize("name", having(switches=False))
def test_a_switch_of_another_family_is_refused(name):
    with pytest.raises(
        ValueError, match="--pick counts for s2l, s2l_per_source and s2l_scores only"
    ):
        pick(make_pool(), name, "9", 0, {"pick": "medoid"})
    with pytest.raises(ValueError, match="makes its own per source"):
        pick(make_pool(), "s2l_per_source", "9", 0, {"quotas": "0=1"})


def test_data_without_sources_cannot_be_shared_over_them():
    pool = make_pool()
    pool = dataclasses.replace(pool, sources=np.full(N, "all", object))
    for name in ("random_per_source", "s2l_per_source"):
        with pytest.raises(ValueError, match=r"names no sources .*--source-column"):
            pick(pool, name, "9")
    with pytest.raises(ValueError, match="names no sources"):
        pick(pool, "s2l", "9", 0, {"small_sources": 3})
