import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import clusters, dataset, edits
from core.clusters import kmeans
from core.clusters.keywords import keywords, sampled
from core.clusters.kmeans import auto_k, cluster
from core.clusters.statistics import describe, quantiles
from core.dataset.search import prompts
from core.trajectories import features as statistics
from core.trajectories.features import features
from core.workspace.store import Workspace


def curves(n=120, seed=0):
    """Three bundles of trajectories and two unmeasurable rows (n, 5)."""
    rng = np.random.default_rng(seed)
    level = np.repeat([1.0, 2.0, 4.0], n // 3)[:, None]
    losses = level * np.linspace(1, 0.5, 5) + rng.normal(0, 0.02, (n, 5))
    losses[[7, 50]] = np.nan
    losses[50, 0] = 1.0
    ids = np.array([f"{h:08x}" for h in rng.permutation(n)], dtype=object)
    return losses.astype(np.float32), ids


def test_rows_that_cannot_be_measured_are_left_out_and_the_bundles_found():
    losses, ids = curves()
    found = cluster(losses, ids, 3)
    assert found.labels.dtype == np.int32
    assert (np.flatnonzero(found.labels < 0) == [7, 50]).all()
    for part in (slice(0, 40), slice(40, 80), slice(80, 120)):
        assert len(set(found.labels[part]) - {-1}) == 1
    assert found.centroids.shape == (3, 4)
    inside = np.flatnonzero(found.labels >= 0)
    gaps = features(losses, "raw")[inside] - found.centroids[found.labels[inside]]
    assert found.inertia == pytest.approx((gaps**2).sum(), rel=1e-3)


@pytest.mark.parametrize("k", [0, -1, 119, 10**9])
def test_k_out_of_range_says_the_range(k):
    with pytest.raises(ValueError, match="118 rows can be clustered; choose K from 1 to 118"):
        cluster(*curves(), k)


def test_clusters_are_numbered_by_size_then_smallest_id():
    losses = np.array([[0, v] for v in [9, 9, 9, 5, 5, 1, 1]], np.float32)
    ids = np.array(list("gfedcba"), dtype=object)
    assert cluster(losses, ids, 3).labels.tolist() == [2, 2, 2, 1, 1, 0, 0]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from(list(statistics.FEATURES)))
def test_a_permuted_dataset_gives_the_same_clusters_by_id(seed, k, kind):
    losses, ids = curves()
    order = np.random.default_rng(seed).permutation(len(ids))
    one = cluster(losses, ids, k, kind, seed=1)
    two = cluster(losses[order], ids[order], k, kind, seed=1)
    assert (one.labels[order] == two.labels).all()
    np.testing.assert_array_equal(one.centroids, two.centroids)


@pytest.fixture
def sample_of_60(monkeypatch):
    """Take the way of many rows with few."""
    monkeypatch.setattr(kmeans, "EXACT_ROWS", 100)
    monkeypatch.setattr(kmeans, "SAMPLE", 60)
    monkeypatch.setattr(kmeans, "SAMPLE_A_CLUSTER", 3)


@pytest.mark.usefixtures("sample_of_60")
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from(list(statistics.FEATURES)))
def test_many_rows_too_are_clustered_alike_whatever_their_order(seed, k, kind):
    losses, ids = curves()
    order = np.random.default_rng(seed).permutation(len(ids))
    one = cluster(losses, ids, k, kind, seed=1)
    two = cluster(losses[order], ids[order], k, kind, seed=1)
    assert (one.labels[order] == two.labels).all()
    sizes = np.bincount(one.labels[one.labels >= 0])
    assert sizes.tolist() == sorted(sizes)
    assert len(sizes) == len(one.centroids)


@pytest.mark.usefixtures("sample_of_60")
def test_many_rows_are_clustered_by_all_of_them_not_by_the_sample_alone():
    losses, ids = curves()
    found = cluster(losses, ids, 3)
    inside = np.flatnonzero(found.labels >= 0)
    x, labels = features(losses, "raw")[inside], found.labels[inside]
    means = np.array([x[labels == c].mean(0) for c in range(3)])
    np.testing.assert_allclose(found.centroids, means, rtol=1e-5)
    gaps = ((x[:, None] - found.centroids) ** 2).sum(2)
    assert (gaps.argmin(1) == labels).all()
    assert found.inertia == pytest.approx(gaps.min(1).sum(), rel=1e-3)


@pytest.mark.usefixtures("sample_of_60")
@pytest.mark.parametrize("k", [40, 118])
def test_many_clusters_of_many_rows_see_them_all(k):
    losses, ids = curves()
    assert len(cluster(losses, ids, k).centroids) == k


