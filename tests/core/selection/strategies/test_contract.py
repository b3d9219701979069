"""What every selector promises, and every switch of S2L's family."""

import dataclasses
import gc
import shutil
import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import selection
from core.selection.budget import parse
from core.selection.pool import Choice
from core.selection.quotas import water_fill
from core.selection.strategies.catalog import STRATEGIES, having
from core.workspace.store import Workspace
from tests.core.pools import (
    MATCHED_ROWS,
    MATCHED_TOKENS,
    N,
    ids,
    make_pool,
    pick,
    with_odd_rows,
    write_queries,
)
from tests.core.selection.strategies.test_s2l import counts

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
    elif STRATEGIES[name].quotas:
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
        assert (
            choice.positions.tolist() == pick(pool, name, wanted, 3, how, pinned).positions.tolist()
        )
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


def permuted(finished, root):
    """Seal the dataset, trajectories and clusters with their rows in another order."""
    order = np.random.default_rng(5).permutation(160)
    workspace, parents = Workspace(root), {}
    for kind in ("dataset", "trajectories", "clusters"):
        old = finished.workspace.open(getattr(finished, kind))
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
            shutil.copytree(old.path / "proxy", draft.path / "proxy")
        parents = {kind: draft.seal(dict(old.summary)).id}
    return workspace, parents["clusters"]


def test_a_permuted_dataset_gives_the_same_ids_and_nan_rows_never(finished, tmp_path):
    workspace, clusters = permuted(finished, tmp_path / "w")
    ids = pd.read_parquet(finished.workspace.open(finished.dataset).path / "examples.parquet")["id"]
    scores = tmp_path / "scores.csv"
    pd.DataFrame({"id": ids, "score": np.arange(len(ids))}).to_csv(scores, index=False)
    for name in STRATEGIES:
        made = []
        for home, parent in ((finished.workspace, finished.clusters), (workspace, clusters)):
            how = {"strategy": name, "budget": "25%", "dedup": "exact"}
            if STRATEGIES[name].size == "matched":
                first = selection.run(home, selection.Settings(parent=parent, budget="10%"))
                how |= {"match": first, "target_parameters": 1e6}
            if STRATEGIES[name].scores:
                how |= {"scores": str(scores)}
            if STRATEGIES[name].queries:
                how |= {"queries": write_queries(tmp_path)}
            chosen = selection.run(home, selection.Settings(parent=parent, **how))
            table = pd.read_parquet(home.open(chosen).path / "table.parquet")
            made.append(table["id"].tolist())
            losses = np.load(
                home.open(home.open(parent).ancestor("trajectories").id).path / "losses.npy"
            )
            assert np.isfinite(losses[table["row"]]).all()
        assert made[0] == made[1], name
