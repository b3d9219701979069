"""Importing a dataset: what is kept, what is set aside and why, what is refused in one sentence."""

import json
import pathlib
import random
import subprocess
import sys
import time

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import dataset
from core.dataset.duplicates import words
from core.workspace.files import sha256_file
from core.workspace.store import Workspace

DATA = pathlib.Path(__file__).parents[4] / "shared" / "data"
COLUMNS = ["row", "position", "id", "source", "messages", "prompt", "response", "answer", "split"]


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "ws")


@pytest.fixture
def load(workspace, tmp_path):
    """Write rows (or raw bytes) to a file, import it, open the artifact."""

    def write(content, name="data.jsonl", **settings):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content))
        return workspace.open(
            dataset.run(workspace, dataset.Settings(path=str(path), **settings)), "dataset"
        )

    return write


def rows(n, **more):
    return [{"prompt": f"question {i}?", "completion": f"answer {i}", **more} for i in range(n)]


def aside(artifact):
    return [json.loads(s) for s in (artifact.path / "set_aside.jsonl").read_text().splitlines()]


def original(artifact):
    frame = pq.read_table(artifact.path / "original.parquet").to_pylist()
    for row in frame:
        for name in artifact.summary["json_columns"]:
            row[name] = None if row[name] is None else json.loads(row[name])
    return frame


def test_a_dataset(load):
    artifact = load(rows(3, source="s"), name="mine.jsonl")
    frame = dataset.examples(artifact)
    assert list(frame.columns) == COLUMNS
    assert frame["row"].tolist() == [0, 1, 2]
    assert frame["messages"][1] == [
        {"role": "user", "content": "question 1?"},
        {"role": "assistant", "content": "answer 1"},
    ]
    assert frame["prompt"][2] == "question 2?"
    assert frame["response"][2] == "answer 2"
    assert set(frame["source"]) == {"s"}
    assert set(frame["split"]) == {"pool"}
    assert frame["answer"].isna().all()
    assert frame["id"].str.fullmatch("[0-9a-f]{16}").all()
    assert dataset.examples(artifact, ["id"]).columns.tolist() == ["id"]
    assert artifact.name == "mine"
    assert original(artifact) == rows(3, source="s")
    s = artifact.summary
    assert (s["rows_read"], s["rows"], s["pool_rows"], s["holdout_rows"]) == (3, 3, 3, 0)
    assert s["trainable"]
    assert s["length_quantiles"]["response"] == {"p50": 8, "p90": 8, "p99": 8, "max": 8}


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


def test_permuted_rows_have_the_same_ids_sample_and_holdout(load):
    rng = random.Random(0)
    data = [{**r, "source": rng.choice("ab"), "answer": i % 7} for i, r in enumerate(rows(200))]
    data += [{**r, "source": "c"} for r in data[:30]] + data[5:9]
    one, other = (
        load(d, f"{k}.jsonl", limit=150, seed=3)
        for k, d in enumerate((data, rng.sample(data, 234)))
    )
    assert one.summary["fingerprint"] == other.summary["fingerprint"]
    assert one.summary["not_sampled"] == 84
    a, b = (dataset.examples(x).set_index("id").sort_index() for x in (one, other))
    assert (a["split"] == b["split"]).all()
    assert (a["source"] == b["source"]).all()
    assert one.summary["holdout_rows"] == 7


def test_copies_are_numbered(load):
    artifact = load([rows(1)[0]] * 3)
    assert [i[16:] for i in sorted(dataset.examples(artifact)["id"])] == ["", "-2", "-3"]
    assert artifact.summary["duplicates"] == 2


def test_ids(load):
    data = [{**r, "id": i} for i, r in enumerate(rows(3))]
    assert dataset.examples(load(data))["id"].tolist() == ["0", "1", "2"]
    data[2]["id"] = 0
    assert dataset.examples(load(data))["id"].str.len().eq(16).all()
    with pytest.raises(ValueError, match="--id-column 'id' is not one distinct"):
        load(data, id_column="id")


