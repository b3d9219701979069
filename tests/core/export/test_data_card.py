"""The card beside an export tells the truth about its rows, and nothing of this machine."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

from core import dataset, export, selection
from core.export import writers
from core.export.data_card import without_folders
from tests.conftest import SOURCE
from tests.core.conftest import write_export
from tests.core.export.conftest import chosen_rows, load, records


@pytest.mark.parametrize("form", writers.EXPORT_FORMATS)
def test_a_folder_has_a_card_and_names_its_files(form, finished, tmp_path):
    out = write_export(finished.workspace, finished.selection, tmp_path / "out", format=form)
    artifact = finished.workspace.open(finished.selection)
    text = (out / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["license"] == "other"
    assert front["size_categories"] == ["n<1K"]
    assert ("configs" in front) == (form != "ids")
    if form != "ids":
        assert list(out.glob(front["configs"][0]["data_files"]))
    for words in (
        finished.dataset,
        finished.trajectories,
        finished.clusters,
        finished.selection,
        artifact.summary["ids_sha256"],
        "25%",
        "s2l",
        f"python -m core reproduce {finished.selection}",
        "--path small.jsonl",
        "T=$(python -m core trajectories --dataset $D",
        "--clusters",
        "Nothing here certifies",
        "That of the original data",
    ):
        assert words in body or words == "--clusters", words
    assert str(finished.file.parent) not in text, "a card tells no path of this machine"
    facts = json.loads((out / export.MANIFEST).read_text())
    assert {*facts["files"], export.MANIFEST} == {p.name for p in out.iterdir()}
    assert facts["ids_sha256"] == artifact.summary["ids_sha256"]


def test_the_cards_numbers_are_those_of_the_rows(finished, tmp_path):
    out = write_export(finished.workspace, finished.selection, tmp_path / "out")
    text = (out / "README.md").read_text()
    chosen = chosen_rows(finished.workspace, finished.selection)
    frame = dataset.examples(finished.workspace.open(finished.dataset))
    pool = frame[frame["split"] == "pool"]
    for source, n in pool["source"].value_counts().drop(SOURCE).items():
        selected = (chosen["source"] == source).sum()
        assert f"| {source} | {n:,} | {selected:,} | {n / len(pool):.1%} |" in text
    assert f"| all | {len(pool):,} | {len(chosen):,} | 100.0% | 100.0% |" in text
    longest = chosen["prompt"].str.len().max()
    (line,) = [line for line in text.splitlines() if line.startswith("| prompt, selected")]
    assert line.endswith(f"| {longest:,} |")


def test_a_card_obeys_nobodys_markup(tmp_path):
    hostile = "<script>alert(1)</script> | **b** [x](javascript:1) `c`\n# head"
    rows = [{"question": f"q{i}", "answer": "a", "source": f"{hostile}{i}"} for i in range(40)]
    workspace, _, chosen = load(tmp_path, rows, name=f'{hostile} "q": y')
    text = (write_export(workspace, chosen, tmp_path / "out") / "README.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["pretty_name"].startswith(hostile)
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body
    assert "**b**" not in body
    assert "\n# head" not in body
    assert "11 others" in body
    (table,) = [part for part in body.split("\n\n") if part.startswith("| source")]
    widths = {len(line.replace(r"\|", "").split("|")) for line in table.splitlines()}
    assert widths == {7}


def test_the_cards_commands_make_the_same_selection(tmp_path):
    from core import edits

    workspace, data, _ = load(tmp_path, records(own=True))
    edits.exclude(workspace, data, [1, 2])
    edits.pin(workspace, data, [7])
    chosen = selection.run(
        workspace, selection.Settings(parent=data, strategy="random", budget="30%", seed=3)
    )
    first = selection.run(
        workspace, selection.Settings(parent=data, strategy="random", budget="50%", keep=chosen)
    )
    card = (write_export(workspace, first, tmp_path / "out") / "README.md").read_text()
    script = card.split("```bash\n")[1].split("```")[0]
    script = script.replace("python -m core", f"{sys.executable} -m core")
    script = script.replace("--path talks.jsonl", f"--path {tmp_path}/talks.jsonl")
    place = tmp_path / "elsewhere"
    place.mkdir()
    root = pathlib.Path(__file__).parents[3]
    done = subprocess.run(
        ["bash", "-euc", script + f'{sys.executable} -m core show --json "$S2"\n'],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(root), "S2L_WORKSPACE": "n", "OLD": workspace.root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"] == workspace.open(first).summary


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/home/me/rows.jsonl", "rows.jsonl"),
        ("gsm8k,svamp=/home/me/svamp.jsonl", "gsm8k,svamp=svamp.jsonl"),
        ("/a/b/c.jsonl,math500=~/d e/f.jsonl,x", "c.jsonl,math500=f.jsonl,x"),
        ("~/models/mine", "mine"),
        ("owner/name", "owner/name"),
        ("prompt={context}/{question}", "prompt={context}/{question}"),
        ("1/2", "1/2"),
        ("", ""),
    ],
)
def test_a_command_tells_no_folder(value, told):
    assert without_folders(value) == told
