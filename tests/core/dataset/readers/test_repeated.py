"""A value that parquet stores once is counted as often as it stands there."""

import os
import subprocess
import sys

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.dataset.readers import batches, head
from core.dataset.readers.repeated import decoded_bytes
from core.errors import InputError

LONG = "word " * 200_000
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
from core.dataset.readers import batches
from core.errors import InputError
try:
    next(batches(sys.argv[1], some=sys.argv[2] == "some"))
except InputError as e:
    print(e)
"""


def repeated(text, n):
    return pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([text]))


def talks(text, n):
    turns = pa.StructArray.from_arrays(
        [repeated("user", n), repeated(text, n)], ["role", "content"]
    )
    return pa.ListArray.from_arrays(pa.array(range(n + 1), pa.int32()), turns)


def write(path, table, **how):
    pq.write_table(table, path, compression="zstd", **how)
    return str(path)


@pytest.mark.parametrize("kind", ["dictionary", "plain", "nested", "fronts"])
def test_a_parquet_file_that_swells_is_refused_before_it_fills_memory(tmp_path, kind):
    n, path = 20_000, tmp_path / "bomb.parquet"
    if kind == "nested":
        write(path, pa.table({"messages": talks(LONG, n)}), store_schema=False)
    elif kind == "fronts":
        few = pa.table({"prompt": pa.array([LONG] * 100), "response": ["a"] * 100})
        encodings = {"prompt": "DELTA_BYTE_ARRAY", "response": "PLAIN"}
        how = {"compression": "zstd", "use_dictionary": False, "column_encoding": encodings}
        with pq.ParquetWriter(path, few.schema, **how) as f:
            for _ in range(15):
                f.write_table(few)
    else:
        table = pa.table({"prompt": repeated(LONG, n), "response": repeated("a", n)})
        write(path, table, store_schema=kind == "dictionary")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), "all"], capture_output=True, text=True
    )
    assert "swells to more than 200 times its" in done.stdout, done.stderr[-500:]


@pytest.mark.parametrize("some", ["all", "some"])
def test_a_few_rows_of_one_huge_value_are_refused_before_it_fills_memory(tmp_path, some):
    table = pa.table({"prompt": repeated("x" * 50_000_000, 40), "response": repeated("a", 40)})
    path = write(tmp_path / "bomb.parquet", table, store_schema=False)
    done = subprocess.run([sys.executable, "-c", LIMITED, path, some], capture_output=True)
    assert b"swells to more than 200 times its" in done.stdout, done.stderr[-500:]


def test_a_large_file_of_a_few_huge_values_is_refused_before_it_fills_memory(tmp_path):
    two = [os.urandom(9 << 20).hex() for _ in range(2)]  # hex: 36 MiB that hardly shrink
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 500, pa.int32()), pa.array(two))
    table = pa.table({"prompt": names, "response": repeated("a", 1000)})
    pq.write_table(table, path := tmp_path / "a.parquet", compression="none", store_schema=False)
    assert path.stat().st_size > 32 << 20
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path), "all"], capture_output=True)
    assert b"swells to more than 200 times its" in done.stdout, done.stderr[-500:]


def saved(folder, prompts, **how):
    """Save a folder as the datasets library does, and put a table of one's own in its file."""
    datasets.Dataset.from_dict({"prompt": ["q"] * 3, "response": ["a"] * 3}).save_to_disk(folder)
    (path,) = folder.glob("*.arrow")
    table = pa.table({"prompt": prompts, "response": ["a"] * 3})
    with pa.ipc.new_stream(path, table.schema, options=pa.ipc.IpcWriteOptions(**how)) as f:
        f.write_table(table)
    return str(folder)


@pytest.mark.parametrize(
    ("prompts", "how"),
    [(pa.array(["q"] * 3), {"compression": "zstd"}), (repeated("q", 3), {})],
    ids=["compressed", "dictionary"],
)
def test_a_saved_folder_that_may_swell_is_refused_before_it_is_decoded(tmp_path, prompts, how):
    with pytest.raises(InputError, match="which may grow beyond reason; load it there"):
        next(batches(saved(tmp_path, prompts, **how)))


def test_a_saved_folder_whose_values_are_written_out_is_read(tmp_path):
    found = list(batches(saved(tmp_path, pa.array(["q", "r", "s"]))))
    assert [batch.values("prompt") for batch in found] == [["q", "r", "s"]]


def test_what_is_legitimately_repeated_is_read(tmp_path):
    n = 100_000
    table = pa.table({"prompt": [f"q {i}" for i in range(n)], "source": repeated("one " * 50, n)})
    found = list(batches(write(tmp_path / "a.parquet", table)))
    assert sum(len(batch.places) for batch in found) == n
    assert [place for batch in found for place in batch.places] == list(range(n))
    assert found[-1].values("prompt")[-1] == f"q {n - 1}"
    assert len(found) < 20


def test_the_beginning_of_long_rows_is_read(tmp_path):
    long = pa.table({"prompt": repeated(LONG, 300), "response": repeated("a", 300)})
    assert len(head(write(tmp_path / "a.parquet", long), 5).places) == 5


@pytest.mark.parametrize(
    "column",
    [
        repeated("four", 6),
        talks("four", 6),
        pa.MapArray.from_arrays([0, 2, 6], pa.array(list("abcdef")), repeated("four", 6)),
    ],
)
def test_a_text_counts_as_often_as_it_stands(column):
    whole = pa.RecordBatch.from_arrays([column], ["a"])
    half = whole.slice(len(whole) // 2)
    assert 24 <= decoded_bytes(whole) <= 24 + 24 + 6 + 28
    assert decoded_bytes(half) < decoded_bytes(whole)


def test_more_than_is_allowed_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.parquet", pa.table({"prompt": repeated(LONG, 2_000)}))
    with pytest.raises(InputError, match=r"swells .*; write it as JSON lines if it is what you"):
        list(batches(path))