def test_set_aside_with_line_numbers(load):
    artifact = load(
        b'\xef\xbb\xbf{"prompt": "q", "completion": "a"}\n'
        b'{"prompt": "q", "comple\n\n'
        b'{"prompt": "q", "completion": " "}\n'
        b'{"prompt": "caf\xe9", "completion": "a"}\n'
        b'{"prompt": "\\ud800", "completion": "a"}\n'
        b'{"prompt": "q", "completion": {"a": 1}}\n'
        b"[1, 2]\n" + b"[" * 100_000 + b'\n{"prompt": "q", "completion": 42, "note": "\\ud800"}\r\n'
    )
    assert [(r["line"], r["reason"]) for r in aside(artifact)] == [
        (2, "malformed line"),
        (4, "empty response"),
        (5, "not UTF-8"),
        (6, "not text"),
        (7, "not text"),
        (8, "malformed line"),
        (9, "malformed line"),
    ]
    assert all(len(r["preview"]) <= 200 for r in aside(artifact))
    assert dataset.examples(artifact)["response"].tolist() == ["a", "42"]
    assert original(artifact)[1]["note"] == "\ud800"
    s = artifact.summary
    assert s["rows_read"] == s["rows"] + sum(s["set_aside"].values()) == 9


def test_csv_cells_are_kept_as_written(load):
    artifact = load(
        b'prompt,completion,n\nq,NA,007\n"two\nlines","a ""b""",\nq,a,1,extra\nq,,1\ncaf\xe9,a,1\n',
        "data.csv",
    )
    assert [(r["line"], r["reason"]) for r in aside(artifact)] == [
        (5, "malformed line"),
        (6, "empty response"),
        (7, "not text"),
    ]
    assert original(artifact) == [
        {"prompt": "q", "completion": "NA", "n": "007"},
        {"prompt": "two\nlines", "completion": 'a "b"', "n": ""},
    ]


def test_nothing_of_the_input_is_lost(load):
    extra = [
        {"mixed": 1, "list": [1, 2], "dict": {"a": 1}, "num": 1, "keys": {"a": 1}, "none": None},
        {"mixed": "x", "list": [], "dict": {"a": 2}, "num": 2.5, "keys": {"b": []}, "none": None},
        {"mixed": [1], "list": None, "dict": None, "num": True, "keys": {}, "none": None},
    ]
    data = [{**r, **e, "big": 2**70, "empty": {}} for r, e in zip(rows(3), extra, strict=True)]
    artifact = load(data)
    assert json.dumps(original(artifact), sort_keys=True) == json.dumps(data, sort_keys=True)
    assert artifact.summary["json_columns"] == ["mixed", "num", "keys", "big", "empty"]
    types = pq.read_schema(artifact.path / "original.parquet")
    assert pa.types.is_list(types.field("list").type)


def test_control_characters_html_and_a_long_row(load):
    odd = "<script>alert(1)</script>\x00\x07\u202e\tend"
    artifact = load(
        [{"prompt": odd, "completion": odd}, {"prompt": "q", "completion": "x" * 2**21}]
    )
    frame = dataset.examples(artifact)
    assert frame["response"][0] == frame["prompt"][0] == odd
    assert len(frame["response"][1]) == 2**21
    raw = load(b'{"prompt": "a\x01\tb", "completion": "c"}', "raw.jsonl")
    assert dataset.examples(raw)["prompt"][0] == "a\x01\tb"
    csv = load(b"prompt,completion\nq," + b"x" * 2**21 + b"\n", "long.csv")
    assert csv.summary["rows"] == 1


def test_conversations(load):
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u1"},
        {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "u2"},
        {"role": "assistant", "content": "a2"},
    ]
    for name, data in (("a.jsonl", [{"messages": turns}]), ("a.parquet", pd.DataFrame({"messages": [turns]}))):  # fmt: skip
        frame = dataset.examples(load(data, name))
        assert frame["messages"][0] == turns
        assert frame["prompt"][0] == "s\n\nu1\n\na1\n\nu2"
        assert frame["response"][0] == "a2"


def test_evaluation_files(load):
    artifact = load([{"instruction": "1+1", "answer": 2}, {"instruction": "q", "answer": None}])
    frame = dataset.examples(artifact)
    assert not artifact.summary["trainable"]
    assert frame["answer"].tolist() == ["2"]
    assert frame["response"].tolist() == [""]
    assert frame["messages"][0] == [{"role": "user", "content": "1+1"}]
    assert artifact.summary["set_aside"] == {"empty answer": 1}
    mixed = load([{"instruction": "q", "answer": 2}, {"instruction": "q", "output": "a"}])
    assert mixed.summary["set_aside"] == {"empty response": 1}