def test_a_sample_gives_an_inertia_near_that_of_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    losses = (
        rng.gamma(2, 1, (4000, 1)) * np.linspace(1, rng.random((4000, 1)), 6)[..., 0].T
    ).astype(np.float32)
    exact = kmeans.fit(losses, 20, 0).inertia
    monkeypatch.setattr(kmeans, "EXACT_ROWS", 3000)
    monkeypatch.setattr(kmeans, "SAMPLE", 1500)
    assert kmeans.fit(losses, 20, 0).inertia < 1.03 * exact


def test_fewer_distinct_rows_than_k_give_fewer_clusters():
    losses = np.repeat(np.array([[0, 1], [0, 2]], np.float32), 5, axis=0)
    found = cluster(losses, np.arange(10).astype(str).astype(object), 6)
    assert sorted(set(found.labels)) == [0, 1]
    assert len(found.centroids) == 2


def test_features():
    losses = np.array([[9, 4, 2, 3], [8, 1, 1, 1]], np.float32)
    assert features(losses, "raw").tolist() == [[4, 2, 3], [1, 1, 1]]
    assert features(losses, "raw", include_start=True).shape == (2, 4)
    assert features(losses, "centred").tolist() == [[1, -1, 0], [0, 0, 0]]
    assert features(losses, "diff").tolist() == [[-2, 1], [0, 0]]
    assert np.isfinite(features(losses, "zscore")).all()
    assert features(losses[:, :2], "diff").tolist() == [[-5], [-7]], "two recordings: all there is"


@pytest.mark.parametrize(
    ("pool", "budget", "k"),
    [(262_040, 0, 100), (16_386, 0, 100), (1000, 0, 11), (100, 0, 2), (1, 0, 1), (5000, 50, 5)],
)
def test_auto_k_never_goes_below_ten_selected_rows_a_cluster(pool, budget, k):
    assert auto_k(pool, budget) == k


def test_quantiles_and_description():
    losses = np.array([[4, 1], [6, 3], [5, 2], [9, 9], [np.nan, np.nan]], np.float32)
    labels = np.array([1, 1, 1, 0, -1], np.int32)
    table = quantiles(losses, labels, np.array([0, 10]))
    assert table.columns.tolist() == ["cluster", "step", "q10", "q25", "q50", "q75", "q90"]
    assert table[table["cluster"] == 1]["q50"].tolist() == [5, 2]
    flags = pd.DataFrame({"n_response": [1, 2, 3, 4, 5], "source": ["b", "a", "a", "c", "a"]})
    rows = describe(labels, losses, flags).to_dict("records")
    assert rows[1] == {
        "cluster": 1,
        "size": 3,
        "first_loss": 5,
        "final_loss": 2,
        "drop": 3,
        "tokens": 2,
        "source": "a",
        "purity": pytest.approx(2 / 3),
    }
    assert (rows[0]["size"], rows[0]["source"], rows[0]["purity"]) == (1, "c", 1)


def test_keywords_set_clusters_apart_and_are_plain_words():
    texts = pd.Series(
        [
            "<script>alert(1)</script> apple apple",
            "apple & pear",
            "river 42 river",
            "the river\0 [x](y)",
        ]
    )
    names = keywords(texts, np.array([0, 0, 1, 1], np.int32))
    assert names[0].startswith("apple")
    assert names[1].startswith("river")
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz ·") for name in names)
    assert keywords(pd.Series(["1 + 1", "2"]), np.array([0, 1], np.int32)) == ["", ""]
    assert keywords(pd.Series(["42", "pear"]), np.array([0, 1], np.int32)) == ["", "pear"]


def test_keywords_count_whole_words_of_three_letters_in_any_script():
    texts = pd.Series(["ab abc1 x_yz Größe größe", "don't 3rd слово СЛОВО ok", "the and of"])
    assert keywords(texts, np.arange(3, dtype=np.int32)) == ["größe", "слово · don", ""]


