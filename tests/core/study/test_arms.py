"""Arms of a study: strategies, and the settings of saved selections drawn again with every seed."""

import json

import pandas as pd
import pytest

from core import clusters, edits, selection, study
from core.__main__ import main
from core.study import arms
from tests.conftest import rows, write
from tests.core.conftest import load

pytestmark = pytest.mark.usefixtures("quick")

TARGET = {"model": "scratch:tiny", "steps": 2, "decode": 0}


def save(copied, **how):
    wanted = {"parent": copied.clusters, "budget": "25%", **how}
    return selection.run(copied.workspace, selection.Settings(**wanted))


def compare(copied, *saved, **more):
    wanted = {"strategies": "s2l", "seeds": "0", "budget": "25%", **TARGET, **more}
    settings = study.Settings(clusters=copied.clusters, selections=",".join(saved), **wanted)
    return copied.workspace.open(study.run(copied.workspace, settings))


def names(copied, *saved, strategies="s2l,full"):
    wanted = arms.Arms(
        clusters=copied.clusters, strategies=strategies, budget="25%", selections=",".join(saved)
    )
    return [arm.name for arm in arms.of(copied.workspace.open(wanted.clusters), wanted)]


def chosen_by(copied, made):
    """Return the selections of a study by arm and seed."""
    table = pd.read_parquet(made.path / "table.parquet")
    return {
        (arm, seed): copied.workspace.open(copied.workspace.open(id).parents["selection"])
        for arm, seed, id in table[["arm", "seed", "finetune"]].itertuples(index=False)
    }


def test_a_saved_selection_is_drawn_again_with_every_seed(copied, capsys):
    hard = save(copied, pick="hardest", quotas="5=9,0=0", budget="40", seed=7, name="mine")
    made = compare(copied, hard, seeds="0,3")
    name = "s2l 40 hardest quotas 0=0,5=9"
    assert made.summary["arms"] == ["s2l", name]
    assert made.summary["exploratory"] == [name]
    assert made.config["selections"] == hard
    assert hard in made.parents.values(), "so it is not deleted from under the study"
    found = chosen_by(copied, made)
    assert set(found) == {("s2l", 0), ("s2l", 3), (name, 0), (name, 3)}
    for seed in (0, 3):
        drawn = found[name, seed]
        assert drawn.config == copied.workspace.open(hard).config | {"seed": seed, "name": ""}
        counts = pd.read_parquet(drawn.path / "table.parquet")["cluster"].value_counts()
        assert counts[5] == 9
        assert 0 not in counts
    table = pd.read_parquet(made.path / "table.parquet")
    assert set(table["steps"]) == {2}, "equal steps, whatever the rows"
    assert set(table.loc[table["arm"] == name, "rows"]) == {40}
    assert set(table.loc[table["arm"] == "s2l", "rows"]) == {34}
    said = capsys.readouterr().err
    assert f"Exploratory, as they come from saved selections: {name}." in said


def test_its_finetunes_are_reused(copied):
    hard = save(copied, pick="hardest")
    first = compare(copied, hard)
    count = len(copied.workspace.entries("finetune")), len(copied.workspace.entries("selection"))
    again = compare(copied, hard)
    assert count == (
        len(copied.workspace.entries("finetune")),
        len(copied.workspace.entries("selection")),
    )
    assert again.parents == first.parents


def test_all_arms_honour_the_edits_of_the_study(copied):
    hard = save(copied, pick="hardest")
    full = pd.read_parquet(
        copied.workspace.open(save(copied, strategy="full")).path / "table.parquet"
    )
    out = full["row"].tolist()[:20]
    edits.exclude(copied.workspace, copied.dataset, out)
    found = chosen_by(copied, compare(copied, hard))
    assert {drawn.config["edits"] for drawn in found.values()} == {1}
    assert {drawn.summary["pool"] for drawn in found.values()} == {119}
    assert copied.workspace.open(hard).config["edits"] == 0, "what was saved stays as it was"


def test_other_clusters_are_compared_and_named(copied):
    cut = {"trajectories": copied.trajectories, "map": False}
    eight = clusters.run(copied.workspace, clusters.Settings(k=8, features="centred", **cut))
    other = clusters.run(copied.workspace, clusters.Settings(k=6, seed=1, **cut))
    ids = [save(copied, parent=parent) for parent in (eight, other)]
    plain = save(copied, strategy="random", parent=eight)
    named = names(copied, *ids, plain)
    assert named == [
        "s2l",
        "full",
        "s2l 25% · K = 8, centred",
        f"s2l 25% · clusters {other}",
        "random 25%",
    ]
    found = chosen_by(copied, compare(copied, ids[0]))
    assert found[named[2], 0].parents == {"clusters": eight}
    assert found["s2l", 0].parents == {"clusters": copied.clusters}