def test_holdout_and_split_column(load):
    assert load(rows(150)).summary["holdout_rows"] == 7
    assert load(rows(99)).summary["holdout_rows"] == 0
    assert load(rows(30), holdout="10").summary["holdout_rows"] == 10
    marks = ["train", "Test", None, "validation", "eval", "holdout"]
    data = [{**r, "part": m} for r, m in zip(rows(6), marks, strict=True)]
    split = dataset.examples(load(data, split_column="part"))["split"]
    assert split.tolist() == ["pool", "holdout", "pool", "holdout", "holdout", "holdout"]
    with pytest.raises(ValueError, match="--holdout 5 leaves no row"):
        load(rows(5), holdout="5")
    with pytest.raises(ValueError, match="leave --holdout away"):
        load(data, split_column="part", holdout="3")


def test_too_few_distinct_rows_give_a_smaller_holdout_and_say_so(load, capsys):
    s = load([rows(1)[0]] * 200).summary
    assert (s["holdout_rows"], s["holdout_asked"]) == (0, 10)
    assert "only 0 of the 10 rows" in capsys.readouterr().err


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
            r"is binary or broken; give a file that ends in .*\.csv, \.tsv or \.parquet",
        ),
        ("a.json", '[{"prompt": "q"}]'.encode("utf-16"), "UTF-16"),
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

    assert dataset.examples(read(one))["prompt"].tolist() == [rows(6)[i]["prompt"] for i in (4, 2, 0)]  # fmt: skip
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


def test_settings_quote_the_flag():
    for bad in ({"holdout": "-1"}, {"holdout": "5%"}, {"limit": -1}, {"format": "yaml"}):
        with pytest.raises(ValueError, match="--" + next(iter(bad))):
            dataset.Settings(path="x", **bad)


def test_load_any_imports_a_file_once(load, workspace, tmp_path):
    kept = load(rows(150)).id
    assert dataset.load_any(workspace, kept) == kept
    path = str(tmp_path / "data.jsonl")
    first = dataset.load_any(workspace, path)
    assert first != kept
    assert workspace.open(first).summary["holdout_rows"] == 0
    assert dataset.load_any(workspace, path) == first
    pathlib.Path(path).write_text(json.dumps(rows(1)[0]))
    assert dataset.load_any(workspace, path) != first
    with pytest.raises(ValueError, match="no file and no dataset"):
        dataset.load_any(workspace, "nothing")


def test_command_line(workspace, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows(5)))

    def command(*flags):
        argv = [sys.executable, "-m", "core", "dataset", "--workspace", str(workspace.root), *flags]
        root = pathlib.Path(__file__).parents[3]
        return subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)

    done = command("--path", str(path), "--limit", "3", "--name", "mine")
    artifact = workspace.open(done.stdout.split()[-1])
    assert (artifact.name, artifact.summary["rows"]) == ("mine", 3)
    failed = command("--path", str(tmp_path / "b.jsonl"))
    assert failed.returncode == 2
    assert "no such file" in failed.stderr


def real(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    return str(DATA / name)


def test_mathmix(workspace):
    settings = dataset.Settings(path=real("mathmix_train.jsonl"))
    began = time.process_time()
    artifact = workspace.open(dataset.run(workspace, settings))
    assert time.process_time() - began < 10
    s = artifact.summary
    assert (s["rows"], s["holdout_rows"], s["n_sources"]) == (16386, 819, 6)
    frame = dataset.examples(artifact, ["source", "split", "prompt", "response"])
    shares = frame["source"].value_counts()
    held = frame.loc[frame["split"] == "holdout", "source"].value_counts()
    assert ((held - shares * 819 / 16386).abs() < 1).all()
    compared = [
        " ".join(words(f"{p} {r}")) for p, r in zip(frame.prompt, frame.response, strict=True)
    ]
    sides = pd.Series(compared).groupby(frame["split"]).agg(set)
    assert not sides["pool"] & sides["holdout"]


def test_svamp_is_an_evaluation_file(workspace):
    artifact = workspace.open(dataset.load_any(workspace, real("eval_svamp.jsonl")))
    assert not artifact.summary["trainable"]
    assert dataset.examples(artifact, ["answer"])["answer"].notna().sum() == 1000
