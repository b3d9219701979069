import numpy as np
import pandas as pd
import pytest

from core import selection
from core.dataset.artifact import EXAMPLES
from core.errors import InputError
from core.selection.artifact import load_table
from core.selection.given_scores import KEPT, NO_SCORE, GivenScores, load
from core.selection.reproduce import differences
from tests.core.pools import make_pool, pick

IDS = np.array([f"{i}" for i in range(6)], object)
VALUES = [0.5, 3, -1, 2, 9, 0.25]


def written(folder, form, ids=IDS, values=VALUES):
    frame, path = pd.DataFrame({"id": ids, "score": values}), folder / f"made.{form}"
    match form:
        case "parquet":
            frame.to_parquet(path)
        case "csv":
            frame.to_csv(path, index=False)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True)
        case "npy":
            np.save(path, np.array(values))
    return GivenScores(scores=str(path))


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "npy"])
def test_every_form_gives_the_same(tmp_path, form):
    found = load(written(tmp_path, form), IDS)
    assert found.of_rows.tolist() == VALUES
    assert found.summary["rows"] == 6
    assert found.summary["missing"] == found.summary["repeated"] == found.summary["unknown"] == 0
    assert found.summary["file"] == f"made.{form}"


def test_missing_repeated_and_unknown_ids_are_counted(tmp_path):
    ids, values = ["3", "nobody", "1", "3", "else", "5"], [1.0, 2, 3, 4, 5, 6]
    found = load(written(tmp_path, "csv", ids, values), IDS)
    assert found.of_rows[[1, 3, 5]].tolist() == [3, 1, 6]
    assert np.isnan(found.of_rows[[0, 2, 4]]).all()
    facts = found.summary
    assert (facts["rows"], facts["missing"], facts["repeated"], facts["unknown"]) == (3, 3, 1, 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "id,score\n0,1\n1,nan\n",
            "1 of 2 scores of s.csv are no finite number, the first in row 2",
        ),
        ("id,score\n0,1e999\n1,3\n", "no finite"),
        ("id,score\n0,\n1,3\n", "no finite"),
        ("id,score\n0,high\n1,3\n", "no finite"),
        ("id,rating\n0,1\n1,3\n", "no column 'score', but id, rating; --score-column"),
        ("row,score\n0,1\n1,3\n", "no column 'id'"),
        (
            "id,score\na,1\nb,3\n",
            "none of which is a row of the dataset; its rows have ids like '0'",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path, content, words):
    path = tmp_path / "s.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        load(GivenScores(scores=str(path)), IDS)


def test_a_score_too_large_for_any_number_is_refused_with_its_row(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text(f'{{"id": "0", "score": 1}}\n{{"id": "1", "score": {10**400}}}\n')
    with pytest.raises(InputError, match="no finite number, the first in row 2"):
        load(GivenScores(scores=str(path)), IDS)


def test_arrays_must_be_one_number_a_row(tmp_path):
    for array, words in (
        (np.zeros(5), "5 scores and the dataset 6 rows"),
        (np.zeros((6, 2)), "one number for each row"),
        (np.array(["a"] * 6), "one number for each row"),
        (np.array([{}] * 6, object), "cannot be read as a NumPy array"),
    ):
        np.save(tmp_path / "s.npy", array)
        with pytest.raises(InputError, match=words):
            load(GivenScores(scores=str(tmp_path / "s.npy")), IDS)
        (tmp_path / "s.npy").unlink()
    with pytest.raises(InputError, match=r"s\.npy cannot be read"):
        load(GivenScores(scores=str(tmp_path / "s.npy")), IDS)


def test_inside_clusters_the_best_are_taken_under_the_quotas_of_s2l():
    pool = make_pool()
    plain, scored = pick(pool, "s2l", "30"), pick(pool, "s2l_scores", "30")
    for label in range(pool.k):
        members = np.flatnonzero(pool.labels == label)
        taken = [p for p in scored.positions if pool.labels[p] == label]
        assert len(taken) == sum(pool.labels[p] == label for p in plain.positions)
        best = members[np.argsort(-pool.given[members])][: len(taken)]
        assert sorted(taken) == sorted(best.tolist())


def test_a_selection_by_scores_keeps_them_and_is_made_again_without_the_file(copied, tmp_path):
    workspace = copied.workspace
    dataset = workspace.open(copied.dataset)
    ids = pd.read_parquet(dataset.path / EXAMPLES, columns=["id"])["id"]
    settings = written(tmp_path, "csv", ids[10:], np.arange(len(ids) - 10.0))
    how = {"budget": "20", "scores": settings.scores}
    top = selection.Settings(parent=copied.dataset, strategy="scores", **how)
    made = workspace.open(selection.run(workspace, top))
    table = load_table(made)
    kept = pd.read_parquet(made.path / KEPT).set_index("id")["score"]
    pool = selection.load_pool(dataset, "scores")
    assert table["id"].tolist() == kept[kept.index.isin(pool.ids)].nlargest(20).index.tolist()
    facts = made.summary["scores"]
    assert (facts["rows"], facts["missing"]) == (len(ids) - 10, 10)
    assert made.summary["filtered"][NO_SCORE] <= 10
    assert workspace.same("selection", selection.key(workspace, top)).id == made.id
    inside = selection.Settings(
        parent=copied.clusters, strategy="s2l_scores", rule="bottom", quotas="0=1", **how
    )
    other = workspace.open(selection.run(workspace, inside))
    pd.DataFrame({"id": ids, "score": 0.0}).to_csv(settings.scores, index=False)
    assert workspace.same("selection", selection.key(workspace, top)) is None
    (tmp_path / "made.csv").unlink()
    assert differences(workspace, made.id) == []
    assert differences(workspace, other.id) == []


def test_scores_are_asked_for_where_they_count_and_refused_elsewhere():
    with pytest.raises(InputError, match="scores needs the file of scores"):
        selection.Settings(parent="x", strategy="scores")
    with pytest.raises(InputError, match="s2l takes no --scores; scores and s2l_scores do"):
        selection.Settings(parent="x", scores="f.csv")
