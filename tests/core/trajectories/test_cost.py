"""What a proxy cost is counted once: by hand here, in a bill and in a matched baseline alike."""

import numpy as np
import pandas as pd
import pytest

from core import selection
from core.review import cost
from core.selection import matched_size, reproduce
from core.trajectories import cost as proxy_cost
from core.trajectories.cost import TokenCounts
from core.workspace.store import Workspace
from tests.summaries import whole

LENGTHS = np.repeat([10, 20, 30, 90], 10)  # a window of 40 cuts the last ten: 1,000 tokens in all
SELECTED = [0, 1, 2, 3, 30, 31, 32, 33, 34, 35]  # 4 x 10 and 6 x 40: 280 tokens


@pytest.fixture
def made(tmp_path):
    """Return a function that seals trajectories of 1,000 parameters, 2 epochs, 3 recordings."""
    workspace = Workspace(tmp_path / "workspace")
    data = workspace.draft("dataset", name="d", config={}, parents={}).seal(
        whole("dataset", rows=41)
    )

    def make(record="all", parents=(), **facts):
        flags = pd.DataFrame(
            {"n_tokens": [*LENGTHS, 500], "flag": [""] * 39 + ["loss not finite", "holdout"]}
        )
        config = {"record": record, "epochs": 2.0, "max_length": 40}
        draft = workspace.draft(
            "trajectories", name="t", config=config, parents={"dataset": data.id, **dict(parents)}
        )
        flags.to_parquet(draft.path / "flags.parquet")
        known = {"checkpoints": 3, "parameters": 1000, "train_seconds": 1, "record_seconds": 1}
        return draft.seal(whole("trajectories", **known | facts))

    make.workspace, make.dataset = workspace, data
    return make


def matched(made, trajectories, **more):
    draft = made.workspace.draft(
        "selection", name="s", config={}, parents={"trajectories": trajectories.id}
    )
    table = pd.DataFrame({"row": SELECTED, "rank": range(len(SELECTED))})
    table.to_parquet(draft.path / "table.parquet")
    old = draft.seal(whole("selection", rows=10, response_tokens=5))
    wanted = matched_size.Matching(match=old.id, target_parameters=1500, target_epochs=4, **more)
    return matched_size.measure(wanted, made.dataset, cost=True)


def test_training_and_recording_are_counted_inside_the_window(made):
    # 6 x 1,000 parameters x 2 epochs x 1,000 tokens, and 2 x 1,000 x 3 recordings x 1,000 tokens
    assert proxy_cost.operations(made()) == 12_000_000 + 6_000_000
    assert proxy_cost.operations(made("epoch")) == 12_000_000


def test_a_matched_baseline_grows_by_that_over_what_the_target_costs(made):
    # the target: 6 x 1,500 parameters x 4 epochs x 280 tokens = 10,080,000
    assert matched(made, made()).rows == 28, "10 x (1 + 18 / 10.08) = 27.9"
    assert matched(made, made("epoch")).rows == 22, "10 x (1 + 12 / 10.08) = 21.9"


@pytest.mark.parametrize("record", ["all", "epoch"])
def test_the_bill_says_the_same_as_the_baseline(made, record):
    paths = made(record)
    groups = made.workspace.draft(
        "clusters", name="c", config={}, parents={"trajectories": paths.id}
    ).seal(whole("clusters", cluster_seconds=1))
    tokens = proxy_cost.tokens(paths, SELECTED)
    assert tokens == TokenCounts(280, 960), "a row without a finite loss cannot be selected"
    bill = cost.operations(cost.proxy(groups), tokens, 1500, 4)
    assert bill.before == proxy_cost.operations(paths)
    assert matched(made, paths).rows == round(10 * (1 + bill.before / bill.target))
    assert bill.full == 6 * 1500 * 4 * 960


def test_what_was_not_trained_here_has_no_known_cost(made):
    for paths in (made(parents={"extends": made().id}), made(imported=True, parameters=0)):
        with pytest.raises(ValueError, match=f"{paths.id} was imported or extended"):
            proxy_cost.operations(paths)
        with pytest.raises(ValueError, match="was imported or extended"):
            matched(made, paths)


def test_a_baseline_of_another_count_replays_at_its_own_size(copied, monkeypatch, capsys):
    w = copied.workspace
    how = {"strategy": "random_cost_matched", "match": copied.selection, "target_parameters": 1e7}
    settings = selection.Settings(parent=copied.clusters, **how)
    now = len(pd.read_parquet(w.open(selection.run(w, settings)).path / "table.parquet"))
    with monkeypatch.context() as then:
        then.setattr(proxy_cost, "FORWARD", 20.0)
        old = selection.run(w, settings)
    sealed = w.open(old).summary["rows"]
    assert sealed > now
    assert reproduce.differences(w, old) == []
    assert (
        f"its {sealed} rows are as its manifest has them; the cost of the proxy is counted otherwise "
        f"since, and a new one would have {now}" in capsys.readouterr().err
    )
