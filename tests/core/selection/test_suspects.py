import numpy as np
import pytest

from core import selection
from core.errors import InputError
from core.selection.filters import GUARDED
from core.selection.reproduce import differences
from core.selection.suspects import harder_than_their_kind


def kinds(wrong_share=0.2, n=200, width=64):
    """Two kinds of text, one learned to 0.5 and one to 3 nats; wrong answers of either end at 6."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], n // 2)
    middles = rng.normal(size=(2, width))
    pooled = (middles[kind] + 0.1 * rng.normal(size=(n, width))).astype(np.float16)
    wrong = np.zeros(n, bool)
    wrong[rng.permutation(n)[: int(wrong_share * n)]] = True
    final = np.where(wrong, 6, np.where(kind, 3, 0.5)) + 0.05 * rng.normal(size=n)
    return pooled, final.astype(np.float32), wrong, kind


def test_wrong_answers_are_found_in_easy_and_hard_kinds_and_hard_kinds_stay():
    pooled, final, wrong, kind = kinds()
    hit = harder_than_their_kind(pooled, np.arange(200), final, 2)
    assert hit[wrong].all()
    assert hit[~wrong].mean() < 0.1
    assert (final[~wrong & (kind == 1)] > final[~wrong & (kind == 0)].max()).all()


def test_the_rule_by_a_plain_loop():
    pooled, final, _, kind = kinds(0.1)
    hit = harder_than_their_kind(pooled, np.arange(200), final, 2)
    for label in (0, 1):  # k-means finds the two kinds, which lie far apart
        losses = sorted(final[kind == label].tolist())
        middle = (losses[49] + losses[50]) / 2
        gaps = sorted(abs(x - middle) for x in losses)
        limit = middle + 2 * 1.4826 * (gaps[49] + gaps[50]) / 2
        assert hit[kind == label].tolist() == [x > limit for x in final[kind == label].tolist()]


def test_rows_of_which_nothing_is_known_are_not_suspected():
    pooled, final, wrong, _ = kinds()
    pooled[wrong] = 0  # no embedding
    assert not harder_than_their_kind(pooled, np.arange(200), final, 2)[wrong].any()
    final[:] = np.nan
    assert not harder_than_their_kind(pooled, np.arange(200), final, 2).any()
    assert harder_than_their_kind(pooled, np.arange(1), final[:1]).tolist() == [False]


def test_a_guarded_selection_says_how_many_are_out_and_is_made_again(copied):
    made = {}
    for strategy in ("s2l", "random"):
        settings = selection.Settings(
            parent=copied.clusters, strategy=strategy, budget="30%", guard="relative"
        )
        made[strategy] = copied.workspace.open(selection.run(copied.workspace, settings))
        assert made[strategy].name.endswith("relative guard")
        out = made[strategy].summary["filtered"][GUARDED]
        assert 0 < out < 0.3 * copied.pool
        assert made[strategy].summary["pool"] == copied.pool - out
        assert differences(copied.workspace, made[strategy].id) == []
    plain = selection.Settings(parent=copied.clusters, strategy="s2l", budget="30%")
    assert selection.key(copied.workspace, plain) != made["s2l"].manifest["fingerprint"]


def test_texts_are_needed_to_compare(copied):
    settings = selection.Settings(parent=copied.dataset, strategy="random", guard="relative")
    with pytest.raises(InputError, match="select from trajectories or clusters"):
        selection.run(copied.workspace, settings)
