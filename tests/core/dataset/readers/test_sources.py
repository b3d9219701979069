"""Compressed files and archives are read as what they hold, and never swell beyond reason."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import time
import tracemalloc
import zipfile

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

from core.dataset.readers import head, read
from core.errors import InputError

ROWS = [{"prompt": f"q {i}", "output": f"a {i}"} for i in range(6)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CELLS = b"prompt,output\n" + "".join(f"q {i},a {i}\n" for i in range(6)).encode()


def archive(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as f:
        for name, content in members.items():
            f.writestr(name.replace("__", "/").replace("_", "."), content)
    return out.getvalue()


def zstd(content):
    return pa.Codec("zstd").compress(content, asbytes=True)


def as_parquet():
    out = io.BytesIO()
    pd.DataFrame(ROWS).to_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("two.jsonl.gz", gzip.compress(LINES[:60], mtime=0) + gzip.compress(LINES[60:], mtime=0)),
        ("a.gz", gzip.compress(LINES, mtime=0)),
        ("a.CSV.GZ", gzip.compress(CELLS, mtime=0)),
        ("a.csv.zst", zstd(CELLS)),
        ("a.jsonl.bz2", bz2.compress(LINES)),
        ("a.csv.xz", lzma.compress(CELLS)),
        ("a.parquet.gz", gzip.compress(as_parquet(), mtime=0)),
        ("a.zip", archive(README_md=b"no data", data__rows_csv=CELLS)),
        ("a.zip", archive(rows_parquet=as_parquet())),
        ("named_wrongly.jsonl", gzip.compress(LINES, mtime=0)),
    ],
)
def test_what_is_compressed_is_read(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    found = read(str(path), "train")
    cells = zip(found.values("prompt"), found.values("output"), strict=True)
    assert [dict(zip(ROWS[0], row, strict=True)) for row in cells] == ROWS
    assert len(head(path, 2).places) == 2


def test_shards_in_an_archive_are_one_split(tmp_path):
    lines = LINES.splitlines(keepends=True)
    path = tmp_path / "a.zip"
    names = (
        "train-00000-of-00002.jsonl",
        "train-00001-of-00002.jsonl",
        "test-00000-of-00001.jsonl",
    )
    with zipfile.ZipFile(path, "w") as f:
        for name, part in zip(names, (lines[:2], lines[2:5], lines[5:]), strict=True):
            f.writestr(f"data/{name}", b"".join(part))
    assert read(str(path), "train").values("prompt") == ["q 0", "q 1", "q 2", "q 3", "q 4"]
    assert read(str(path), "test").values("prompt") == ["q 5"]
    with pytest.raises(InputError, match="no split 'dev'; there are test, train"):
        read(str(path), "dev")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.jsonl", "test.jsonl"),
        ("data/my_train_v2.jsonl", "data/my_dev_v2.jsonl"),
        ("train/rows.jsonl", "test/rows.jsonl"),
    ],
)
def test_the_training_file_of_an_archive_is_read_and_the_others_named(tmp_path, train, test):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as f:
        f.writestr(train, LINES)
        f.writestr(test, LINES.splitlines(keepends=True)[0])
        f.writestr("dataset_info.json", b"{}")
    found = read(str(path), "train")
    assert len(found.places) == len(ROWS)
    assert found.read_as["other_files"] == sorted([test, "dataset_info.json"])
    assert len(read(str(path), "dev" if "dev" in test else "test").places) == 1


def test_the_first_sheet_that_is_a_table_is_read(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["All that was asked in 2026"])
    sheet = book.create_sheet("Data")
    for row in (["Our own questions, checked"], [], [*ROWS[0]], *([*r.values()] for r in ROWS)):
        sheet.append(row)
    book.save(path := tmp_path / "a.xlsx")
    found = read(str(path), "train")
    assert found.values("prompt") == [row["prompt"] for row in ROWS]
    assert found.places[0] == 4
    assert found.read_as == {
        "sheet": "Data",
        "other_sheets": ["Sheet"],
        "rows_before_the_header": 2,
    }


@pytest.mark.parametrize("suffix", ["gz", "zst", "zip"])
def test_a_file_that_swells_is_refused_at_once(tmp_path, suffix):
    path = tmp_path / f"bomb.jsonl.{suffix}"
    zeros = b'{"prompt": "q"}\n' * (1 << 18)
    if suffix == "gz":
        with gzip.open(path, "wb") as f:
            for _ in range(40):
                f.write(zeros)
    elif suffix == "zst":
        with pa.CompressedOutputStream(str(path), "zstd") as f:
            for _ in range(40):
                f.write(zeros)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as f:
            f.writestr("rows.jsonl", zeros * 40)
    start = time.process_time()
    tracemalloc.start()
    with pytest.raises(InputError, match="swells to more than 200 times"):
        read(str(path), "train")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)[:-20], "is broken"),
        ("a.jsonl.gz", b"\x1f\x8b and then nothing", "is broken"),
        ("a.csv.zst", zstd(CELLS)[:-9], "is broken"),
        ("a.zip", archive(rows_csv=CELLS)[:-30], "is a broken zip file"),
        (
            "a.zip",
            b"PK\3\4".join(archive(a_md=b"", b_csv=CELLS).split(b"PK\3\4", 2)[:2])
            + b"PK\0\0"
            + archive(a_md=b"", b_csv=CELLS).split(b"PK\3\4", 2)[2],
            "cannot be unpacked",
        ),
        ("a.zip", archive(README_md=b"no data"), "has no data file"),
        ("a.zip", archive(a_csv=CELLS, b_csv=CELLS), "there are a, b: name one with --split"),
        ("a.xlsx", archive(xl__workbook_xml=b"<nothing"), "is a broken workbook"),
    ],
)
def test_what_is_broken_is_one_sentence(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=match):
        read(str(path), "train")


def test_what_swells_from_its_beginning_is_refused_there(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as f:
        f.write(b'{"prompt": "q"}\n' * (5 << 20))
    first = path.stat().st_size
    with path.open("ab") as f:
        f.write(gzip.compress(os.urandom(1 << 20), 1))
    with pytest.raises(InputError, match=r"times its first [0-9,]+ bytes"):
        read(str(path), "train")
    assert first < 500_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0" * 257 + b"ustar\x0000" + b"\0" * 300, "is a tar archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 90, "is a 7z archive; unpack it"),
        (b"ARROW1\0\0" + b"\xff" * 90, "write its table as .parquet"),
        (b"SQLite format 3\0" + b"\0" * 90, "write the table that you want as .csv"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 90, "an old Excel file; save it as .xlsx"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_not_read_is_named_with_the_remedy(tmp_path, content, said, pack):
    path = tmp_path / "data.jsonl"
    path.write_bytes(pack(content))
    with pytest.raises(InputError, match=re.escape(said)):
        read(str(path), "train")


def test_a_parquet_file_with_a_broken_footer_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"question": ["a", "b"], "answer": ["c", "d"]}).to_parquet(path)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:footer] + b"\xff" * 20 + content[footer + 20 :])
    with pytest.raises(InputError, match="is a broken parquet file") as refused:
        read(str(path), "train")
    assert "\n" not in str(refused.value)