def test_what_draws_the_same_is_one_arm(copied, capsys):
    ids = [save(copied, seed=5), save(copied, strategy="full", budget="10%")]
    ids += [save(copied, pick="medoid"), save(copied, pick="medoid", seed=1)]
    assert names(copied, *ids) == ["s2l", "full", "s2l 25% medoid"]
    compare(copied, *ids[2:])
    assert f"drawn as another arm is, so left out: {ids[3]}" in capsys.readouterr().err


def test_names_differ_where_settings_do(copied):
    quotas = ",".join(f"{c}<=9" for c in range(6))
    ids = [save(copied, quotas=quotas), save(copied, quotas=quotas.replace("5<=9", "5<=8"))]
    first, second = names(copied, *ids)[2:]
    assert first.startswith("s2l 25% 6 quotas #")
    assert first != second
    spaced = [save(copied, quotas="5=9,0=0"), save(copied, quotas="5=9, 0=0")]
    named = names(copied, *spaced)
    assert named[2:] == [f"s2l 25% quotas 0=0,5=9 · {id}" for id in spaced]
    kept = save(copied, keep=copied.selection, strategy="random", budget="40")
    assert names(copied, kept)[2] == f"random 40 keeping {copied.selection}"


def test_a_matched_selection_keeps_its_match(copied):
    matched = save(copied, strategy="random_token_matched", match=copied.selection)
    made = compare(copied, matched, strategies="full")
    drawn = chosen_by(copied, made)[f"random_token_matched of {copied.selection}", 0]
    assert drawn.config["match"] == copied.selection


def test_a_selection_older_than_a_setting_stands_at_its_default(copied):
    config = {"parent": copied.clusters, "strategy": "s2l", "budget": "25%", "seed": 4, "keep": ""}
    how = arms.how(config)
    assert (how["pick"], how["dedup"], how["space"]) == ("random", "none", "embeddings")
    assert arms.identity(how) == arms.identity(
        arms.how(copied.workspace.open(copied.selection).config)
    )
    assert not {"seed", "edits", "name"} & set(how)


def test_what_cannot_be_an_arm_is_said_before_anything_is_trained(copied, tmp_path):
    before = copied.workspace.entries("finetune", "study")
    with pytest.raises(ValueError, match="no artifact 'nowhere'"):
        compare(copied, "nowhere")
    with pytest.raises(ValueError, match="is a clusters, not a selection"):
        compare(copied, copied.clusters)
    other = load(copied.workspace, write(tmp_path / "other.jsonl", rows()[:60]))
    stranger = save(copied, parent=other, strategy="random")
    with pytest.raises(ValueError, match=f"--selections has {stranger} of the dataset other"):
        compare(copied, stranger)
    cost = save(
        copied, strategy="random_cost_matched", match=copied.selection, target_parameters=1e7
    )
    with pytest.raises(ValueError, match=r"equal steps; leave .* out of --selections"):
        compare(copied, cost)
    full = pd.read_parquet(
        copied.workspace.open(save(copied, strategy="full")).path / "table.parquet"
    )
    size = int((full["cluster"] == 5).sum())
    whole = save(copied, quotas=f"5={size}", budget="60")
    edits.exclude(
        copied.workspace, copied.dataset, full.loc[full["cluster"] == 5, "row"].tolist()[:1]
    )
    with pytest.raises(ValueError, match=f"cluster 5 is set to {size} rows but has {size - 1}"):
        compare(copied, whole)
    assert copied.workspace.entries("finetune", "study") == before


def test_the_command_line_takes_the_ids(copied, capsys):
    hard, typical = save(copied, pick="hardest"), save(copied, pick="medoid")
    place = ["--workspace", str(copied.workspace.root)]
    argv = ["study", "--clusters", copied.clusters, "--selections", f"{hard}, {typical}"]
    argv += ["--strategies", "s2l", "--seeds", "0", "--budget", "25%", "--model", "scratch:tiny"]
    argv += ["--steps", "2", "--decode", "0", "--max-length", "48", "--precision", "fp32", *place]
    assert main(argv) == 0
    made = copied.workspace.open(capsys.readouterr().out.splitlines()[-1], "study")
    assert made.summary["arms"] == ["s2l", "s2l 25% hardest", "s2l 25% medoid"]
    json.dumps(made.manifest, allow_nan=False)
    table = pd.read_parquet(made.path / "table.parquet")
    tuned = copied.workspace.open(table["finetune"][1])
    assert (tuned.config["max_length"], tuned.config["precision"]) == (48, "fp32")
    assert main(["study", "--clusters", copied.clusters, "--selections", "none", *place]) == 2
    assert "no artifact 'none'" in capsys.readouterr().err
