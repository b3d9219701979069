"""What every selector promises, and every switch of S2L's family."""

import dataclasses
import gc
import re
import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import selection
from core.selection.budget import parse
from core.selection.choose import choose
from core.selection.pool import Choice
from core.selection.quotas import quotas, water_fill
from core.selection.s2l_options import Switches
from core.selection.strategies.catalog import STRATEGIES, having
from core.trajectories.row_checks import never_learned
from core.workspace.store import Workspace
from tests.core.pools import MATCHED_ROWS, MATCHED_TOKENS, K, N, make_pool, with_odd_rows

SIZED = having(size="budget")
SWITCHES = {
    "proportional": {"allocation": "proportional"},
    "sqrt": {"allocation": "sqrt"},
    "capped": {"allocation": "capped", "cap": 0.8},
    "medoid": {"pick": "medoid"},
    "spread": {"pick": "spread"},
    "hardest": {"pick": "hardest"},
    "easiest": {"pick": "easiest"},
    "guard": {"noise_guard": True},
    "small sources": {"small_sources": 12},
    "manual": {"quotas": "6=9,0=0,5<=2"},
}
CASES = [(name, {}) for name in STRATEGIES] + [
    (family, how)
    for family in having(switches=True)
    for how in SWITCHES.values()
    if STRATEGIES[family].quotas or "quotas" not in how
]
BY_TOKENS = [
    (name, how) for name, how in CASES if STRATEGIES[name].size == "budget" and "quotas" not in how
]


def over(cases):
    """Run a test over strategies with their switches."""
    names = [" ".join([name, *(f"{k}={v}" for k, v in how.items())]) for name, how in cases]
    return pytest.mark.parametrize(("name", "how"), cases, ids=names)


every = over(CASES)


def pick(pool, name, wanted, seed=0, how=None, stay=None):
    return choose(pool, name, parse(wanted), seed, stay, Switches(**(how or {})))


def ids(pool, *args, **kwargs):
    return pool.ids[pick(pool, *args, **kwargs).positions].tolist()


def check_size(pool, name, choice, n):
    if name == "random_token_matched":
        sums = pool.tokens[choice.positions].cumsum()
        assert sums[-1] >= MATCHED_TOKENS
        assert len(sums) == 1 or sums[-2] < MATCHED_TOKENS, "within one row"
    else:
        exact = {"full": len(pool), "random_cost_matched": MATCHED_ROWS}.get(name, n)
        assert len(choice.positions) == exact


@every
def test_the_budget_is_exact_rows_are_distinct_and_each_has_a_reason(name, how):
    pool = make_pool()
    for wanted, n in (("20", 20), ("50%", 45), ("55", 55)):
        choice = pick(pool, name, wanted, 3, how)
        check_size(pool, name, choice, n)
        assert len(set(choice.positions.tolist())) == len(choice.positions) == len(choice.reasons)
        assert all(choice.reasons)


def test_no_pool_outlives_its_choice():
    pool = make_pool()
    pick(pool, "s2l_per_source", "300 tokens")
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("name", SIZED)
def test_any_size_can_be_chosen(name):
    pool = make_pool()
    for wanted in ("1", "2", "89", "90", "100%"):
        assert len(set(ids(pool, name, wanted))) == parse(wanted).rows(N)


@every
def test_the_seed_decides_and_nothing_else(name, how):
    once, again = ids(make_pool(), name, "23", 3, how), ids(make_pool(), name, "23", 3, how)
    assert once == again
    other = ids(make_pool(), name, "23", 4, how)
    if how.get("pick", "random") == "random":
        assert (other != once) == STRATEGIES[name].seeded
    elif name == "s2l":
        assert set(other) == set(once), "only the ranks are mixed"
    else:  # the seed decides the clusters inside the sources, not how many rows each source gives
        assert other != once
        sources = [[make_pool().sources[int(i)] for i in sorted(x)] for x in (once, other)]
        assert sorted(sources[0]) == sorted(sources[1])


@every
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_rows_of_the_dataset_may_stand_in_any_order(name, how, seed):
    order = np.random.default_rng(seed).permutation(N)
    assert ids(make_pool(order), name, "37", seed, how) == ids(make_pool(), name, "37", seed, how)


