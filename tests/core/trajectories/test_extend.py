"""Next week's data, end to end: more rows, scored on the checkpoints kept, placed, topped up."""

import shutil

import numpy as np
import pandas as pd
import pytest

from core import clusters, dataset, edits, selection
from core.clusters import extend as drift
from core.jobs.progress import Stopped
from core.model import loading, tokenizers
from core.model.scoring import score
from core.model.tokens import tokenize
from core.trajectories import run
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.trajectories.settings import Settings
from tests.conftest import TRAIN, rows, write


def fresh(n=30):
    """Rows like those of the dataset's first task, and none of its own."""
    return [
        {"question": f"Sum of {i} and {i + 7}?", "answer": f"{2 * i + 7}", "task": "add"}
        for i in range(1000, 1000 + n)
    ]


def strange(n=20):
    rng = np.random.default_rng(0)
    words = ["".join(chr(c) for c in rng.integers(33, 126, 40)) for _ in range(n)]
    return [{"question": f"{i}", "answer": w, "task": "noise"} for i, w in enumerate(words)]


@pytest.fixture(scope="module")
def take(finished, tmp_path_factory):
    """Import records as a dataset."""

    def get(records, **more):
        path = write(tmp_path_factory.mktemp("data") / "grown.jsonl", records)
        wanted = dataset.Settings(**{"path": str(path), "split_column": "part", **more})
        return finished.workspace.open(dataset.run(finished.workspace, wanted))

    return get


@pytest.fixture(scope="module")
def old(finished):
    settings = Settings(**{**TRAIN, "dataset": finished.dataset, "keep_checkpoints": True})
    return finished.workspace.open(run(finished.workspace, settings))


@pytest.fixture(scope="module")
def grown(take):
    """The old rows, some new ones in between, and an old test row that now claims to be no test."""
    records = rows()
    records[3] = {**records[3], "part": "train"}
    return take([*fresh()[:5], *records, *fresh()[5:]])


def extend(finished, old, data, **more):
    settings = Settings(dataset=data.id, extend=old.id, **more)
    return finished.workspace.open(run(finished.workspace, settings))


@pytest.fixture(scope="module")
def new(finished, old, grown):
    return extend(finished, old, grown)


@pytest.fixture(scope="module")
def groups(finished, old):
    settings = clusters.Settings(trajectories=old.id, k=6, map=False)
    return finished.workspace.open(clusters.run(finished.workspace, settings))


def place(finished, trajectories, groups, **more):
    wanted = clusters.Settings(trajectories=trajectories.id, extend=groups.id, map=False, **more)
    return finished.workspace.open(clusters.run(finished.workspace, wanted))


@pytest.fixture(scope="module")
def placed(finished, new, groups):
    return place(finished, new, groups)


def by_id(artifact, values):
    return dict(zip(load_flags(artifact)["id"], values, strict=True))


def test_old_rows_keep_their_losses_and_new_ones_are_scored_on_the_kept_checkpoints(
    finished, old, grown, new
):
    before, flags = by_id(old, load_losses(old)), load_flags(new)
    losses, fresh_rows = load_losses(new), []
    for row, id in enumerate(flags["id"]):
        if id in before:
            np.testing.assert_array_equal(losses[row], before[id])
        else:
            fresh_rows.append(row)
    assert len(fresh_rows) == 30
    tokenizer = tokenizers.load_tokenizer(str(old.path / "proxy"))
    tokens = tokenize(finished.workspace, grown, tokenizer, "plain", 64)
    for column, step in enumerate(load_steps(old)):
        model = loading.load_weights(str(old.path / "kept" / f"checkpoint-{step}"))
        expected = score(model, tokens, np.array(fresh_rows)).losses
        np.testing.assert_array_equal(losses[fresh_rows, column], expected)
    assert load_steps(new).tolist() == load_steps(old).tolist()
    assert (new.summary["carried"], new.summary["new"]) == (139, 30)
    assert new.parents == {"dataset": grown.id, "extends": old.id}
    assert new.config["template"] == "plain"
    assert not (new.path / "kept").exists(), "they stand where they were trained"
    assert finished.workspace.verify(new.id) == []


