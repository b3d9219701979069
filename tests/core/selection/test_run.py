import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import selection
from core.selection import budget
from core.selection.choose import choose
from core.selection.pool import Choice, Pool
from core.selection.quotas import top_up, water_fill
from core.selection.run import ids_sha256
from core.selection.strategies.catalog import STRATEGIES
from core.workspace.store import Workspace
from tests.core.pools import K, make_pool

SAVE = """
import sys
from core import selection
from core.workspace.store import Workspace
print("ready", flush=True)
sys.stdin.readline()
workspace, settings = Workspace(sys.argv[1]), selection.Settings(parent=sys.argv[2], budget="37")
same = workspace.same("selection", selection.key(workspace, settings))
print(same.id if same else selection.run(workspace, settings))
"""


def test_one_selection_saved_by_two_processes_at_once_is_whole_and_equal(house, tmp_path):
    root = shutil.copytree(house.workspace.root, tmp_path / "workspace")
    before = {e.id for e in Workspace(root).entries("selection")}
    command = [sys.executable, "-c", SAVE, str(root), house.clusters]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    here = pathlib.Path(__file__).parents[3]
    running = [subprocess.Popen(command, cwd=here, **pipes) for _ in range(2)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    made = [process.communicate(timeout=60)[0].split()[-1] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    check_saved(Workspace(root), before, made)


def test_one_selection_saved_by_threads_at_once_is_whole_and_equal(house, tmp_path):
    workspace = Workspace(shutil.copytree(house.workspace.root, tmp_path / "workspace"))
    before = {e.id for e in workspace.entries("selection")}
    settings, barrier = (
        selection.Settings(parent=house.clusters, budget="37"),
        threading.Barrier(4),
    )

    def save(_):
        barrier.wait()
        same = workspace.same("selection", selection.key(workspace, settings))
        return same.id if same else selection.run(workspace, settings)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        check_saved(workspace, before, list(pool.map(save, range(4))))


def check_saved(workspace, before, made):
    """Whoever came first: what stands is whole, equal, and all that there is."""
    entries = {e.id: e.state for e in workspace.entries("selection") if e.id not in before}
    assert entries == dict.fromkeys(set(made), "sealed")
    assert not list((workspace.root / "selection").glob("*.partial"))
    artifacts = [workspace.open(id) for id in set(made)]
    assert all(workspace.verify(a.id) == [] for a in artifacts)
    assert len({a.summary["ids_sha256"] for a in artifacts}) == 1
    assert len({a.manifest["fingerprint"] for a in artifacts}) == 1


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
    budget = data.draw(st.integers(0, sum(sizes)))
    taken, sizes = water_fill(sizes, budget), np.array(sizes)
    cut = taken[taken < sizes]
    if len(cut):
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


def picked(pool, name, wanted, seed=0):
    return pool.ids[choose(pool, name, budget.parse(wanted), seed).positions].tolist()


def test_what_the_loss_based_selectors_take():
    pool = make_pool()
    first, final = pool.losses[:, 0], pool.losses[:, -1]
    for name, key in (
        ("least_confidence", -final),
        ("low_final_loss", final),
        ("high_learnability", final - first),
    ):
        assert picked(pool, name, "9") == pool.ids[np.argsort(key, kind="stable")[:9]].tolist()
    middle = choose(pool, "middle_perplexity", budget.parse("9"), 0).positions
    ranks = np.argsort(np.argsort(final))[middle]
    assert sorted(ranks) == list(range(41, 50))


def test_ties_break_by_id():
    pool = make_pool()
    flat = Pool(**{**pool.__dict__, "losses": np.ones_like(pool.losses)})
    for name in ("least_confidence", "low_final_loss", "high_learnability"):
        assert picked(flat, name, "5") == pool.ids[:5].tolist()


def test_s2l_takes_small_clusters_whole_and_draws_evenly_from_the_others():
    pool = make_pool()
    choice = choose(pool, "s2l", budget.parse("40"), 0)
    taken = np.bincount(pool.labels[choice.positions], minlength=K)
    assert taken.tolist() == water_fill(np.bincount(pool.labels), 40).tolist()
    for position, reason in zip(choice.positions, choice.reasons, strict=True):
        assert reason.startswith(f"cluster {pool.labels[position]}: ")


def test_per_source_selectors_share_over_sources():
    pool = make_pool()
    names, counts = np.unique(pool.sources.astype(str), return_counts=True)
    for name in ("random_per_source", "s2l_per_source"):
        chosen = pool.sources[choose(pool, name, budget.parse("30"), 0).positions]
        found = [int((chosen == s).sum()) for s in names]
        assert found == water_fill(counts, 30).tolist()


def test_shared_budgets_count_what_is_kept():
    pool = make_pool()
    kept = np.flatnonzero(pool.labels == K - 1)[:9]  # of the largest cluster
    choice = choose(pool, "s2l", budget.parse("40"), 0, stay(kept))
    had = np.bincount(pool.labels[kept], minlength=K)
    taken = np.bincount(pool.labels[choice.positions], minlength=K)
    assert taken.tolist() == top_up(np.bincount(pool.labels), had, 40).tolist()
    names, of = np.unique(pool.sources.astype(str), return_inverse=True)
    kept = np.flatnonzero(of == 0)[:25]
    for name in ("random_per_source", "s2l_per_source"):
        chosen = of[choose(pool, name, budget.parse("40"), 0, stay(kept)).positions]
        had = np.bincount(of[kept], minlength=len(names))
        assert np.bincount(chosen).tolist() == top_up(np.bincount(of), had, 40).tolist()


def test_a_token_budget_holds_what_is_kept_too():
    pool = make_pool()
    kept = np.arange(10)
    had = int(pool.tokens[kept].sum())
    made = choose(pool, "s2l", budget.parse(f"{had + 100} tokens"), 0, stay(kept)).positions
    assert made[:10].tolist() == kept.tolist()
    assert had < pool.tokens[made].sum() <= had + 100
    assert len(choose(pool, "s2l", budget.parse(f"{had} tokens"), 0, stay(kept)).positions) == 10
    with pytest.raises(ValueError, match=f"is less than the {had:,} of the 10 kept"):
        choose(pool, "s2l", budget.parse(f"{had - 1} tokens"), 0, stay(kept))


def stay(positions, reason="kept from x"):
    return Choice(positions, [reason] * len(positions))


def seal(house, strategy, parent, wanted="20%", seed=0):
    match = (
        {"match": house.selection, "target_parameters": 1e6}
        if STRATEGIES[strategy].size == "matched"
        else {}
    )
    chosen = selection.Settings(parent=parent, strategy=strategy, budget=wanted, seed=seed, **match)
    return house.workspace.open(selection.run(house.workspace, chosen))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sealed_selections_hold_no_test_row_and_no_unmeasurable_row(house, strategy):
    made = seal(house, strategy, house.clusters)
    table = pd.read_parquet(made.path / "table.parquet")
    examples = pd.read_parquet(house.workspace.open(house.dataset).path / "examples.parquet")
    losses = np.load(house.workspace.open(house.trajectories).path / "losses.npy")
    assert table.columns.tolist() == ["row", "id", "cluster", "rank", "reason"]
    assert (examples["split"].to_numpy()[table["row"]] == "pool").all()
    assert np.isfinite(losses[table["row"]]).all()
    assert (examples["id"].to_numpy()[table["row"]] == table["id"]).all()
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert made.summary["ids_sha256"] == ids_sha256(table["id"].tolist())
    assert made.summary["rows"] == len(table)
    assert made.summary["pool"] == 139  # 160 rows, 20 test rows, one unmeasurable
    if STRATEGIES[strategy].size == "budget":
        assert len(table) == 27  # 20%


def test_any_parent_that_suffices(house):
    for strategy, parent in (
        ("random", house.dataset),
        ("full", house.dataset),
        ("random_per_source", house.trajectories),
        ("low_final_loss", house.trajectories),
    ):
        assert seal(house, strategy, parent).parents == {house.workspace.open(parent).kind: parent}
    with pytest.raises(ValueError, match=r"s2l needs clusters; .* is a trajectories"):
        seal(house, "s2l", house.trajectories)
    with pytest.raises(ValueError, match="low_final_loss needs trajectories"):
        seal(house, "low_final_loss", house.dataset)
    with pytest.raises(ValueError, match="token budget needs trajectories"):
        seal(house, "random", house.dataset, "100 tokens")


def test_the_hash_is_of_the_set_of_ids():
    assert ids_sha256(["b", "a"]) == ids_sha256(["a", "b"]) != ids_sha256(["a"])
