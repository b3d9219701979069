import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from core import dataset, export, finetune, selection, study
from core.finetune.settings import Settings, planned_steps
from core.jobs.progress import Stopped
from core.study.run import _with_sources_only
from core.workspace.files import read_json, read_jsonl
from tests.core.conftest import TUNE, write

pytestmark = pytest.mark.usefixtures("quick")


def tune(house, **more):
    settings = Settings(**{"selection": house.selection, **TUNE, **more})
    return house.workspace.open(finetune.run(house.workspace, settings))


def check(made, weights):
    names = set(made.manifest["files"])
    assert {weights, "metrics.jsonl", "scores.json", "generations.jsonl"} <= names
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pth", ".pkl"))]
    scores = read_json(made.path / "scores.json")
    said = list(read_jsonl(made.path / "generations.jsonl"))
    assert len(said) == scores["decoded"] == 8
    assert made.summary["loss"] == scores["loss"]
    assert [r["step"] for r in read_jsonl(made.path / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
    json.dumps(made.manifest, allow_nan=False)


def test_the_sealed_artifact(house):
    made = house.workspace.open(house.finetune)
    check(made, "model/model.safetensors")
    chosen = house.workspace.open(house.selection)
    assert made.summary["ids_sha256"] == chosen.summary["ids_sha256"]
    assert made.parents == {"selection": house.selection, "test": house.dataset}
    assert made.config["steps"] == made.summary["steps"] == 6
    assert 0 < made.summary["train_seconds"] <= made.manifest["seconds"], "its test left out"


@pytest.mark.parametrize(
    ("method", "weights"),
    [("full", "model/model.safetensors"), ("lora", "adapter/adapter_model.safetensors")],
)
def test_stopped_and_resumed_is_as_if_never_stopped(house, stop_after, method, weights):
    whole = house.workspace.open(house.finetune) if method == "full" else tune(house, method=method)
    check(whole, weights)
    with stop_after(3), pytest.raises(Stopped):
        tune(house, method=method)
    again = tune(house, method=method, resume=True)
    assert again.manifest["files"][weights] == whole.manifest["files"][weights]
    assert again.summary["loss"] == whole.summary["loss"]
    assert [e for e in house.workspace.entries("finetune") if e.state == "unfinished"] == []


def test_a_test_file_is_imported_once_and_scored_by_its_answers(house, tmp_path):
    file = write(
        tmp_path / "test.jsonl",
        [{"question": f"Sum of {i} and 1?", "answer": f"{i + 1}"} for i in range(5)],
    )
    made = tune(house, steps=1, eval=str(file))
    assert made.summary["decoded"] == 5
    assert made.summary["matcher"] == "number"
    test = house.workspace.open(made.parents["test"], "dataset")
    assert tune(house, steps=1, eval=str(file), seed=1).parents["test"] == test.id
    write(file, [{"question": "Sum of 1 and 1?", "answer": "2"}] * 2)
    key = finetune.key(house.workspace.open(house.selection), test, Settings(**TUNE, selection="x"))
    other = house.workspace.open(dataset.load_any(house.workspace, str(file)))
    assert key != finetune.key(
        house.workspace.open(house.selection), other, Settings(**TUNE, selection="x")
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"eval": "/nowhere.jsonl"}, "is no file and no dataset"),
        ({"selection": "none"}, "no artifact 'none'"),
        ({"max_length": 8}, "no selected row has a response token left; raise --max-length"),
        ({"model": "scratch:vast"}, "no model"),
    ],
)
def test_bad_input_is_a_sentence(house, wrong, words):
    before = house.workspace.entries()
    with pytest.raises(ValueError, match=words):
        tune(house, **wrong)
    assert house.workspace.entries() == before


def test_epochs_are_passes_over_the_rows(house):
    # 34 rows: a batch of 32 and one of 2; 6 steps pass over them three times
    assert house.workspace.open(house.finetune).summary["epochs"] == 3
    assert tune(house, steps=0, epochs=2.5).summary["epochs"] == 2.5


def test_small_selections_get_two_hundred_steps():
    assert planned_steps(100, "auto", 32, "scratch:tiny") == 200
    assert planned_steps(30_000, "auto", 32, "scratch:tiny") == 6 * 938
    assert planned_steps(30_000, "auto", 128, "microsoft/phi-2") == 3 * 235
    assert planned_steps(100, 2.0, 32, "scratch:tiny") == 8


def compare(house, **more):
    settings = {
        "strategies": "s2l,random,full",
        "budget": "25%",
        "seeds": "0",
        "model": "scratch:tiny",
    }
    settings |= {"steps": 2, "decode": 4, "clusters": house.clusters, **more}
    return house.workspace.open(study.run(house.workspace, study.Settings(**settings)))


