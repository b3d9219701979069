"""Selections, clusterings and studies honour the edits of their dataset, and say which."""

import dataclasses
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from core import clusters, edits, export, selection, study, trajectories
from core.clusters import kmeans
from core.errors import InputError
from core.export import data_card
from core.review import before_after, comparison, facets, why_row
from core.selection import reproduce
from core.selection.budget import Budget
from core.selection.choose import choose
from core.selection.strategies.catalog import STRATEGIES
from core.trajectories import cost
from core.trajectories.artifact import load_flags
from core.workspace.files import fingerprint
from tests.core.pools import needed


def draw(copied, **how):
    wanted = {"parent": copied.clusters, "budget": "25%", **how}
    return copied.workspace.open(selection.run(copied.workspace, selection.Settings(**wanted)))


def table(made):
    return pd.read_parquet(made.path / "table.parquet")


def of_pool(copied):
    return table(draw(copied, strategy="full"))["row"].to_numpy()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_excluded_rows_are_out_and_pinned_rows_in_first(copied, strategy):
    rows = of_pool(copied)
    out, pins = rows[:60], np.sort(rows[100:105])
    edits.exclude(copied.workspace, copied.dataset, out)
    edits.pin(copied.workspace, copied.dataset, pins)
    match = needed(
        strategy,
        copied.workspace,
        copied.dataset,
        match=copied.selection,
        target_parameters=1e7,
    )
    made = draw(copied, strategy=strategy, budget="20", **match)
    chosen = table(made)
    assert not set(chosen["row"]) & set(out)
    assert set(chosen["row"][:5]) == set(pins)
    assert chosen["id"][:5].tolist() == sorted(chosen["id"][:5]), "in order of id"
    assert chosen["reason"][:5].tolist() == ["pinned"] * 5
    assert "pinned" not in set(chosen["reason"][5:])
    if STRATEGIES[strategy].size != "matched":
        assert len(chosen) == (79 if STRATEGIES[strategy].size != "budget" else 20)
    assert made.summary["pool"] == 79
    assert (made.summary["excluded"], made.summary["pinned"]) == (60, 5)
    assert made.config["edits"] == 2
    lines = list(export.jsonl_lines(made))
    assert len(lines) == len(chosen)


def test_pinned_rows_count_where_a_budget_is_shared(copied):
    full = table(draw(copied, strategy="full"))
    largest = full.loc[full["cluster"] == full["cluster"].max(), "row"].tolist()
    evenly = table(draw(copied, budget="30"))["cluster"].value_counts().to_dict()
    edits.pin(copied.workspace, copied.dataset, largest[:2])
    assert table(draw(copied, budget="30"))["cluster"].value_counts().to_dict() == evenly


def test_a_budget_smaller_than_the_pins_is_refused(copied):
    edits.pin(copied.workspace, copied.dataset, of_pool(copied)[:12])
    before = copied.workspace.entries()
    with pytest.raises(ValueError, match="is 11 rows, less than the 12 pinned; raise it or unpin"):
        draw(copied, budget="11")
    with pytest.raises(ValueError, match=r"less than the \d+ of the 12 pinned; raise it or unpin"):
        draw(copied, budget="3 tokens")
    assert copied.workspace.entries() == before
    assert set(table(draw(copied, budget="12"))["reason"]) == {"pinned"}


def test_pinned_rows_come_before_those_of_an_earlier_selection(copied, capsys):
    earlier = table(copied.workspace.open(copied.selection))["row"].tolist()
    other = next(r for r in of_pool(copied) if r not in earlier)
    edits.pin(copied.workspace, copied.dataset, [earlier[0], earlier[5], other])
    edits.exclude(copied.workspace, copied.dataset, earlier[1:3])
    made = draw(copied, budget="40", keep=copied.selection)
    chosen = table(made)
    stay = [r for r in earlier[3:] if r != earlier[5]]
    assert set(chosen["row"][:3]) == {earlier[0], earlier[5], other}
    assert chosen["row"][3 : 3 + len(stay)].tolist() == stay
    assert chosen["reason"][3 : 3 + len(stay)].tolist() == [f"kept from {copied.selection}"] * len(
        stay
    )
    n = len(earlier)
    assert len(chosen) == 40 == chosen["row"].nunique()
    assert (made.summary["kept"], made.summary["kept_missing"]) == (n - 2, 2)
    said = capsys.readouterr().err
    assert f"{n - 2} of {n} rows stay; 2 cannot" in said
    assert "2 rows excluded; 3 rows pinned" in said
    with pytest.raises(ValueError, match=f"less than the 3 pinned and {len(stay)} kept; raise it,"):
        draw(copied, budget="10", keep=copied.selection)


