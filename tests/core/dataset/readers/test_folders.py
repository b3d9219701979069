"""Folders: shards of a split are one dataset, and none is missing."""

import pandas as pd
import pytest

from core import dataset
from core.dataset.artifact import DatasetSummary, load_skipped
from core.dataset.readers import data_in, read
from core.errors import InputError


def write(folder, *names):
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame({"prompt": [f"{i}a", f"{i}b"], "output": ["x", "y"]})
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)


@pytest.mark.parametrize("below", ["", "data/", "plain_text/", "default/train/"])
@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"),
        ("train-00000-of-00002-0f1e2d3c.parquet", "train-00001-of-00002-9a8b7c6d.parquet"),
        ("part-00000.csv", "part-00001.csv"),
        ("0000.parquet", "0001.parquet"),
    ],
)
def test_shards_are_read_in_order(tmp_path, below, names):
    write(tmp_path, *(below + name for name in names))
    (tmp_path / "README.md").write_text("about")
    assert data_in(tmp_path) == tmp_path
    assert read(str(tmp_path), "train").values("prompt") == ["0a", "0b", "1a", "1b"]


def test_a_split_is_chosen(tmp_path):
    write(tmp_path, "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet")
    assert read(str(tmp_path), "test").values("prompt") == ["1a", "1b"]
    with pytest.raises(InputError, match="no split 'dev'; there are test, train: name one"):
        read(str(tmp_path), "dev")


def test_a_missing_shard_is_named(tmp_path):
    write(tmp_path, "train-00000-of-00003.csv", "train-00002-of-00003.csv")
    with pytest.raises(
        InputError, match=r"lacks 1 of the 3 files of split 'train', first number 1"
    ):
        data_in(tmp_path)


def test_configurations_are_named(tmp_path):
    write(tmp_path, "main/train-00000-of-00001.parquet", "socratic/train-00000-of-00001.parquet")
    with pytest.raises(InputError, match="data in 2 folders: main, socratic; give one of them"):
        data_in(tmp_path)


def test_a_row_skipped_in_a_shard_is_named_by_file_and_line(tmp_path, workspace):
    (tmp_path / "train-00000.csv").write_text('instruction,output\nq,a\nr\ns,"b\n')
    (tmp_path / "train-00001.csv").write_bytes("instruction,output\nu,é\nv,\n".encode("cp1252"))
    made = workspace.open(dataset.run(workspace, dataset.Settings(path=str(tmp_path))), "dataset")
    assert [(r["file"], r["line"], r["reason"]) for r in load_skipped(made)] == [
        ("train-00000.csv", 3, "malformed line"),
        ("train-00001.csv", 3, "empty response"),
    ]
    read_as = made.summary_as(DatasetSummary)["read_as"]
    assert read_as["encoding"] == "utf-8 in train-00000.csv, cp1252 in train-00001.csv"
    assert read_as["stray_quotes"] == "kept as text in line 4 in train-00000.csv"
    assert read_as["delimiter"] == "comma"
