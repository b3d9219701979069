"""Arms of a study: strategies, and the settings of saved selections drawn again with every seed."""

import json
import shutil

import pandas as pd
import pytest

from core import clusters, edits, selection, study
from core.__main__ import main
from core.study import arms
from core.workspace.store import Workspace
from tests.core.conftest import load, rows, write

pytestmark = pytest.mark.usefixtures("quick")

TARGET = {"model": "scratch:tiny", "steps": 2, "decode": 0}


@pytest.fixture
def home(house, tmp_path):
    root = shutil.copytree(house.workspace.root, tmp_path / "w")
    return house._replace(workspace=Workspace(root))


def save(home, **how):
    wanted = {"parent": home.clusters, "budget": "25%", **how}
    return selection.run(home.workspace, selection.Settings(**wanted))


def compare(home, *saved, **more):
    wanted = {"strategies": "s2l", "seeds": "0", "budget": "25%", **TARGET, **more}
    settings = study.Settings(clusters=home.clusters, selections=",".join(saved), **wanted)
    return home.workspace.open(study.run(home.workspace, settings))


def names(home, *saved, strategies="s2l,full"):
    wanted = arms.Arms(
        clusters=home.clusters, strategies=strategies, budget="25%", selections=",".join(saved)
    )
    return [arm.name for arm in arms.of(home.workspace, wanted)]


def chosen_by(home, made):
    """Return the selections of a study by arm and seed."""
    table = pd.read_parquet(made.path / "table.parquet")
    return {
        (arm, seed): home.workspace.open(home.workspace.open(id).parents["selection"])
        for arm, seed, id in table[["arm", "seed", "finetune"]].itertuples(index=False)
    }


def test_a_saved_selection_is_drawn_again_with_every_seed(home, capsys):
    hard = save(home, pick="hardest", quotas="5=9,0=0", budget="40", seed=7, name="mine")
    made = compare(home, hard, seeds="0,3")
    name = "s2l 40 hardest quotas 0=0,5=9"
    assert made.summary["arms"] == ["s2l", name]
    assert made.summary["exploratory"] == [name]
    assert made.config["selections"] == hard
    assert hard in made.parents.values(), "so it is not deleted from under the study"
    found = chosen_by(home, made)
    assert set(found) == {("s2l", 0), ("s2l", 3), (name, 0), (name, 3)}
    for seed in (0, 3):
        drawn = found[name, seed]
        assert drawn.config == home.workspace.open(hard).config | {"seed": seed, "name": ""}
        counts = pd.read_parquet(drawn.path / "table.parquet")["cluster"].value_counts()
        assert counts[5] == 9
        assert 0 not in counts
    table = pd.read_parquet(made.path / "table.parquet")
    assert set(table["steps"]) == {2}, "equal steps, whatever the rows"
    assert set(table.loc[table["arm"] == name, "rows"]) == {40}
    assert set(table.loc[table["arm"] == "s2l", "rows"]) == {34}
    said = capsys.readouterr().err
    assert f"Exploratory, as they come from saved selections: {name}." in said


def test_its_finetunes_are_reused(home):
    hard = save(home, pick="hardest")
    first = compare(home, hard)
    count = len(home.workspace.entries("finetune")), len(home.workspace.entries("selection"))
    again = compare(home, hard)
    assert count == (
        len(home.workspace.entries("finetune")),
        len(home.workspace.entries("selection")),
    )
    assert again.parents == first.parents


def test_all_arms_honour_the_edits_of_the_study(home):
    hard = save(home, pick="hardest")
    full = pd.read_parquet(home.workspace.open(save(home, strategy="full")).path / "table.parquet")
    out = full["row"].tolist()[:20]
    edits.exclude(home.workspace, home.dataset, out)
    found = chosen_by(home, compare(home, hard))
    assert {drawn.config["edits"] for drawn in found.values()} == {1}
    assert {drawn.summary["pool"] for drawn in found.values()} == {119}
    assert home.workspace.open(hard).config["edits"] == 0, "what was saved stays as it was"


def test_other_clusters_are_compared_and_named(home):
    cut = {"trajectories": home.trajectories, "map": False}
    eight = clusters.run(home.workspace, clusters.Settings(k=8, features="centred", **cut))
    other = clusters.run(home.workspace, clusters.Settings(k=6, seed=1, **cut))
    ids = [save(home, parent=parent) for parent in (eight, other)]
    plain = save(home, strategy="random", parent=eight)
    named = names(home, *ids, plain)
    assert named == [
        "s2l", "full", "s2l 25% · K = 8, centred", f"s2l 25% · clusters {other}", "random 25%",
    ]  # fmt: skip
    found = chosen_by(home, compare(home, ids[0]))
    assert found[named[2], 0].parents == {"clusters": eight}
    assert found["s2l", 0].parents == {"clusters": home.clusters}