def test_what_cannot_be_selected_is_counted_not_pinned(copied, capsys):
    examples = pd.read_parquet(copied.workspace.open(copied.dataset).path / "examples.parquet")
    tests = examples.loc[examples["split"] != "pool", "row"].tolist()
    edits.pin(copied.workspace, copied.dataset, [*tests[:4], *of_pool(copied)[:2]])
    edits.exclude(copied.workspace, copied.dataset, tests[4:9])
    made = draw(copied)
    assert not set(table(made)["row"]) & set(tests)
    counts = {k: made.summary[k] for k in ("excluded", "pinned", "pinned_missing", "pool")}
    assert counts == {"excluded": 0, "pinned": 2, "pinned_missing": 4, "pool": 139}
    assert "4 rows pinned but not to be selected: held out" in capsys.readouterr().err


@pytest.mark.parametrize("parent", ["dataset", "trajectories", "clusters"])
def test_any_parent_honours_them(copied, parent):
    rows = of_pool(copied)
    edits.exclude(copied.workspace, copied.dataset, rows[:50])
    edits.pin(copied.workspace, copied.dataset, rows[60:62])
    made = table(draw(copied, parent=getattr(copied, parent), strategy="random", budget="50%"))
    assert not set(made["row"]) & set(rows[:50])
    assert set(made["row"][:2]) == set(rows[60:62])


@pytest.fixture
def holes(copied):
    """Clusters of losses that some rows lack, and those rows: not finite, and left out."""
    losses = np.sort(np.random.default_rng(0).random((160, 4)), axis=1)[:, ::-1].astype(np.float32)
    rows = of_pool(copied)
    losses[rows[[3, 50]]], losses[rows[90], 2] = np.nan, np.inf
    numbers = copied.workspace.root / "losses.npy"
    np.save(numbers, losses)
    wanted = trajectories.Settings(dataset=copied.dataset, source=str(numbers))
    made = trajectories.run(copied.workspace, wanted)
    edits.exclude(copied.workspace, copied.dataset, [rows[20]])
    wanted = clusters.Settings(trajectories=made, k=5, map=False, without=1)
    groups = clusters.run(copied.workspace, wanted)
    edits.include(copied.workspace, copied.dataset, [rows[20]])
    return copied._replace(trajectories=made, clusters=groups), rows[[3, 20, 50, 90]]


def test_d4_is_refused_where_most_rows_are_near_duplicates_to_it(holes):
    copied, _ = holes
    with pytest.raises(InputError, match=r"57% of 136 rows for near-duplicates.*--dedup near"):
        draw(copied, strategy="d4", budget="20", space="trajectories")


@pytest.mark.parametrize(
    "strategy", [s for s in STRATEGIES if s not in ("d4", "like_target")]
)  # refused here: too many near-duplicates, and imported losses without a proxy
def test_pinned_rows_without_a_loss_are_in_and_others_never(holes, strategy, capsys):
    copied, odd = holes
    how = {"strategy": strategy, "budget": "20"}
    more = {"match": copied.selection, "target_parameters": 1e7}
    how |= needed(strategy, copied.workspace, copied.dataset, **more)
    how |= {"space": "trajectories"} if STRATEGIES[strategy].prefix else {}
    plain = draw(copied, **how)
    assert not set(table(plain)["row"]) & set(odd)
    assert plain.summary["pinned_unmeasured"] == 0
    edits.pin(copied.workspace, copied.dataset, odd[:3])
    made = draw(copied, **how)
    chosen = table(made)
    assert set(chosen["row"][:3]) == set(odd[:3])
    assert chosen["reason"][:3].tolist() == ["pinned"] * 3
    assert chosen["cluster"][:3].tolist() == [-1] * 3
    assert odd[3] not in set(chosen["row"])
    assert (chosen["cluster"][3:] >= 0).all()
    assert made.summary["pool"] == plain.summary["pool"] + 3
    counts = {k: made.summary[k] for k in ("pinned", "pinned_unmeasured", "pinned_missing")}
    assert counts == {"pinned": 3, "pinned_unmeasured": 3, "pinned_missing": 0}
    tokens = load_flags(copied.workspace.open(copied.trajectories))["n_response"]
    assert made.summary["response_tokens"] == tokens[chosen["row"]].sum()
    assert "3 rows pinned, 3 of them without a loss or a cluster" in capsys.readouterr().err
    if STRATEGIES[strategy].size == "budget":
        assert len(chosen) == 20
    assert reproduce.differences(copied.workspace, made.id) == []