def test_a_test_row_of_the_old_data_stays_one(finished, old, grown, new):
    examples = pd.read_parquet(grown.path / "examples.parquet")
    flags = load_flags(new)
    claimed = flags[(flags["flag"] == "holdout") & (examples["split"] == "pool")]
    was = load_flags(old).set_index("id")["flag"]
    assert len(claimed) == 1
    assert (was[claimed["id"]] == "holdout").all()
    assert np.isnan(load_losses(new)[claimed.index]).all()
    assert new.summary["held_out_before"] == 1


def test_an_extension_is_extended_on_the_same_checkpoints(finished, take, old, new, groups, placed):
    records = rows()
    records[3] = {**records[3], "part": "train"}
    more = take([*records, *fresh(40)])
    third = extend(finished, new, more)
    assert (third.summary["carried"], third.summary["new"]) == (169, 10)
    assert third.summary["held_out_before"] == 1
    again, direct = place(finished, third, placed), place(finished, third, groups)
    assert again.summary["reference_distance"] == placed.summary["reference_distance"]
    assert again.summary["new_rows"] == 10
    assert direct.summary["new_rows"] == 40
    np.testing.assert_array_equal(*(np.load(c.path / "labels.npy") for c in (again, direct)))
    with pytest.raises(ValueError, match=rf"needed by .*trajectories {new.id}"):
        finished.workspace.delete(old.id)


def test_an_id_with_another_text_is_scored_anew(finished, take, capsys):
    records = [{**r, "id": f"n{i}"} for i, r in enumerate(rows())]
    first = take(records)
    settings = Settings(**{**TRAIN, "dataset": first.id, "epochs": 0.5, "keep_checkpoints": True})
    trained = finished.workspace.open(run(finished.workspace, settings))
    records[0] = {**records[0], "answer": "quite another"}
    made = extend(finished, trained, take([*records, {**fresh(1)[0], "id": "x"}]))
    assert (made.summary["carried"], made.summary["new"]) == (138, 2)
    assert "1 of them with an id that had another text" in capsys.readouterr().err
    assert (
        by_id(made, load_losses(made))["n0"] != by_id(trained, load_losses(trained))["n0"]
    ).any()


def test_stopped_it_goes_on_after_the_last_whole_checkpoint(finished, old, take, monkeypatch):
    data = take([*rows(), *fresh(8)])
    looks = iter([False, False, True])
    monkeypatch.setattr("core.trajectories.scored_columns.stop_requested", lambda: next(looks))
    with pytest.raises(Stopped, match="after 2 of 4"):
        extend(finished, old, data)
    monkeypatch.undo()
    (left,) = [e for e in finished.workspace.entries("trajectories") if e.state == "unfinished"]
    scored = []
    load = loading.load_weights
    monkeypatch.setattr(loading, "load_weights", lambda f: scored.append(f) or load(f))
    made = extend(finished, old, data, resume=True)
    assert made.id == left.id
    assert len(scored) == 2
    np.testing.assert_array_equal(load_losses(made), load_losses(extend(finished, old, data)))


def test_what_cannot_be_extended_says_why_and_leaves_nothing_behind(finished, old, new, grown):
    numbers = finished.workspace.root / "losses.npy"
    np.save(numbers, np.ones((160, 3), np.float32))
    taken = run(finished.workspace, Settings(dataset=finished.dataset, source=str(numbers)))
    before = finished.workspace.entries()
    for extended, data, more, words in (
        (
            finished.trajectories,
            grown.id,
            {},
            "kept no checkpoints .* again with --keep-checkpoints",
        ),
        (taken, grown.id, {}, "was imported, so its checkpoints are not here"),
        (old.id, finished.dataset, {}, "every row of puzzles .* has losses in"),
        (new.id, grown.id, {}, "every row of grown"),
        (old.id, grown.id, {"epochs": 9, "processes": 2}, "leave --epochs, --processes away"),
        (finished.clusters, grown.id, {}, "is a clusters, not a trajectories"),
    ):
        with pytest.raises(ValueError, match=words):
            run(finished.workspace, Settings(dataset=data, extend=extended, **more))
    assert finished.workspace.entries() == before


