import json

import numpy as np
import pandas as pd
import pytest

from core import transfer
from core.jobs.progress import Stopped
from core.training import time_estimate
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.transfer.compare import verdict
from core.transfer.run import Settings, probe

pytestmark = pytest.mark.usefixtures("quick")

SAME = {
    "model": "scratch:tiny",
    "rows": 139,
    "epochs": 2.0,
    "batch_size": 32,
    "max_length": 64,
    "checkpoints": 4,
}
"""The recipe of the finished proxy, on all rows it measured."""


def attempt(finished, **more):
    settings = Settings(**{"trajectories": finished.trajectories, **SAME, **more})
    return finished.workspace.open(transfer.run(finished.workspace, settings))


@pytest.fixture(scope="module")
def twin(finished):
    """Try the proxy as its own target."""
    with pytest.MonkeyPatch.context() as patch:
        rates = time_estimate.Rates((1e-6, 1e-6), (1e-6, 1e-6))
        patch.setattr(time_estimate, "measure", lambda *args, **kwargs: rates)
        return attempt(finished)


def test_a_proxy_speaks_for_itself(finished, twin):
    """The same model, seed, rows and recipe give the same losses, so every rank agrees."""
    proxy = finished.workspace.open(finished.trajectories)
    rows = np.load(twin.path / "rows.npy")
    np.testing.assert_array_equal(np.load(twin.path / "losses.npy"), load_losses(proxy)[rows])
    table = pd.read_parquet(twin.path / "table.parquet")
    assert list(table) == ["share", "proxy_step", "target_step", "rho", "low", "high", "ari"]
    assert table["target_step"].tolist() == table["proxy_step"].tolist()
    assert table["proxy_step"].tolist() == load_steps(proxy).tolist()
    assert table["share"].iloc[[0, -1]].tolist() == [0, 1]
    assert table[["rho", "low", "high"]].to_numpy().min() > 0.9999
    assert twin.summary["ari"][0] == 1
    assert verdict(twin.summary).startswith("Yes: ")


def test_the_sealed_artifact(finished, twin):
    assert finished.workspace.verify(twin.id) == []
    assert twin.parents == {"trajectories": finished.trajectories}
    assert twin.ancestor("dataset").id == finished.dataset
    names = set(twin.manifest["files"])
    assert {"rows.npy", "losses.npy", "steps.npy", "table.parquet", "metrics.jsonl"} <= names
    assert not [n for n in names if n.startswith("checkpoints")]
    assert "pooled.npy" not in names
    rows, losses = np.load(twin.path / "rows.npy"), np.load(twin.path / "losses.npy")
    assert losses.shape == (len(rows), 4)
    s = twin.summary
    assert (s["rows"], s["left_out"], s["checkpoints"]) == (139, 0, 4)
    assert s["final_loss"] < s["first_loss"]
    json.dumps(s, allow_nan=False)


def test_another_target_agrees_less_and_says_how_sure_it_is(finished, twin):
    made = attempt(finished, model="scratch:small", rows=80, seed=3, epochs=1.0, k=4)
    value, low, high = made.summary["rho"]
    assert low < value < high < 1
    assert made.summary["k"] == 4
    ari = pd.read_parquet(made.path / "table.parquet")["ari"]
    assert made.summary["ari"][0] == pytest.approx(ari.iloc[-1], abs=1e-4)
    assert ari.iloc[-1] < 1
    assert len(np.load(made.path / "rows.npy")) == 80
    assert f"{value:.2f} (95% interval {low:.2f} to {high:.2f})" in verdict(made.summary)
    assert "Over 80 rows" in verdict(made.summary)


def test_a_target_is_tried_with_an_adapter_too(finished):
    made = attempt(finished, method="lora", rows=40, epochs=1.0, checkpoints=2)
    assert made.summary["rows"] == 40
    assert made.summary["checkpoints"] == 2


def test_stopped_and_resumed_is_as_if_never_stopped(finished, twin, stop_after):
    with stop_after(7), pytest.raises(Stopped):
        attempt(finished)
    (left,) = [e for e in finished.workspace.entries("transfer") if e.state == "unfinished"]
    made = attempt(finished, resume=True)
    assert made.id == left.id
    for name in ("losses.npy", "table.parquet", "rows.npy", "steps.npy"):
        assert made.manifest["files"][name] == twin.manifest["files"][name]


def test_the_probe_is_drawn_among_measured_rows_in_order_of_id(finished):
    proxy = finished.workspace.open(finished.trajectories)
    flags = load_flags(proxy)
    rows = probe(proxy, 50, seed=1)
    assert (flags["flag"][rows] == "").all()
    assert flags["id"][rows].is_monotonic_increasing
    assert len(set(rows)) == 50
    assert rows.tolist() == probe(proxy, 50, seed=1).tolist() != probe(proxy, 50, seed=2).tolist()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rows": 140}, "--rows 140 but .* has 139 measured rows; give at most 139"),
        ({"model": "scratch:vast"}, "no model 'scratch:vast'"),
        ({"model": "/nowhere"}, "no model directory"),
        ({"trajectories": "none"}, "no artifact 'none'"),
        ({"max_length": 8}, r"only \d of 139 rows have a response token left within 8 tokens"),
        ({"rows": 30, "k": 31}, "K = 31 but the probe has 30 rows"),
    ],
)
def test_bad_input_is_a_sentence_and_leaves_nothing_behind(finished, wrong, words):
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=words):
        attempt(finished, **wrong)
    assert finished.workspace.entries() == before


def test_a_probe_needs_some_rows():
    with pytest.raises(ValueError, match="--rows is at least 20, not 5"):
        Settings(trajectories="x", rows=5)


def test_a_run_too_long_is_refused_and_offers_fewer_rows(finished, monkeypatch):
    slow = time_estimate.Rates((0.01, 0.02), (0.01, 0.02))
    monkeypatch.setattr(time_estimate, "measure", lambda *args, **kwargs: slow)
    monkeypatch.setattr(time_estimate, "LONG", 20.0)
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match="this would take") as e:
        attempt(finished)
    assert "--rows 100" in str(e.value)
    assert "--epochs 1" in str(e.value)
    assert "--accept-long" in str(e.value)
    assert "proxy" not in str(e.value), "another model would be another question"
    assert finished.workspace.entries() == before