def test_a_row_without_a_response_token_stays_out_though_pinned(copied, capsys):
    """Nothing of it can be trained on."""
    flags = load_flags(copied.workspace.open(copied.trajectories))
    row = int(np.flatnonzero(flags["flag"] == "no response token")[0])
    edits.pin(copied.workspace, copied.dataset, [row])
    made = draw(copied, strategy="random")
    assert row not in set(table(made)["row"])
    assert (made.summary["pinned"], made.summary["pinned_missing"]) == (0, 1)
    said = "1 row pinned but not to be selected: held out for testing, or without a response token"
    assert said in capsys.readouterr().err
    made = draw(copied, parent=copied.dataset, strategy="random")
    assert made.summary["pinned"] == 1, "without a proxy nothing was cut"


def test_what_a_selection_with_a_pinned_row_without_a_loss_did_is_shown(holes, tmp_path):
    copied, odd = holes
    edits.pin(copied.workspace, copied.dataset, odd)
    made = draw(copied, budget="30")
    chosen = table(made)["row"].to_numpy()
    frame = facets.load(copied.workspace.open(copied.clusters), odd)
    assert set(odd) < set(frame["row"])
    found = before_after.compare(frame, chosen)
    assert found.rows == 30
    assert found.of == made.summary["pool"] == len(frame)
    clusters_ = found.shares[found.shares["facet"] == "cluster"]
    assert clusters_["label"].tolist() == ["0", "1", "2", "3", "4"]
    numbers = found.shares.groupby("facet")[["pool", "selected", "low", "high"]].sum()
    assert numbers[["pool", "selected"]].to_numpy() == pytest.approx(1)
    assert np.isfinite(found.facets["distance"]).all()
    other = draw(copied, strategy="random", budget="30")
    sets = comparison.read(copied.workspace, [made.id, other.id])
    for facet in ("source", "cluster"):
        by = comparison.allocation(frame, sets, facet).table
        assert np.isfinite(by["difference"]).all()
    assert np.isfinite(comparison.facets(frame, sets).table["distance"]).all()
    whole = table(draw(copied, strategy="full"))["row"]
    parent = copied.workspace.open(copied.trajectories)
    assert cost.tokens(parent, whole).share == 1
    assert "4 rows pinned" in data_card.write(made, "jsonl", "")


def test_why_of_a_pinned_row_without_a_loss(holes):
    copied, odd = holes
    edits.pin(copied.workspace, copied.dataset, odd)
    wanted = selection.Settings(parent=copied.clusters, budget="30", edits=3)
    pool, kept = selection.prepare(copied.workspace, wanted)

    def pick(n):
        return choose(pool, "s2l", Budget("rows", n), 0, kept.stay)

    choice = pick(30)
    for row in odd:
        guess = why_row.by_cluster(pool, int(row), 0)
        found = why_row.explain(
            pool,
            choice.positions,
            int(row),
            lambda n: pick(n).positions,
            reason="pinned",
            guess=guess,
            stays=len(kept.stay.positions),
        )
        assert (found.kept, found.cluster, found.needs) == (True, -1, 4)
        assert (found.taken, found.size) == (30, len(pool))
        assert (found.nearest is None) == (row != odd[1])
    other = int(pool.rows[choice.positions[5]])
    found = why_row.explain(
        pool,
        choice.positions,
        other,
        lambda n: pick(n).positions,
        guess=why_row.by_cluster(pool, other, 0),
        stays=4,
    )
    assert found.nearest
    assert 5 <= found.needs <= 30


def test_excluding_everything_is_said(copied):
    edits.exclude(copied.workspace, copied.dataset, range(160))
    with pytest.raises(ValueError, match=r"no row can be selected: .* excluded"):
        draw(copied)


def test_a_manifest_gives_the_same_rows_again_whatever_was_edited_since(copied):
    edits.exclude(copied.workspace, copied.dataset, of_pool(copied)[:30])
    made = draw(copied)
    edits.pin(copied.workspace, copied.dataset, of_pool(copied)[:9])
    again = copied.workspace.open(
        selection.run(copied.workspace, selection.Settings(**made.config))
    )
    assert table(again).equals(table(made))
    assert again.manifest["fingerprint"] == made.manifest["fingerprint"]
    now = draw(copied)
    assert now.config["edits"] == 2
    assert now.summary["ids_sha256"] != made.summary["ids_sha256"]
    none = draw(copied, edits=0)
    assert (
        none.summary["ids_sha256"] == copied.workspace.open(copied.selection).summary["ids_sha256"]
    )
    with pytest.raises(ValueError, match=r"3 edits are wanted, but .* has 2"):
        draw(copied, edits=3)


