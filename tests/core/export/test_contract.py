"""What every file type, export format and trainer promises the others."""

import csv
import json
import pathlib

import openpyxl
import pandas as pd
import pytest

from core import dataset, selection
from core.dataset.detection import detect
from core.dataset.readers import READERS, Reader, read
from core.dataset.row_formats import ROW_FORMATS
from core.errors import InputError
from core.export import trainers
from core.export.trainers import TRAINERS
from core.export.writers import EXPORT_FORMATS
from core.workspace.store import Workspace
from tests.conftest import write
from tests.core.conftest import write_export

ROWS = [
    {
        "question": f'What is {i} and \u00e9,\u2028"{i}"?',
        "response": f"{i}\n\nsum",
        "source": f"s{i % 3}",
    }
    for i in range(30)
]
TEXTS = {f"{row['question']} -> {row['response']}" for row in ROWS}


def _lines(path: pathlib.Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")


def _list(path: pathlib.Path) -> None:
    path.write_text(json.dumps(ROWS), encoding="utf-8")


def _cells(path: pathlib.Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, ROWS[0], delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(ROWS)


def _parquet(path: pathlib.Path) -> None:
    pd.DataFrame(ROWS).to_parquet(path)


def _workbook(path: pathlib.Path) -> None:
    book = openpyxl.Workbook()
    for cells in [list(ROWS[0]), *(list(row.values()) for row in ROWS)]:
        book.active.append(cells)
    book.save(path)


SAMPLES = {
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _list,
    ".csv": _cells,
    ".tsv": _cells,
    ".parquet": _parquet,
    ".xlsx": _workbook,
}


@pytest.mark.parametrize("suffix", READERS)
def test_every_file_type_is_read_whole(suffix, tmp_path):
    path = tmp_path / f"data{suffix.upper()}"
    SAMPLES[suffix](path)
    rows = read(str(path), "train")
    assert {name: rows.values(name) for name in rows.columns} == {
        name: [row[name] for row in ROWS] for name in ROWS[0]
    }
    assert not rows.skipped


@pytest.mark.parametrize("suffix", [s for s, reader in READERS.items() if reader.magic])
def test_a_file_type_with_first_bytes_is_known_by_them_alone(suffix, tmp_path):
    path = tmp_path / "data.bin"
    SAMPLES[suffix](path)
    assert len(read(str(path), "train").places) == len(ROWS)
    path = tmp_path / f"text{suffix}"
    path.write_text("hello")
    with pytest.raises(InputError, match="binary or broken; give a file that ends in"):
        read(str(path), "train")


def test_a_file_type_is_one_entry(tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, ".new", Reader(READERS[".parquet"].read, magic=b"PAR1"))
    _parquet(tmp_path / "data.new")
    assert len(read(str(tmp_path / "data.new"), "train").places) == len(ROWS)


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """Half of ROWS, selected."""
    root = tmp_path_factory.mktemp("contract")
    workspace = Workspace(root / "workspace")
    file = write(root / "rows.jsonl", ROWS)
    data = dataset.run(workspace, dataset.Settings(path=str(file), holdout="0"))
    made = selection.run(
        workspace, selection.Settings(parent=data, strategy="random", budget="50%")
    )
    return workspace, made


# ids alone are no data: test_run reads them back
PAIRS = [(form, "none") for form in EXPORT_FORMATS if form != "ids"] + [
    (form, trainer) for trainer, row in TRAINERS.items() for form in row.formats
]


@pytest.mark.parametrize(("form", "trainer"), PAIRS)
def test_what_is_exported_is_read_back(form, trainer, chosen, tmp_path):
    workspace, made = chosen
    out = write_export(workspace, made, tmp_path / "out", format=form, config=trainer)
    ids = pd.read_parquet(workspace.open(made).path / "table.parquet")["id"]
    again = workspace.open(dataset.run(workspace, dataset.Settings(path=str(out), holdout="0")))
    assert set(dataset.examples(again)["id"]) == set(ids)
    frame = dataset.examples(again)
    texts = {f"{p} -> {r}" for p, r in zip(frame["prompt"], frame["response"], strict=True)}
    assert len(texts) == len(ids)
    assert texts < TEXTS


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainer_takes_the_formats_it_declares_and_refuses_the_others(trainer, tmp_path):
    assert set(TRAINERS[trainer].formats) <= EXPORT_FORMATS.keys()
    for form in TRAINERS[trainer].formats:
        trainers.check(trainer, form, "a/b")
        job = trainers.TrainingJob(form, EXPORT_FORMATS[form].file, "a/b", 15)
        assert any(
            EXPORT_FORMATS[form].file in text for text in TRAINERS[trainer].files(job).values()
        )
    for form in EXPORT_FORMATS.keys() - set(TRAINERS[trainer].formats):
        with pytest.raises(InputError, match=f"reads --format .*, not {form}"):
            trainers.check(trainer, form, "a/b")
        assert trainer not in trainers.reading(form)


def test_every_member_says_what_a_person_is_told_of_it():
    assert all(form.sentence.endswith(".") for form in EXPORT_FORMATS.values())
    assert all(row.title and row.sentence.endswith(".") for row in TRAINERS.values())


@pytest.mark.parametrize("name", ROW_FORMATS)
def test_every_row_format_is_found_by_its_own_columns(name):
    columns = [names[0] for names in ROW_FORMATS[name].parts.values()] or ["p", "r"]
    by_hand = {} if ROW_FORMATS[name].parts else {"prompt": "p", "response": "r"}
    wanted = name if ROW_FORMATS[name].by_choice else "auto"
    assert detect(columns, wanted, by_hand).format == name
