"""Rows likest to examples of the target's task: how they are read, compared, kept, refused."""

import json
import pathlib

import numpy as np
import pytest
import torch

from core import selection
from core.errors import InputError
from core.model import loading, tokenizers
from core.model.tokens import tokenize
from core.selection.artifact import load_table
from core.selection.reproduce import differences
from core.selection.strategies.target import in_turn
from core.selection.target_queries import KEPT, TargetQueries, load
from tests.core.pools import write_queries


def test_rows_are_read_by_position_and_the_likest_taken(copied, tmp_path):
    workspace = copied.workspace
    trajectories = workspace.open(copied.trajectories)
    queries = write_queries(tmp_path)
    found = load(trajectories, TargetQueries(queries=queries))
    # by hand: one row alone, all its tokens, the n-th counts n times
    proxy = str(trajectories.path / "proxy")
    model = loading.load_weights(proxy).eval()
    tokenizer = tokenizers.load_tokenizer(proxy)
    dataset = workspace.open(found.summary["dataset"], "dataset")
    tokens = tokenize(workspace, dataset, tokenizer, trajectories.config["template"])
    for row in range(2):
        ids = torch.tensor(tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]].astype(int))
        with torch.no_grad():
            states = model.model(input_ids=ids[None]).last_hidden_state[0].numpy()
        weights = np.arange(1, len(ids) + 1)
        mean = (states * weights[:, None]).sum(0) / weights.sum()
        np.testing.assert_allclose(found.points[row], mean / np.linalg.norm(mean), atol=2e-3)
    wanted = selection.Settings(
        parent=copied.trajectories, strategy="like_target", budget="6", queries=queries
    )
    made = workspace.open(selection.run(workspace, wanted))
    pool = selection.load_pool(trajectories, "like_target")
    points = np.asarray(found.rows[pool.rows], np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected, _, _ = in_turn(points, found.points, 6)
    assert load_table(made)["row"].tolist() == pool.rows[expected].tolist()
    facts = made.summary["queries"]
    assert (facts["file"], facts["queries"], facts["left_out"]) == ("queries.jsonl", 2, 0)
    assert len(facts["sha256"]) == 64
    assert workspace.same("selection", selection.key(workspace, wanted)).id == made.id
    pathlib.Path(queries).write_text(json.dumps({"question": "Repeat: x", "answer": "x"}) + "\n")
    assert workspace.same("selection", selection.key(workspace, wanted)) is None
    pathlib.Path(queries).unlink()
    assert (made.path / KEPT).exists()
    assert differences(workspace, made.id) == []


def test_what_no_row_can_be_like_is_refused_in_a_sentence(copied, tmp_path):
    trajectories = copied.workspace.open(copied.trajectories)
    with pytest.raises(InputError, match="what is chosen from; name examples of the task"):
        load(trajectories, TargetQueries(queries=copied.dataset))
    with pytest.raises(InputError, match="no file and no dataset"):
        load(trajectories, TargetQueries(queries=str(tmp_path / "none.jsonl")))
    with pytest.raises(InputError, match="is a trajectories"):
        load(trajectories, TargetQueries(queries=copied.trajectories))
    with pytest.raises(InputError, match="like_target needs examples to be like: --queries"):
        selection.Settings(parent="x", strategy="like_target")
    with pytest.raises(InputError, match="s2l takes no --queries; like_target does"):
        selection.Settings(parent="x", queries="f.csv")
    queries = write_queries(tmp_path)
    wanted = selection.Settings(parent=copied.dataset, strategy="like_target", queries=queries)
    with pytest.raises(InputError, match="like_target needs trajectories"):
        selection.run(copied.workspace, wanted)
    (trajectories.path / "proxy" / "config.json").unlink()
    with pytest.raises(InputError, match="has none: its losses were imported"):
        load(trajectories, TargetQueries(queries=write_queries(tmp_path)))