def test_what_draws_the_same_is_one_arm(home, capsys):
    ids = [save(home, seed=5), save(home, strategy="full", budget="10%")]
    ids += [save(home, pick="medoid"), save(home, pick="medoid", seed=1)]
    assert names(home, *ids) == ["s2l", "full", "s2l 25% medoid"]
    compare(home, *ids[2:])
    assert f"drawn as another arm is, so left out: {ids[3]}" in capsys.readouterr().err


def test_names_differ_where_settings_do(home):
    quotas = ",".join(f"{c}<=9" for c in range(6))
    ids = [save(home, quotas=quotas), save(home, quotas=quotas.replace("5<=9", "5<=8"))]
    first, second = names(home, *ids)[2:]
    assert first.startswith("s2l 25% 6 quotas #")
    assert first != second
    spaced = [save(home, quotas="5=9,0=0"), save(home, quotas="5=9, 0=0")]
    named = names(home, *spaced)
    assert named[2:] == [f"s2l 25% quotas 0=0,5=9 · {id}" for id in spaced]
    kept = save(home, keep=home.selection, strategy="random", budget="40")
    assert names(home, kept)[2] == f"random 40 keeping {home.selection}"


def test_a_matched_selection_keeps_its_match(home):
    matched = save(home, strategy="random_token_matched", match=home.selection)
    made = compare(home, matched, strategies="full")
    drawn = chosen_by(home, made)[f"random_token_matched of {home.selection}", 0]
    assert drawn.config["match"] == home.selection


def test_a_selection_older_than_a_setting_stands_at_its_default(home):
    config = {"parent": home.clusters, "strategy": "s2l", "budget": "25%", "seed": 4, "keep": ""}
    how = arms.how(config)
    assert (how["pick"], how["dedup"], how["space"]) == ("random", "none", "embeddings")
    assert arms.identity(how) == arms.identity(arms.how(home.workspace.open(home.selection).config))
    assert not {"seed", "edits", "name"} & set(how)


def test_what_cannot_be_an_arm_is_said_before_anything_is_trained(home, tmp_path):
    before = home.workspace.entries("finetune", "study")
    with pytest.raises(ValueError, match="no artifact 'nowhere'"):
        compare(home, "nowhere")
    with pytest.raises(ValueError, match="is a clusters, not a selection"):
        compare(home, home.clusters)
    other = load(home.workspace, write(tmp_path / "other.jsonl", rows()[:60]))
    stranger = save(home, parent=other, strategy="random")
    with pytest.raises(ValueError, match=f"--selections has {stranger} of the dataset other"):
        compare(home, stranger)
    cost = save(home, strategy="random_cost_matched", match=home.selection, target_parameters=1e7)
    with pytest.raises(ValueError, match=r"equal steps; leave .* out of --selections"):
        compare(home, cost)
    full = pd.read_parquet(home.workspace.open(save(home, strategy="full")).path / "table.parquet")
    size = int((full["cluster"] == 5).sum())
    whole = save(home, quotas=f"5={size}", budget="60")
    edits.exclude(home.workspace, home.dataset, full.loc[full["cluster"] == 5, "row"].tolist()[:1])
    with pytest.raises(ValueError, match=f"cluster 5 is set to {size} rows but has {size - 1}"):
        compare(home, whole)
    assert home.workspace.entries("finetune", "study") == before


def test_the_command_line_takes_the_ids(home, capsys):
    hard, typical = save(home, pick="hardest"), save(home, pick="medoid")
    place = ["--workspace", str(home.workspace.root)]
    argv = ["study", "--clusters", home.clusters, "--selections", f"{hard}, {typical}"]
    argv += ["--strategies", "s2l", "--seeds", "0", "--budget", "25%", "--model", "scratch:tiny"]
    argv += ["--steps", "2", "--decode", "0", "--max-length", "48", "--precision", "fp32", *place]
    assert main(argv) == 0
    made = home.workspace.open(capsys.readouterr().out.splitlines()[-1], "study")
    assert made.summary["arms"] == ["s2l", "s2l 25% hardest", "s2l 25% medoid"]
    json.dumps(made.manifest, allow_nan=False)
    table = pd.read_parquet(made.path / "table.parquet")
    tuned = home.workspace.open(table["finetune"][1])
    assert (tuned.config["max_length"], tuned.config["precision"]) == (48, "fp32")
    assert main(["study", "--clusters", home.clusters, "--selections", "none", *place]) == 2
    assert "no artifact 'none'" in capsys.readouterr().err
