"""Files of every kind are read as they are, or refused in a sentence."""

import json

import pandas as pd
import pytest

from core import dataset
from core.dataset.readers import head
from core.errors import InputError
from core.workspace.files import sha256_file
from tests.core.dataset.conftest import aside, original, rows


def test_the_same_whatever_the_file_type(load, tmp_path):
    data = rows(4, source="s")
    tables = {
        "a.jsonl": data,
        "a.json": json.dumps(data, indent=1).encode(),
        "b.json": json.dumps({"data": data}).encode(),
        "c.json": "".join(json.dumps(r) + "\n" for r in data).encode(),
        "list.jsonl": json.dumps(data, indent=1).encode(),
        "a.csv": pd.DataFrame(data).to_csv(index=False).encode(),
        "bom.csv": b"\xef\xbb\xbf" + pd.DataFrame(data).to_csv(index=False, sep=";").encode(),
        "a.parquet": pd.DataFrame(data),
        "order.parquet": pd.DataFrame(data)[["source", "completion", "prompt"]].sample(frac=1),
    }
    got = {name: load(content, name) for name, content in tables.items()}
    assert len({a.summary["fingerprint"] for a in got.values()}) == 1
    for name, artifact in got.items():
        if name != "order.parquet":
            assert original(artifact) == data


def test_csv_cells_are_kept_as_written(load):
    artifact = load(
        b'prompt,completion,n\nq,NA,007\n"two\nlines","a ""b""",\nq,a,1,extra\nq,,1\ncaf\xe9,a,1\n',
        "data.csv",
    )
    assert [(r["line"], r["reason"]) for r in aside(artifact)] == [
        (5, "malformed line"),
        (6, "empty response"),
    ]
    assert original(artifact) == [
        {"prompt": "q", "completion": "NA", "n": "007"},
        {"prompt": "two\nlines", "completion": 'a "b"', "n": ""},
        {"prompt": "caf\u00e9", "completion": "a", "n": "1"},
    ]
    assert artifact.summary["read_as"] == {
        "encoding": "cp1252",
        "delimiter": "comma",
        "inner_quotes": "doubled",
        "longest_cell_lines": 2,
    }


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.csv", b"  \n", "is empty"),
        ("a.jsonl", b"\x00\x01\x02", "is binary or broken"),
        ("a.parquet", b"PAR1 and then nothing", "broken parquet"),
        (
            "a.parquet",
            b"hello",
            r"is binary or broken; give a file that ends in .*\.tsv, \.parquet or \.xlsx",
        ),
        ("a.jsonl", b"{broken\n{again\n", "none is a JSON object.*'{broken'"),
        ("a.json", b'[{"prompt": "q"},\n{"pro', "broken JSON.*line 2"),
        ("a.json", b'{"prompt": "q", "completion": "a"}', "not a list of objects"),
        ("a.json", b"[]", "no row"),
        ("a.txt", b"hello", "is not JSON"),
        ("a.csv", b"prompt,completion\n", "no row of 2 cells"),
        ("a.csv", b"a,a\n1,2\n", "names a column twice"),
        ("a.jsonl", b'{"foo": 1, "bar": 2}\n', "there are 'foo', 'bar'; name two of them"),
        ("a.jsonl", b'{"prompt": "q", "completion": ""}\n' * 3, "no usable row.*empty response 3"),
    ],
)
def test_bad_input_is_one_sentence(load, workspace, name, content, match):
    with pytest.raises(ValueError, match=match):
        load(content, name)
    assert workspace.entries() == []


def test_missing_file_and_directory(workspace, tmp_path):
    for path, match in ((tmp_path, "has no data file"), (tmp_path / "no.jsonl", "no such file")):
        with pytest.raises(ValueError, match=match):
            dataset.run(workspace, dataset.Settings(path=str(path)))


def test_a_folder_is_read_by_its_one_data_file(workspace, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("train.csv", ".hidden.csv", "README.md"):
        (folder / name).write_text("prompt,completion\nq,a\n")
    made = workspace.open(dataset.run(workspace, dataset.Settings(path=str(folder))))
    assert (made.name, made.summary["rows"]) == ("mine", 1)
    assert made.config["path"] == str(folder / "train.csv")
    assert made.summary["source_sha256"] == sha256_file(folder / "train.csv")
    (folder / "more.jsonl").write_text("{}")
    with pytest.raises(ValueError, match=r"mine has 2 data files: more.jsonl, train.csv; give one"):
        dataset.run(workspace, dataset.Settings(path=str(folder)))


def test_what_datasets_saved_to_disk_is_read(workspace, tmp_path):
    import datasets

    one, many = tmp_path / "one", tmp_path / "many"
    table = datasets.Dataset.from_list(rows(6))
    table.select([4, 2, 0]).save_to_disk(one)
    datasets.DatasetDict({"train": table, "extra": table.select(range(2))}).save_to_disk(many)

    def read(path, **more):
        settings = dataset.Settings(path=str(path), holdout="0", **more)
        return workspace.open(dataset.run(workspace, settings))

    assert dataset.examples(read(one))["prompt"].tolist() == [
        rows(6)[i]["prompt"] for i in (4, 2, 0)
    ]
    assert read(many).summary["rows"] == 6
    assert read(many, split="extra").summary["rows"] == 2
    with pytest.raises(ValueError, match="many has no split 'test'; there are train, extra"):
        read(many, split="test")
    next(one.glob("*.arrow")).write_bytes(b"no arrow")
    with pytest.raises(ValueError, match="one cannot be read as a folder of the datasets library"):
        read(one)
    (one / "state.json").write_text("{")
    with pytest.raises(ValueError, match="one cannot be read as a folder of the datasets library"):
        read(one)


def test_hub_dataset(workspace, monkeypatch):
    import datasets

    asked = []

    def offline(*args, **kwargs):
        asked.append((args, kwargs))
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(ValueError, match=r"no file 'owner/name:main'.*Couldn't reach the Hub"):
        dataset.run(workspace, dataset.Settings(path="owner/name:main", split="test"))
    assert asked == [(("owner/name", "main"), {"split": "test"})]
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *a, **k: datasets.Dataset.from_list(rows(3))
    )
    artifact = workspace.open(dataset.run(workspace, dataset.Settings(path="owner/name")))
    assert artifact.summary["rows"] == 3
    assert artifact.name == "name"


def test_the_first_rows_of_a_hub_dataset_are_fetched_alone(monkeypatch):
    import datasets

    asked = []

    def streamed(*args, **kwargs):
        asked.append((args, kwargs))
        return datasets.Dataset.from_list(rows(500)).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", streamed)
    found = head("owner/name:main", 50, "test")
    assert found.values("prompt") == [f"question {i}?" for i in range(50)]
    assert asked == [(("owner/name", "main"), {"split": "test", "streaming": True})]


@pytest.mark.parametrize("name", ["json", "csv", "text", "parquet:default"])
def test_a_file_type_is_no_hub_dataset(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.json").write_text('[{"question": "q", "answer": "a"}]')
    with pytest.raises(InputError, match="is a file type and no hub dataset"):
        head(name)


def test_a_folder_with_a_configuration_is_no_hub_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    with pytest.raises(InputError, match="is a file or folder here"):
        head("owner/name:main")
