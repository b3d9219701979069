"""Selections leave as files and folders that other tools read, and come back as the same rows."""

import json
import pathlib

import pandas as pd
import pytest

from core import dataset, export, selection
from core.export import writers
from core.workspace.store import Workspace
from tests.conftest import write
from tests.core.conftest import write_export
from tests.core.export.conftest import TURNS, again, load, records, subset_fingerprint


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("form", [f for f in writers.EXPORT_FORMATS if f not in ("ids", "alpaca")])
def test_an_export_comes_back_as_the_same_rows(form, whole, own, tmp_path):
    workspace, _, chosen = load(tmp_path, records(own))
    suffix = "" if whole else pathlib.PurePath(writers.EXPORT_FORMATS[form].file).suffix
    config = "axolotl" if whole and form in TURNS else "none"
    out = write_export(workspace, chosen, tmp_path / f"out{suffix}", format=form, config=config)
    found = again(workspace, out)
    assert found.name == "out"
    assert found.summary["rows"] == 24
    assert found.summary["fingerprint"] == subset_fingerprint(workspace, chosen)
    ids = dataset.examples(found)["id"].tolist()
    assert selection.ids_sha256(ids) == workspace.open(chosen).summary["ids_sha256"]


def test_an_alpaca_export_of_single_exchanges_comes_back_too(tmp_path):
    rows = [{"question": f"q{i}", "system": "s" * (i % 3), "response": f"r{i}"} for i in range(30)]
    rows += rows[:5]  # copies have numbered ids
    workspace, _, chosen = load(tmp_path, rows)
    out = write_export(workspace, chosen, tmp_path / "out", format="alpaca", config="llamafactory")
    lines = [json.loads(line) for line in (out / "data.jsonl").read_text().splitlines()]
    assert {*lines[0]} == {"instruction", "input", "output", "system", "id", "source"}
    assert {line["system"] for line in lines} == {"", "s", "ss"}
    assert again(workspace, out).summary["fingerprint"] == subset_fingerprint(workspace, chosen)
    ids = write_export(workspace, chosen, tmp_path / "ids", format="ids")
    with pytest.raises(ValueError, match=r"ids has no data file.*give one file"):
        again(workspace, ids)


def test_the_command_line_exports(finished, tmp_path):
    from core.__main__ import main

    argv = [
        "export",
        "--selection",
        finished.selection,
        "--workspace",
        str(finished.workspace.root),
    ]
    out = str(tmp_path / "out")
    argv += ["--format", "sharegpt", "--config", "axolotl", "--out", out]
    assert main(argv) == 0
    assert (tmp_path / "out" / "axolotl.yaml").exists()
    assert main(argv) == 2
    assert main([*argv, "--overwrite"]) == 0


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_export_has_the_selected_rows_in_the_original_columns(finished, tmp_path, form):
    out = tmp_path / f"out.{form}"
    run = export.Settings(selection=finished.selection, format=form, out=str(out))
    assert export.run(finished.workspace, run) == str(out)
    chosen = pd.read_parquet(finished.workspace.open(finished.selection).path / "table.parquet")
    lines = finished.file.read_text().splitlines()
    expected = [json.loads(lines[r]) for r in sorted(chosen["row"])]
    if form == "jsonl":
        assert [json.loads(line) for line in out.read_text().splitlines()] == expected
    else:
        frame = pd.read_parquet(out)
        assert frame.columns.tolist() == list(expected[0])
        assert frame["question"].tolist() == [r["question"] for r in expected]
    with pytest.raises(ValueError, match="exists; choose another --out"):
        export.run(finished.workspace, run)
    with pytest.raises(ValueError, match="there is no folder"):
        export.run(
            finished.workspace,
            export.Settings(selection=finished.selection, out=str(tmp_path / "no" / "x")),
        )
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_an_export_gives_back_lone_surrogates(finished, tmp_path):
    rows = [{"question": f"q{i}", "answer": "a", "odd": "\ud83d x"} for i in range(3)]
    data = dataset.run(
        finished.workspace, dataset.Settings(path=str(write(tmp_path / "s.jsonl", rows)))
    )
    chosen = selection.run(finished.workspace, selection.Settings(parent=data, strategy="full"))
    out = tmp_path / "out.jsonl"
    export.run(finished.workspace, export.Settings(selection=chosen, out=str(out)))
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows


def test_jsonl_has_the_keys_that_each_row_had_in_its_order(tmp_path):
    rows = [
        {
            "question": f"q{i}",
            "answer": f"a{i}",
            **({"note": None} if i % 2 else {"x": {"b": 1, "a": i}}),
        }
        for i in range(6)
    ]
    rows += [{"answer": "z", "x": {"a": 1, "b": 2}, "question": "q"}]
    workspace = Workspace(tmp_path / "workspace")
    file = write(tmp_path / "odd.jsonl", rows)
    data = dataset.run(workspace, dataset.Settings(path=str(file)))
    chosen = selection.run(workspace, selection.Settings(parent=data, strategy="full"))
    out = write_export(workspace, chosen, tmp_path / "out.jsonl", format="jsonl")
    assert out.read_text() == file.read_text(), "byte by byte"


def test_numbers_that_json_has_not_are_null_and_said(tmp_path, capsys):
    file = tmp_path / "odd.jsonl"
    odd = ("1.5", "NaN", '{"a": [Infinity]}', "null")
    lines = [f'{{"question": "q{i}", "answer": "a", "odd": {v}}}' for i, v in enumerate(odd)]
    file.write_text("\n".join(lines))
    workspace = Workspace(tmp_path / "workspace")
    data = dataset.run(workspace, dataset.Settings(path=str(file)))
    chosen = selection.run(workspace, selection.Settings(parent=data, strategy="full"))
    out = write_export(workspace, chosen, tmp_path / "out", format="jsonl")
    found = [json.loads(line)["odd"] for line in (out / "data.jsonl").read_text().splitlines()]
    assert found == [1.5, None, {"a": [None]}, None]
    note = "2 rows have a number that JSON has not (NaN, infinity), written as null"
    assert note in capsys.readouterr().err
    assert json.loads((out / "export.json").read_text())["left_out"] == [note]
    assert "2 rows have a number that JSON has not" in (out / "README.md").read_text()


def test_what_a_trainer_drops_is_counted_in_the_manifest_the_card_and_the_terminal(
    tmp_path, capsys
):
    talk = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "weight": 0},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
    rows = [{"messages": talk}, *({"messages": talk[2:], "tools": []} for _ in range(3))]
    workspace = Workspace(tmp_path / "workspace")
    data = dataset.run(workspace, dataset.Settings(path=str(write(tmp_path / "talks.jsonl", rows))))
    chosen = selection.run(workspace, selection.Settings(parent=data, strategy="full"))
    out = write_export(
        workspace, chosen, tmp_path / "out", format="sharegpt", config="llamafactory"
    )
    note = "LLaMA-Factory trains 1 replies that are marked as context only, in 1 of 4 rows"
    assert export.left_out(out) == [note]
    assert note in capsys.readouterr().err
    assert note in (out / "README.md").read_text()
    out = write_export(workspace, chosen, tmp_path / "axolotl", format="messages", config="axolotl")
    assert export.left_out(out) == []
    assert "message_field_training: weight" in (out / "axolotl.yaml").read_text()