def test_its_own_config_gives_the_same_run(finished, old, grown, new):
    again = finished.workspace.open(run(finished.workspace, Settings(**new.config)))
    np.testing.assert_array_equal(load_losses(again), load_losses(new))


def test_old_rows_keep_their_cluster_and_new_ones_go_to_the_nearest_centre(
    finished, old, new, groups, placed, capsys
):
    was, labels = (np.load(c.path / "labels.npy") for c in (groups, placed))
    before, now = by_id(old, was), by_id(new, labels)
    centroids = np.load(placed.path / "centroids.npy")
    np.testing.assert_array_equal(centroids, np.load(groups.path / "centroids.npy"))
    losses = load_losses(new)
    for row, id in enumerate(load_flags(new)["id"]):
        if id in before:
            assert now[id] == before[id]
        else:
            gaps = ((losses[row, 1:] - centroids) ** 2).sum(1)
            assert now[id] == gaps.argmin()
    assert placed.parents == {"trajectories": new.id, "extends": groups.id}
    assert placed.summary["new_rows"] == 30
    table = [pd.read_parquet(c.path / "table.parquet") for c in (groups, placed)]
    assert table[0]["name"].tolist() == table[1]["name"].tolist()
    assert table[1]["size"].sum() == 169 == placed.summary["clustered"]
    again = place(finished, new, groups, name="again")
    assert drift.verdict(again.summary) in capsys.readouterr().err


def test_copies_of_old_rows_show_no_drift_and_noise_shows_much(finished, old, take, groups):
    """A second copy has an id of its own, so it is scored like any new row."""
    copies = place(finished, extend(finished, old, take([*rows(), *rows()])), groups)
    noise = place(finished, extend(finished, old, take([*rows(), *strange()])), groups)
    assert copies.summary["new_rows"] == 139
    assert copies.summary["drift"] <= 2 / 139, "one in a hundred is that far by definition"
    assert drift.verdict(copies.summary).endswith("the clusters fit")
    assert noise.summary["new_rows"] == 20
    assert noise.summary["drift"] > 0.5
    far = noise.summary["far_rows"]
    words = f"{far} of 20 new rows ({5 * far:.1f}%) lie farther from every centre than 99% of the"
    assert drift.verdict(noise.summary) == f"{words} old: cluster again"


def test_rows_excluded_from_the_new_data_are_not_placed(finished, old, take, groups):
    more = extend(finished, old, take([*rows(), *fresh(24)]))
    dataset = more.parents["dataset"]
    examples = pd.read_parquet(finished.workspace.open(dataset).path / "examples.parquet")
    pool = examples.loc[examples["split"] == "pool", "row"].to_numpy()
    edits.exclude(finished.workspace, dataset, pool[::2])
    usual, made = place(finished, more, groups), place(finished, more, groups, without=1)
    before, labels = (np.load(c.path / "labels.npy") for c in (usual, made))
    out = edits.read(finished.workspace, dataset).excluded
    assert (labels[out] == -1).all()
    others = np.setdiff1d(np.arange(len(labels)), out)
    assert (labels[others] == before[others]).all()
    n = int((before[out] >= 0).sum())
    assert (made.summary["excluded"], usual.summary["excluded"]) == (n, 0)
    assert made.summary["clustered"] == usual.summary["clustered"] - n
    assert made.summary["reference_distance"] == usual.summary["reference_distance"]


def test_rows_that_the_old_clusters_left_out_are_placed_like_new_ones(finished, old, new, tmp_path):
    finished = finished._replace(root=shutil.copytree(finished.root, tmp_path / "w"))
    usable = np.flatnonzero(load_flags(old)["flag"] == "")
    edits.exclude(finished.workspace, finished.dataset, usable[:40])
    settings = clusters.Settings(trajectories=old.id, k=6, map=False, without=1)
    groups = finished.workspace.open(clusters.run(finished.workspace, settings))
    made = place(finished, new, groups)
    was = np.load(groups.path / "labels.npy")
    assert made.config["without"] == 0
    assert made.summary["new_rows"] == 30 + 40
    assert made.summary["clustered"] == 169
    x = load_losses(old)[was >= 0, 1:]
    gaps = np.sqrt(((x[:, None] - np.load(groups.path / "centroids.npy")) ** 2).sum(2)).min(1)
    assert made.summary["reference_distance"] == pytest.approx(np.quantile(gaps, 0.99), rel=1e-4)


