"""A sealed selection can be made again, and a difference is named."""

import json

import numpy as np
import pandas as pd
import pytest

from core import clusters, edits, selection
from core.__main__ import main
from core.dataset import duplicates
from core.edits import row_sets
from core.selection import filters, reproduce
from core.selection.strategies.catalog import STRATEGIES
from core.workspace import manifest
from tests.core.pools import needed


def draw(copied, **settings) -> str:
    return selection.run(copied.workspace, selection.Settings(parent=copied.clusters, **settings))


def rewrite(workspace, id, change, file="table.parquet"):
    """Seal an artifact again after a change, as if it had always been so."""
    path = workspace.open(id).path
    facts = manifest.read(path)
    change(path, facts)
    facts["files"][file]["bytes"] = (path / file).stat().st_size
    signed = manifest.signed({k: v for k, v in facts.items() if k != "self_sha256"})
    (path / manifest.NAME).write_text(json.dumps(signed))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_replays_to_the_same(copied, strategy):
    more = needed(strategy, copied.workspace, copied.dataset, match=copied.selection)
    more |= {"target_parameters": 1e6} if STRATEGIES[strategy].cost else {}
    made = draw(copied, strategy=strategy, budget="30", seed=3, **more)
    assert reproduce.differences(copied.workspace, made) == []


def test_edits_and_kept_rows_replay_as_they_were_honoured(copied):
    edits.exclude(copied.workspace, copied.dataset, [0, 1, 2])
    edits.pin(copied.workspace, copied.dataset, [4])
    first = draw(copied, budget="20")
    grown = draw(copied, budget="40", keep=first)
    edits.exclude(copied.workspace, copied.dataset, [4, 5, 6, 7])
    edits.pin(copied.workspace, copied.dataset, [8])
    for made in (copied.selection, first, grown):
        assert reproduce.differences(copied.workspace, made) == []


HOW = {
    "pins": {},
    "quotas by hand": {"quotas": "4=3,5<=2", "budget": "24"},
    "switches": {"allocation": "sqrt", "pick": "medoid", "budget": "24"},
    "filters": {"dedup": "near", "min_tokens": 3, "max_tokens": 40},
    "tokens": {"strategy": "random", "budget": "90 tokens"},
    "tokens of another": {"strategy": "random_token_matched", "match": True},
    "cost of another": {"strategy": "random_cost_matched", "match": True, "target_parameters": 1e7},
}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_what_was_pinned_without_a_loss_set_by_hand_filtered_or_matched_replays(copied, how):
    labels = np.load(copied.workspace.open(copied.clusters).path / "labels.npy")
    rows = np.flatnonzero(labels >= 0)
    edits.exclude(copied.workspace, copied.dataset, rows[:2])
    wanted = clusters.Settings(trajectories=copied.trajectories, k=6, map=False, without=1)
    groups = clusters.run(copied.workspace, wanted)
    edits.include(copied.workspace, copied.dataset, rows[:2])
    edits.pin(copied.workspace, copied.dataset, rows[:3])  # the first two are in no cluster
    first = selection.run(copied.workspace, selection.Settings(parent=groups, budget="10%"))
    more = {**how, "match": first} if "match" in how else how
    made = selection.run(copied.workspace, selection.Settings(parent=groups, **more))
    table = pd.read_parquet(copied.workspace.open(made).path / "table.parquet")
    assert set(table["row"][:3]) == set(rows[:3])
    assert (table["cluster"][:3] == -1).sum() == 2
    edits.unpin(copied.workspace, copied.dataset, rows[:3])
    edits.exclude(copied.workspace, copied.dataset, rows[:9])
    assert reproduce.differences(copied.workspace, made) == []


def test_a_log_that_lost_edits_or_has_others_is_told(copied):
    """The log stands beside the workspace's artifacts, where people can change it."""
    log = copied.workspace.root / "edits" / f"{copied.dataset}.jsonl"
    rows = pd.read_parquet(copied.workspace.open(copied.selection).path / "table.parquet")["row"]
    edits.exclude(copied.workspace, copied.dataset, rows[:2])
    edits.pin(copied.workspace, copied.dataset, rows[2:4])
    made = draw(copied, strategy="least_confidence", budget="20")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0])
    with pytest.raises(ValueError, match=r"2 edits are wanted, but .* has 1"):
        reproduce.differences(copied.workspace, made)
    chosen = set(pd.read_parquet(copied.workspace.open(made).path / "table.parquet")["row"])
    other = next(r for r in rows[4:] if r not in chosen)
    pin = json.loads(lines[1])
    pin["data"]["rows"] = row_sets.pack(np.sort([rows[3], other]))
    log.write_text(lines[0] + json.dumps(pin) + "\n")
    found = reproduce.differences(copied.workspace, made)
    assert "1 row only in the sealed one" in found[0]
    assert "1 row only in the replayed one" in found[1]
    assert "the rows excluded or pinned by the first 2 edits are no longer those of then" in found
    log.write_text("".join(lines))
    assert reproduce.differences(copied.workspace, made) == []


