import numpy as np
import pytest

from core.selection import budget
from core.selection.choose import choose
from core.selection.pool import Choice, Pool
from core.selection.quotas import top_up, water_fill
from tests.core.pools import K, make_pool


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