@every
@settings(max_examples=8, deadline=None)
@given(st.integers(0, N), st.integers(0, 10**6))
def test_the_rest_is_drawn_beside_what_stays(name, how, n, seed):
    if "quotas" in how or how.get("allocation") == "capped":
        n = 0  # what stays may be above what is set: said in test_quotas
    pool, rng = make_pool(), np.random.default_rng(seed)
    kept = rng.permutation(N)[:n]
    stay = Choice(kept, ["kept from x"] * n)
    size = int(rng.integers(20, 60)) if not n else int(rng.integers(min(N, n + 12), N + 1))
    if STRATEGIES[name].size == "matched":
        kept, n = kept[:8], min(n, 8)  # 8 rows have fewer than the 250 tokens of its match
        stay = Choice(kept, ["kept from x"] * n)
    choice = pick(pool, name, f"{size}", seed, how, stay)
    positions = choice.positions.tolist()
    assert positions[:n] == kept.tolist()
    check_size(pool, name, choice, size)
    assert len(set(positions)) == len(positions)
    assert choice.reasons[:n] == ["kept from x"] * n
    assert "kept from x" not in choice.reasons[n:]
    assert all(choice.reasons)
    again = pick(make_pool(), name, f"{size}", seed, how, stay)
    assert again.positions.tolist() == positions, "seeded"
    if STRATEGIES[name].size == "budget" and n > 1:
        with pytest.raises(ValueError, match=rf"less than the {n} kept.*raise it"):
            pick(pool, name, f"{n - 1}", seed, {}, stay)


@every
def test_pinned_rows_without_a_loss_are_in_first_and_others_never(name, how):
    """Two rows without a loss, one without a cluster: the others share what is left."""
    pool, pinned = with_odd_rows(make_pool())
    odd = pinned.positions.tolist()
    budgets = [("20", 20), ("50%", 46), ("55", 55)]
    for wanted, n in [*budgets, ("300 tokens", 0)] if (name, how) in BY_TOKENS else budgets:
        choice = pick(pool, name, wanted, 3, how, pinned)
        positions, drawn = choice.positions.tolist(), choice.positions[3:]
        assert positions[:3] == odd
        assert choice.reasons[:3] == ["pinned"] * 3
        assert "pinned" not in choice.reasons[3:]
        assert np.isfinite(pool.losses[drawn]).all()
        assert (pool.labels[drawn] >= 0).all()
        assert len(set(positions)) == len(positions)
        assert choice.positions.tolist() == pick(pool, name, wanted, 3, how, pinned).positions.tolist()  # fmt: skip
        if n:
            check_size(pool, name, choice, n)
        else:
            assert pool.tokens[positions].sum() <= 300
        if name == "s2l" and n and not how:
            shares = water_fill(np.bincount(pool.labels[pool.labels >= 0]), n - 3)
            assert counts(pool, Choice(drawn, [])).tolist() == shares.tolist()


@pytest.mark.parametrize("name", SIZED)
def test_nothing_but_pinned_rows_without_a_loss_is_a_choice_too(name):
    pool, pinned = with_odd_rows(make_pool())
    assert pick(pool, name, "3", 0, {}, pinned).positions.tolist() == pinned.positions.tolist()
    assert len(set(ids(pool, name, "100%", stay=pinned))) == N + 3
    with pytest.raises(ValueError, match="less than the 3 pinned; raise it or unpin some"):
        pick(pool, name, "2", 0, {}, pinned)


@pytest.mark.parametrize("space", ["embeddings", "trajectories"])
def test_rows_without_a_loss_are_like_no_other(space):
    pool, pinned = with_odd_rows(make_pool(space=space))
    for name in ("facility_location", "k_center", "d4"):
        reasons = pick(pool, name, "30", 0, {}, pinned).reasons
        assert not any("nan" in reason for reason in reasons)