def test_new_rows_alone_leave_clusters_empty_and_can_be_chosen_from(finished, old, take, groups):
    alone = place(
        finished, extend(finished, old, take(fresh(12), split_column="", holdout="0")), groups
    )
    assert alone.summary["k"] == 6
    assert alone.summary["clusters"] < 6
    assert alone.summary["clustered"] == alone.summary["new_rows"] == 12
    wanted = selection.Settings(parent=alone.id, budget="5")
    assert finished.workspace.open(selection.run(finished.workspace, wanted)).summary["rows"] == 5


def test_clusters_of_something_else_are_refused(finished, old, new, groups):
    before = finished.workspace.entries()
    for trajectories, extended, more, words in (
        (old.id, groups.id, {}, f"{old.id} does not extend {old.id}"),
        (new.id, finished.clusters, {}, f"does not extend {finished.trajectories}"),
        (new.id, groups.id, {"k": 7, "features": "diff"}, "leave --k, --features away"),
    ):
        wanted = clusters.Settings(trajectories=trajectories, extend=extended, map=False, **more)
        with pytest.raises(ValueError, match=words):
            clusters.run(finished.workspace, wanted)
    assert finished.workspace.entries() == before


@pytest.mark.parametrize("strategy", ["s2l", "random", "least_confidence"])
def test_a_selection_is_topped_up_without_changing_what_was_kept(
    finished, groups, placed, strategy, capsys
):
    first = selection.Settings(parent=groups.id, strategy=strategy, budget="30", seed=1)
    first = finished.workspace.open(selection.run(finished.workspace, first))
    more = selection.Settings(
        parent=placed.id, strategy=strategy, budget="45", seed=2, keep=first.id
    )
    made = finished.workspace.open(selection.run(finished.workspace, more))
    old, new = (pd.read_parquet(s.path / "table.parquet") for s in (first, made))
    assert new["id"][:30].tolist() == old["id"].tolist()
    assert set(new["reason"][:30]) == {f"kept from {first.id}"}
    assert first.id not in "".join(new["reason"][30:])
    assert len(new) == new["id"].nunique() == 45
    assert new["rank"].tolist() == list(range(1, 46))
    assert made.parents == {"clusters": placed.id, "extends": first.id}
    assert (made.summary["kept"], made.summary["kept_missing"]) == (30, 0)
    assert "30 of 30 rows stay" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"budget of 29 rows is 29 rows, less than the 30 kept"):
        selection.run(
            finished.workspace, selection.Settings(parent=placed.id, budget="29", keep=first.id)
        )


def test_rows_that_are_gone_are_counted_and_none_at_all_is_an_error(
    finished, old, take, groups, capsys
):
    everything = selection.Settings(parent=groups.id, strategy="full")
    first = finished.workspace.open(selection.run(finished.workspace, everything))
    half = place(finished, extend(finished, old, take([*rows()[:60], *fresh()])), groups)
    wanted = selection.Settings(parent=half.id, budget="60", keep=first.id)
    made = finished.workspace.open(selection.run(finished.workspace, wanted))
    assert made.summary["kept"] + made.summary["kept_missing"] == 139
    assert 0 < made.summary["kept"] < 60 == made.summary["rows"]
    assert f"{made.summary['kept_missing']} cannot: held out" in capsys.readouterr().err
    alone = take(fresh(), split_column="", holdout="0")
    wanted = selection.Settings(parent=alone.id, strategy="random", budget="3", keep=first.id)
    with pytest.raises(ValueError, match=r"none of the 139 rows of .* can be selected here"):
        selection.run(finished.workspace, wanted)


def test_the_same_rows_are_placed_on_the_same_clusters_once(finished, new, groups, placed):
    before = {e.id for e in finished.workspace.entries("clusters")}
    assert placed.id in before
    assert place(finished, new, groups).id in before
    with pytest.raises(ValueError, match="leave --k away"):
        place(finished, new, groups, k=7)
    assert place(finished, new, groups, name="again").id != placed.id