def test_a_selection_from_before_there_were_edits_replays_without(copied):
    edits.exclude(copied.workspace, copied.dataset, [0, 1, 2])
    rewrite(copied.workspace, copied.selection, lambda path, facts: facts["config"].pop("edits"))
    assert reproduce.differences(copied.workspace, copied.selection) == []


def test_a_replay_writes_nothing(copied):
    def seen():
        return sorted(p for p in copied.workspace.root.rglob("*"))

    before = seen()
    reproduce.differences(copied.workspace, copied.selection)
    assert seen() == before


def test_other_rows_are_named(copied, capsys, monkeypatch):
    def change(path, facts):
        table = pd.read_parquet(path / "table.parquet")
        table.loc[0, "id"] = "somebody else's"
        table = table.iloc[:-2]
        table.to_parquet(path / "table.parquet")

    rewrite(copied.workspace, copied.selection, change)
    now = {**manifest.versions(), "pandas": "1.0"}
    monkeypatch.setattr(reproduce, "versions", lambda: now)
    argv = ["reproduce", copied.selection, "--workspace", str(copied.workspace.root)]
    assert main(argv) == 1
    said = capsys.readouterr()
    n = copied.workspace.open(copied.selection).summary["rows"]
    lines = said.out.splitlines()
    assert lines[0] == f"{n - 2} rows sealed, {n} replayed"
    assert lines[1] == '1 row only in the sealed one: "somebody else\'s"'
    assert lines[2].startswith("3 rows only in the replayed one: ")
    assert f"selection {copied.selection}: table.parquet: content differs" in said.out
    assert f"pandas was {pd.__version__}, is 1.0" in said.out
    assert said.err == ""


def test_damaged_losses_are_found_to_be_the_cause(copied):
    path = copied.workspace.open(copied.trajectories).path / "losses.npy"
    made = draw(copied, strategy="low_final_loss", budget="20")
    losses = np.load(path)
    np.save(path, losses[:, ::-1] * -1)
    found = reproduce.differences(copied.workspace, made)
    assert (
        f"trajectories {copied.trajectories}: losses.npy: content differs from the manifest"
        in found
    )


def test_another_order_is_a_difference():
    was = pd.DataFrame({"row": [1, 2], "id": ["a", "b"], "rank": [1, 2], "reason": ["x", "y"]})
    now = was.assign(id=["b", "a"], row=[2, 1], reason=["y", "z"])
    assert reproduce.compare(was, was.copy()) == []
    assert reproduce.compare(was, now) == [
        "rank differs in 2 of 2 rows that both have",
        "reason differs in 1 of 2 rows that both have",
    ]


def test_many_rows_are_named_by_the_first():
    was = pd.DataFrame({"id": [f"{i}" for i in range(9)]})
    now = pd.DataFrame({"id": [f"{i}" for i in range(9, 18)]})
    assert reproduce.compare(was, now)[0] == (
        "9 rows only in the sealed one: '0', '1', '2', '3', '4' and 4 more"
    )


def test_settings_of_a_newer_version_are_refused(copied):
    rewrite(copied.workspace, copied.selection, lambda path, facts: facts["config"].update(magic=1))
    with pytest.raises(ValueError, match="settings that this version does not have: magic"):
        reproduce.differences(copied.workspace, copied.selection)


def test_the_command_says_identical(finished, capsys):
    where = ["--workspace", str(finished.workspace.root)]
    assert main(["reproduce", finished.selection, *where]) == 0
    assert capsys.readouterr().out == "identical\n"
    assert main(["reproduce", finished.clusters, *where]) == 2
    assert "is a clusters, not a selection" in capsys.readouterr().err


def test_a_new_clustering_does_not_disturb_a_replay(copied):
    clusters.run(
        copied.workspace, clusters.Settings(trajectories=copied.trajectories, k=3, map=False)
    )
    assert reproduce.differences(copied.workspace, copied.selection) == []


def test_near_duplicates_are_judged_again_by_the_rule_of_then(copied, monkeypatch):
    """What was sealed before there were two rules names none, and is judged by the first."""
    workspace, settings = copied.workspace, {"dedup": "near", "budget": "30"}
    pool = selection.load_pool(workspace.open(copied.clusters), "s2l").rows
    for rule, of in ((1, "core.dataset.minhash"), (2, "core.dataset.duplicates")):
        taken_out = pool[10 * rule : 10 * rule + 5]
        monkeypatch.setattr(f"{of}.near_duplicates", lambda *_, out=taken_out: out)
    monkeypatch.setattr(filters, "near_duplicates", duplicates.near_duplicates)
    old, new = draw(copied, **settings, near_rule=1), draw(copied, **settings)
    tables = [pd.read_parquet(workspace.open(made).path / "table.parquet") for made in (old, new)]
    assert set(tables[0]["row"]) != set(tables[1]["row"])
    keys = [workspace.open(made).manifest["fingerprint"] for made in (old, new)]
    assert keys[0] != keys[1], "a selection by another rule is another one"
    rewrite(workspace, old, lambda _, facts: facts["config"].pop("near_rule"))
    for made in (old, new):
        assert reproduce.differences(workspace, made) == []