@pytest.mark.parametrize("name", SIZED)
def test_a_budget_that_cannot_be_met_is_refused_in_a_sentence(name):
    pool = make_pool()
    for wanted in ("91", "1000"):
        with pytest.raises(ValueError, match="more than the 90 eligible rows"):
            pick(pool, name, wanted)
    longer = dataclasses.replace(pool, tokens=pool.tokens + 9)
    with pytest.raises(ValueError, match="below the shortest choice; rows have 11 to 38 response"):
        pick(longer, name, "2 tokens")
    with pytest.raises(ValueError, match="a token budget needs trajectories"):
        pick(dataclasses.replace(pool, tokens=pool.tokens[:0]), name, "300 tokens")


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_empty_pool_is_refused_in_a_sentence(name):
    with pytest.raises(ValueError, match="no row can be selected"):
        pick(make_pool().take(np.zeros(0, np.int64)), name, "1")


@over(BY_TOKENS)
def test_a_token_budget_is_filled_to_at_most_its_size(name, how):
    pool = make_pool()
    taken = pool.tokens[pick(pool, name, "500 tokens", 0, how).positions].sum()
    assert 440 <= taken <= 500


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


def test_a_baseline_without_its_match_is_refused():
    for name in having(size="matched"):
        with pytest.raises(ValueError, match=rf"{name} needs the selection .* --match"):
            pick(make_pool(match=None), name, "9")
    too_much = make_pool(match=make_pool().match._replace(rows=91))
    with pytest.raises(ValueError, match="worth 91 rows, more than the 90 eligible"):
        pick(too_much, "random_cost_matched", "9")
    with pytest.raises(ValueError, match="has 9,999 response tokens, the pool"):
        pick(make_pool(match=make_pool().match._replace(tokens=9999)), "random_token_matched", "9")


def test_what_the_trajectory_scores_take():
    pool = make_pool()
    losses = np.array(pool.losses)
    losses[[5, 50]] = [[3, 1, 2, 3], [3, 1, 2, 1]]  # forgotten twice, once
    moved = dataclasses.replace(pool, losses=losses)
    assert ids(moved, "forgetting", "3") == ["0005", "0050", "0000"]
    assert pick(moved, "forgetting", "1").reasons == ["times forgotten 2, number 1 from the top"]
    spread = np.exp(-pool.losses[:, 1:]).std(1)
    assert pick(pool, "cartography_ambiguous", "9").positions.tolist() == np.argsort(-spread, kind="stable")[:9].tolist()  # fmt: skip


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
    with pytest.raises(ValueError, match="--pick counts for s2l and s2l_per_source only"):
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


def permuted(house, root):
    """Seal the dataset, trajectories and clusters of the house with their rows in another order."""
    order = np.random.default_rng(5).permutation(160)
    workspace, parents = Workspace(root), {}
    for kind in ("dataset", "trajectories", "clusters"):
        old = house.workspace.open(getattr(house, kind))
        draft = workspace.draft(kind, name=old.name, config=old.config, parents=dict(parents))
        for file in ("examples.parquet", "flags.parquet"):
            if (old.path / file).exists():
                frame = pd.read_parquet(old.path / file).iloc[order].reset_index(drop=True)
                if "row" in frame:
                    frame["row"] = np.arange(160)
                frame.to_parquet(draft.path / file)
        for file in ("losses.npy", "pooled.npy", "labels.npy"):
            if (old.path / file).exists():
                np.save(draft.path / file, np.load(old.path / file)[order])
        if (old.path / "steps.npy").exists():
            np.save(draft.path / "steps.npy", np.load(old.path / "steps.npy"))
        parents = {kind: draft.seal(dict(old.summary)).id}
    return workspace, parents["clusters"]


def test_a_permuted_dataset_gives_the_same_ids_and_nan_rows_never(house, tmp_path):
    workspace, clusters = permuted(house, tmp_path / "w")
    for name in STRATEGIES:
        made = []
        for home, parent in ((house.workspace, house.clusters), (workspace, clusters)):
            how = {"strategy": name, "budget": "25%", "dedup": "exact"}
            if STRATEGIES[name].size == "matched":
                first = selection.run(home, selection.Settings(parent=parent, budget="10%"))
                how |= {"match": first, "target_parameters": 1e6}
            chosen = selection.run(home, selection.Settings(parent=parent, **how))
            table = pd.read_parquet(home.open(chosen).path / "table.parquet")
            made.append(table["id"].tolist())
            losses = np.load(home.open(home.ancestor(home.open(parent), "trajectories").id).path / "losses.npy")  # fmt: skip
            assert np.isfinite(losses[table["row"]]).all()
        assert made[0] == made[1], name