@given(st.lists(st.integers(-1, 4), max_size=60), st.integers(1, 8))
def test_names_need_only_the_sampled_rows(labels, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.clusters.keywords.NAME_SAMPLE", most)
        labels = np.array(labels, np.int32)
        texts = pd.Series([f"word{'abc'[i % 3] * 3} item" for i in range(len(labels))], dtype=str)
        rows = sampled(labels)
        assert len(set(rows)) == len(rows)
        assert set(labels[rows]) == set(labels[labels >= 0])
        sizes = np.bincount(labels[rows], minlength=1)
        assert (sizes < 2 * most).all()
        names = keywords(texts, labels)
        if len(rows) and labels[rows].max() == labels.max():
            assert keywords(texts.iloc[rows].reset_index(drop=True), labels[rows]) == names


def test_prompts_come_in_the_order_asked_for(house):
    data = house.workspace.open(house.dataset)
    rows = np.array([17, 3, 90])
    whole = dataset.examples(data, ["prompt"])["prompt"]
    assert prompts(data, rows).tolist() == whole.iloc[rows].tolist()


def test_the_sealed_artifact(house):
    made = house.workspace.open(house.clusters, "clusters")
    labels = np.load(made.path / "labels.npy")
    table = pd.read_parquet(made.path / "table.parquet")
    flags = pd.read_parquet(house.workspace.open(house.trajectories).path / "flags.parquet")
    assert ((labels < 0) == (flags["flag"] != "")).all()
    assert (
        table["size"].tolist() == sorted(table["size"]) == np.bincount(labels[labels >= 0]).tolist()
    )
    assert made.config["k"] == 6
    assert made.summary["clustered"] + made.summary["left_out"] == len(labels)
    assert made.summary["cluster_seconds"] > 0
    assert (np.load(made.path / "centroids.npy")).shape == (6, 3)
    assert made.parents == {"trajectories": house.trajectories}


def test_another_k_out_of_range_leaves_nothing_behind(house):
    before = house.workspace.entries()
    with pytest.raises(ValueError, match="choose K from 1 to"):
        clusters.run(
            house.workspace,
            clusters.Settings(trajectories=house.trajectories, k=1000, map=False),
        )
    assert house.workspace.entries() == before


@pytest.fixture
def home(house, tmp_path):
    """A copy of the house, whose rows can be edited."""
    root = shutil.copytree(house.workspace.root, tmp_path / "w")
    return house._replace(workspace=Workspace(root))


def settings_of(home, **more):
    return clusters.Settings(trajectories=home.trajectories, map=False, **more)


def ids(home):
    return {e.id for e in home.workspace.entries("clusters")}


def test_the_same_clustering_is_made_once(home, capsys):
    made = clusters.run(home.workspace, settings_of(home, k=5, seed=7))
    before = ids(home)
    capsys.readouterr()
    assert clusters.run(home.workspace, settings_of(home, k=5, seed=7)) == made
    assert capsys.readouterr().err.startswith(f"{made} was made with the same settings")
    assert ids(home) == before
    others = [
        {"k": 5, "seed": 8},
        {"k": 4, "seed": 7},
        {"k": 5, "seed": 7, "features": "diff"},
        {"k": 5, "seed": 7, "include_start": True},
        {"k": 5, "seed": 7, "name": "by another name"},
    ]
    new = [clusters.run(home.workspace, settings_of(home, **how)) for how in others]
    assert len({made, *new}) == len(others) + 1
    assert clusters.run(home.workspace, settings_of(home, **others[-1])) == new[-1]


def test_the_k_of_auto_is_the_same_clustering_as_its_number(home):
    auto = home.workspace.open(clusters.run(home.workspace, settings_of(home, seed=9)))
    wanted = settings_of(home, seed=9, k=auto.config["k"])
    assert clusters.run(home.workspace, wanted) == auto.id


def test_the_same_excluded_rows_are_the_same_clustering(home):
    rows = np.flatnonzero(np.load(home.workspace.open(home.clusters).path / "labels.npy") >= 0)
    edits.exclude(home.workspace, home.dataset, rows[:9])
    first = clusters.run(home.workspace, settings_of(home, k=4, without=1))
    edits.note(home.workspace, home.dataset, rows[:2], "looked at")
    assert clusters.run(home.workspace, settings_of(home, k=4, without=2)) == first
    edits.exclude(home.workspace, home.dataset, rows[9:12])
    assert clusters.run(home.workspace, settings_of(home, k=4, without=1)) == first
    assert clusters.run(home.workspace, settings_of(home, k=4, without=3)) != first
    assert clusters.run(home.workspace, settings_of(home, k=4)) != first


def test_a_clustering_without_a_fingerprint_is_found_by_its_config(home):
    made = home.workspace.open(clusters.run(home.workspace, settings_of(home, k=5, seed=7)))
    younger = ("extend", "without")
    config = {name: value for name, value in made.config.items() if name not in younger}
    old = home.workspace.draft("clusters", name="old", config=config, parents=made.parents)
    old = old.seal({})
    home.workspace.delete(made.id)
    assert clusters.find(home.workspace, settings_of(home, k=5, seed=7)).id == old.id
    assert clusters.find(home.workspace, settings_of(home, k=5, seed=8)) is None
    assert clusters.find(home.workspace, settings_of(home, k=5, seed=7, extend="x")) is None