def test_edits_that_change_no_row_make_no_other_selection(copied):
    settings = selection.Settings(parent=copied.clusters, budget="25%")

    def found():
        same = copied.workspace.same("selection", selection.key(copied.workspace, settings))
        return same.id if same else ""

    assert found() == copied.selection
    edits.name(copied.workspace, copied.dataset, copied.clusters, 1, "sums")
    edits.note(copied.workspace, copied.dataset, [3], "odd")
    assert found() == copied.selection
    edits.exclude(copied.workspace, copied.dataset, [5])
    assert found() == ""
    with_edit = draw(copied)
    edits.note(copied.workspace, copied.dataset, [3], "very odd")
    assert found() == with_edit.id
    edits.undo(copied.workspace, copied.dataset)
    edits.undo(copied.workspace, copied.dataset)
    assert found() == copied.selection
    edits.redo(copied.workspace, copied.dataset)
    assert found() == with_edit.id


def test_selections_made_before_there_were_edits_are_found_and_honour_none(copied):
    old = copied.workspace.open(copied.selection)
    first = ("parent", "strategy", "budget", "seed", "keep")  # all that there was
    config = {k: old.config[k] for k in first}
    assert old.manifest["fingerprint"] == fingerprint("selection", config), "as it always was"
    assert (
        selection.honoured(dataclasses.replace(old, manifest={**old.manifest, "config": config}))
        == 0
    )
    assert selection.honoured(old) == 0


def test_a_clustering_without_excluded_rows(copied):
    rows = of_pool(copied)
    edits.note(copied.workspace, copied.dataset, rows[:9], "these")
    edits.exclude(copied.workspace, copied.dataset, [*rows[:30], 3])  # row 3 is a test row
    edits.include(copied.workspace, copied.dataset, rows[:30])
    wanted = clusters.Settings(trajectories=copied.trajectories, k=4, map=False, without=2)
    made = copied.workspace.open(clusters.run(copied.workspace, wanted))
    labels = np.load(made.path / "labels.npy")
    usual = np.load(copied.workspace.open(copied.clusters).path / "labels.npy")
    assert (labels[rows[:30]] == -1).all()
    assert (labels[rows[30:]] >= 0).all()
    assert made.config["without"] == 2
    assert (made.summary["excluded"], made.summary["clustered"]) == (30, 109)
    assert made.summary["left_out"] == int((usual < 0).sum()) + 30
    assert pd.read_parquet(made.path / "table.parquet")["size"].sum() == 109
    auto = dataclasses.replace(wanted, k="auto")
    auto = copied.workspace.open(clusters.run(copied.workspace, auto))
    assert auto.config["k"] == kmeans.auto_k(109)
    with pytest.raises(ValueError, match="choose K from 1 to 109"):
        clusters.run(copied.workspace, dataclasses.replace(wanted, k=110))
    for strategy in ("s2l", "random"):  # from one pool, though these rows are included again
        drawn = draw(copied, parent=made.id, strategy=strategy, budget="100%")
        assert set(table(drawn)["row"]) == set(rows[30:])


def test_a_clustering_leaves_nothing_out_by_itself(copied):
    edits.exclude(copied.workspace, copied.dataset, of_pool(copied)[:30])
    wanted = clusters.Settings(
        trajectories=copied.trajectories, k=6, map=False, name="made after the edit"
    )
    made = copied.workspace.open(clusters.run(copied.workspace, wanted))
    labels = [
        np.load(c.path / "labels.npy") for c in (made, copied.workspace.open(copied.clusters))
    ]
    assert (labels[0] == labels[1]).all()
    assert made.summary["excluded"] == made.config["without"] == 0


def test_every_arm_of_a_study_honours_the_edits_of_its_start(copied, monkeypatch):
    rows, seal = of_pool(copied).tolist(), selection.seal
    edits.exclude(copied.workspace, copied.dataset, rows[:30])

    def meanwhile(workspace, source, **more):
        edits.exclude(workspace, copied.dataset, [rows.pop()])
        return seal(workspace, source, **more)

    monkeypatch.setattr(import_module("core.selection.run"), "seal", meanwhile)
    how = {"strategies": "random,full", "seeds": "0", "model": "scratch:tiny", "steps": 2}
    wanted = study.Settings(clusters=copied.clusters, budget="10", decode=0, **how)
    made = copied.workspace.open(study.run(copied.workspace, wanted))
    assert made.config["edits"] == 1
    assert edits.read(copied.workspace, copied.dataset).position == 3
    arms = [copied.workspace.open(made.parents[arm]) for arm in ("random 0", "full 0")]
    chosen = [copied.workspace.open(a.parents["selection"]) for a in arms]
    assert [c.config["edits"] for c in chosen] == [1, 1]
    assert [c.summary["pool"] for c in chosen] == [109, 109]
