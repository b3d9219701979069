import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from core.transfer import agreement
from core.transfer.agreement import ari_so_far, clusterings, match, rank_correlations

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def fewer_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "DRAWS", 200)
        yield


def pair(seed, n=80, noise=0.5, columns=3):
    """Two models' losses of the same rows, alike up to noise."""
    rng = np.random.default_rng(seed)
    hard = rng.gamma(2, size=(n, 1))
    one, two = ((hard + noise * rng.random((n, columns))).astype(np.float32) for _ in range(2))
    return one, two


def groups(seed, n=120, k=3):
    """Trajectories of k kinds, far apart."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(k, size=n)
    falls = np.outer(1 + np.arange(k), [1.0, 0.8, 0.3])[kind]
    return (falls + 0.02 * rng.random((n, 3))).astype(np.float32)


def names(n):
    return np.array([f"{i:05d}" for i in range(n)], object)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_it_is_spearmans_and_lies_in_its_interval(seed):
    one, two = pair(seed)
    found = rank_correlations(one, two, seed=1)
    for column, each in enumerate(found):
        expected = spearmanr(one[:, column], two[:, column]).statistic
        assert each.value == pytest.approx(expected, abs=1e-6)
        assert -1 <= each.low <= each.value <= each.high <= 1
        assert each.high - each.low > 0.01


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_any_rising_function_of_the_same_losses_is_the_same_ranking(seed):
    one, _ = pair(seed)
    for other in (one, 7 * one + 3, np.exp(one), np.log(one)):
        for each in rank_correlations(one, other, seed=0):
            assert each == pytest.approx((1, 1, 1))
    for each in rank_correlations(one, -one, seed=0):
        assert each == pytest.approx((-1, -1, -1))


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed):
    one, two = pair(seed)
    mixed = np.random.default_rng(seed).permutation(len(one))
    before = [r.value for r in rank_correlations(one, two, seed=0)]
    after = [r.value for r in rank_correlations(one[mixed], two[mixed], seed=0)]
    assert before == pytest.approx(after)
    ids = names(len(one))
    assert clusterings(one, two, ids, 3, seed=0).ari.value == pytest.approx(
        clusterings(one[mixed], two[mixed], ids[mixed], 3, seed=0).ari.value
    )


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_losses_of_shuffled_rows_agree_in_nothing(seed):
    one = groups(seed, n=300)
    rng = np.random.default_rng(seed)
    other = one[rng.permutation(len(one))]
    (rho,) = rank_correlations(one[:, -1:], other[:, -1:], seed=0)
    assert abs(rho.value) < 0.3, "five standard deviations"
    found = clusterings(one, other, names(len(one)), 3, seed=0)
    assert abs(found.ari.value) < 0.08
    assert found.proxy_ceiling > 0.9, "while each side agrees with itself"
    assert found.target_ceiling > 0.9


@given(seeds)
@settings(max_examples=5, deadline=None)
def test_kinds_that_both_models_tell_apart_are_the_same_clusters(seed):
    one = groups(seed)
    two = np.sqrt(one)[:, [0, 1, 2, 2]] + 1
    found = clusterings(one, two, names(len(one)), 3, seed=0)
    assert found.ari.value == pytest.approx(1)
    assert found.ari.low <= found.ari.value <= found.ari.high
    assert found.chance < 0.2


@pytest.mark.parametrize("noise", [0.1, 1, 10])
@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_the_clusters_holds_the_estimate(seed, noise):
    """Rows drawn twice would agree with themselves and lift it: it is drawn without repeats."""
    one, two = pair(seed, n=120, noise=noise)
    found = clusterings(one, two, names(120), 8, seed=0).ari
    assert found.low < found.value < found.high


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    one, two = pair(0)
    assert rank_correlations(one, two, 3) == rank_correlations(one, two, 3)
    assert rank_correlations(one, two, 3) != rank_correlations(one, two, 4)


def test_losses_without_an_order_agree_with_nothing():
    one, _ = pair(0)
    for each in rank_correlations(one, np.ones_like(one), seed=0):
        assert each == (0, 0, 0)


def test_the_interval_narrows_with_the_rows():
    width = []
    for n in (50, 800):
        (each,) = rank_correlations(*(x[:, :1] for x in pair(2, n=n, noise=3)), seed=0)
        width.append(each.high - each.low)
    assert width[1] < width[0] / 2


@pytest.mark.parametrize(
    ("proxy", "target", "pairs"),
    [
        ([0, 10, 20], [0, 1, 2], [(0, 0), (1, 1), (2, 2)]),
        ([0, 5, 10, 15, 20], [0, 3, 6], [(0, 0), (2, 1), (4, 2)]),
        ([0, 20], [0, 1, 2, 3, 4], [(0, 0), (1, 3), (1, 4)]),  # 1 and 2 are nearest to untrained
        ([5, 10], [0, 2, 4], [(0, 1), (1, 2)]),  # recorded elsewhere, never before training
        ([12], [0, 2, 4], [(0, 1), (0, 2)]),
    ],
)
def test_recordings_are_paired_by_share_of_the_training(proxy, target, pairs):
    assert match(np.array(proxy), np.array(target)).tolist() == [list(p) for p in pairs]


def test_agreement_so_far_ends_with_that_of_the_whole_trajectories():
    """Two models that part after the second recording agree until then."""
    one, n = groups(0), 120
    two = one.copy()
    two[:, 2] = 50 * np.random.default_rng(1).integers(3, size=n)
    pairs = match(np.array([0, 5, 10]), np.array([0, 1, 2]))
    found = ari_so_far(one, two, pairs, names(n), 3, seed=0)
    assert found[:2] == pytest.approx([1, 1])
    assert found[2] == clusterings(one, two, names(n), 3, seed=0).ari.value < 0.2