def test_a_study_compares_arms_with_equal_steps_and_reuses_finetunes(house, capsys):
    first = compare(house)
    table = pd.read_parquet(first.path / "table.parquet")
    assert table["arm"].tolist() == ["s2l", "random", "full"]
    assert set(table["steps"]) == {2}
    assert (table["rows"] + table["left_out"]).tolist() == [34, 34, 139]
    assert table["left_out"].tolist() == [0, 0, 0], "rows this short are never cut"
    assert first.summary["means"].keys() == {"s2l", "random", "full"}
    assert np.isfinite(first.summary["base"]["balanced_loss"])
    assert set(first.parents.values()) == {house.clusters, *table["finetune"]}
    said = capsys.readouterr().err
    assert "untuned base" in said
    assert "of 4" in said
    count = len(house.workspace.entries("finetune")), len(house.workspace.entries("selection"))
    second = compare(house)
    assert (
        len(house.workspace.entries("finetune")),
        len(house.workspace.entries("selection")),
    ) == count
    assert set(second.parents.values()) == set(first.parents.values())
    pd.testing.assert_frame_equal(table, pd.read_parquet(second.path / "table.parquet"))
    with pytest.raises(ValueError, match="is needed by study"):
        house.workspace.delete(table["finetune"][0])


def test_an_arm_of_matched_tokens_is_as_large_as_the_first_arm(house):
    made = compare(house, strategies="s2l,random_token_matched")
    arms = [house.workspace.open(made.parents[f"{a} 0"]) for a in ("s2l", "random_token_matched")]
    first, matched = (house.workspace.open(arm.parents["selection"]) for arm in arms)
    assert matched.parents["matches"] == first.id
    assert matched.summary["response_tokens"] >= first.summary["response_tokens"]


def test_arms_over_sources_are_left_out_where_the_data_names_none(house, capsys):
    wanted = study.Settings(clusters=house.clusters)
    dataset = house.workspace.open(house.dataset)
    assert _with_sources_only(wanted, dataset) == wanted
    bare = dataclasses.replace(
        dataset, manifest={**dataset.manifest, "summary": {"sources": {"all": 160}}}
    )
    left = _with_sources_only(wanted, bare)
    assert left.strategies == "s2l,random,full"
    assert "these arms are left out: random_per_source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"strategies": "s2l,best"}, "--strategies has 'best'; there are s2l"),
        ({"strategies": " , "}, "--strategies names no arm"),
        ({"seeds": "a"}, "--seeds takes whole numbers"),
        ({"seeds": "99999999999"}, "--seeds takes whole numbers"),
        ({"budget": "120%"}, "above 100%"),
        ({"strategies": "s2l,random_cost_matched"}, "compares at equal epochs"),
        ({"strategies": "full,random_token_matched"}, "must be a selection by budget, not full"),
    ],
)
def test_a_study_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        study.Settings(clusters="x", **wrong)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_export_has_the_selected_rows_in_the_original_columns(house, tmp_path, form):
    out = tmp_path / f"out.{form}"
    run = export.Settings(selection=house.selection, format=form, out=str(out))
    assert export.run(house.workspace, run) == str(out)
    chosen = pd.read_parquet(house.workspace.open(house.selection).path / "table.parquet")
    lines = house.file.read_text().splitlines()
    expected = [json.loads(lines[r]) for r in sorted(chosen["row"])]
    if form == "jsonl":
        assert [json.loads(line) for line in out.read_text().splitlines()] == expected
    else:
        frame = pd.read_parquet(out)
        assert frame.columns.tolist() == list(expected[0])
        assert frame["question"].tolist() == [r["question"] for r in expected]
    with pytest.raises(ValueError, match="exists; choose another --out"):
        export.run(house.workspace, run)
    with pytest.raises(ValueError, match="there is no folder"):
        export.run(
            house.workspace,
            export.Settings(selection=house.selection, out=str(tmp_path / "no" / "x")),
        )
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_an_export_gives_back_lone_surrogates(house, tmp_path):
    rows = [{"question": f"q{i}", "answer": "a", "odd": "\ud83d x"} for i in range(3)]
    data = dataset.run(
        house.workspace, dataset.Settings(path=str(write(tmp_path / "s.jsonl", rows)))
    )
    chosen = selection.run(house.workspace, selection.Settings(parent=data, strategy="full"))
    out = tmp_path / "out.jsonl"
    export.run(house.workspace, export.Settings(selection=chosen, out=str(out)))
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows


def test_preset_paper_fills_in_what_was_left_at_its_default():
    from core.finetune.settings import resolve

    made = resolve(Settings(selection="x", preset="paper", lr=1e-4))
    assert (made.model, made.batch_size, made.epochs) == ("microsoft/phi-2", 128, 3.0)
    assert (made.max_length, made.template, made.lr) == (512, "alpaca", 1e-4)
