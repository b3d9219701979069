import numpy as np
import pandas as pd
import pytest

from benchmarks import made_up, make_workspace
from core import clusters, dataset
from core.workspace.store import Workspace


def made(root, rows, monkeypatch):
    monkeypatch.setattr(made_up, "PART", 150)
    monkeypatch.setattr(make_workspace, "PART", 150)
    workspace = Workspace(root)
    return workspace, make_workspace.make(workspace, rows, 5, "short", 3)


def test_a_made_up_workspace_is_whole_and_its_parts_fit_together(tmp_path, monkeypatch):
    workspace, recorded = made(tmp_path, 400, monkeypatch)
    settings = clusters.Settings(trajectories=recorded.id, k=6, map=False)
    grouped = clusters.seal(workspace, recorded, settings)
    data = recorded.ancestor("dataset")
    for artifact in (data, recorded, grouped):
        assert workspace.verify(artifact.id) == []
    rows = dataset.examples(data)
    flags = pd.read_parquet(recorded.path / "flags.parquet")
    losses = np.load(recorded.path / "losses.npy")
    assert rows["row"].tolist() == list(range(400))
    assert rows["id"].is_unique
    assert rows["id"].tolist() == flags["id"].tolist()
    assert rows["source"].tolist() == flags["source"].tolist()
    first = rows.iloc[0]
    assert [t["content"] for t in first["messages"]] == [first["prompt"], first["response"]]
    assert (np.isfinite(losses).all(1) == (flags["flag"] == "")).all()
    assert ((rows["split"] == "holdout") == (flags["flag"] == "holdout")).all()
    assert recorded.summary["holdout"] == data.summary["holdout_rows"] == 20
    words = rows["prompt"].str.split().str.len() + rows["response"].str.split().str.len() + 1
    copied = rows.duplicated(["prompt", "response"], keep=False)
    assert data.summary["duplicates"] == rows.duplicated(["prompt", "response"]).sum()
    assert (words == flags["n_tokens"]).all()
    assert copied.sum() < 20


def test_the_same_settings_give_the_same_content_and_more_rows_keep_the_first(
    tmp_path, monkeypatch
):
    contents = []
    for name, rows in (("a", 400), ("b", 400), ("c", 500)):
        _, recorded = made(tmp_path / name, rows, monkeypatch)
        data = recorded.ancestor("dataset")
        texts = dataset.examples(data, ["id", "prompt", "response"])
        losses = np.load(recorded.path / "losses.npy")
        contents.append((data.summary["fingerprint"], texts, losses))
    assert contents[0][0] == contents[1][0] != contents[2][0]
    np.testing.assert_array_equal(contents[0][2], contents[1][2])
    pd.testing.assert_frame_equal(contents[0][1], contents[2][1].iloc[:400])


@pytest.mark.parametrize("texts", list(made_up.SIZES))
def test_kinds_of_trajectory_and_lengths_are_as_planted(texts):
    some = made_up.part(0, made_up.PART, texts, 12, 8, 0)
    assert some.losses.shape == (made_up.PART, 12)
    assert np.isfinite(some.losses).all()
    words = np.array([len(t.split()) for t in some.responses.to_pylist()])
    prompts = np.array([len(t.split()) for t in some.prompts.to_pylist()])
    assert prompts.mean() == pytest.approx(made_up.SIZES[texts][0], rel=0.15)
    assert words.mean() == pytest.approx(made_up.SIZES[texts][1], rel=0.15)
    flat = (some.losses[:, 0] - some.losses[:, -1] < 1) & (some.losses[:, -1] > 3)
    assert flat.mean() == pytest.approx(made_up.KINDS["never learned"][0], abs=0.03)
    late = some.losses[:, 5] - some.losses[:, -1] > 1.5
    assert words[late].mean() > 1.2 * words[~late].mean(), "learned late: longer answers"
    assert (some.n_response == 0).any(), "a prompt that fills the window"
