"""Selections leave as files and folders that other tools read, and come back as the same rows."""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import dataset, export, selection
from core.dataset.examples import content_fingerprint, understand
from core.dataset.readers import Rows
from core.export import writers
from core.export.writers import Example
from core.workspace.artifact import Artifact
from core.workspace.files import sha256_file
from core.workspace.store import Workspace
from tests.core.conftest import write, write_export

TURNS = ("messages", "sharegpt")
LINES = ("jsonl", "alpaca", *TURNS)


def talk(i: int) -> list[dict]:
    """A conversation: of one, two or three exchanges, some with a system turn or a tool's."""
    turns = [{"role": "system", "content": f"You are {i}."}] if i % 3 == 0 else []
    for k in range(1 + i % 3):
        turns.append({"role": "user", "content": f"question {i}.{k} \u2028 <|im_end|>"})
        if i % 5 == 0:
            turns.append({"role": "assistant", "content": "looks it up"})
            turns.append({"role": "tool", "content": f"[{i}]"})
        turns.append({"role": "assistant", "content": f"answer\n{i}.{k}"})
    return turns


def records(own: bool) -> list[dict]:
    out = []
    for i in range(60):
        row = {"messages": talk(i), "source": f"s{i % 4}", "answer": f"{i}" if i % 2 else None}
        out.append({"id": f"row {i}", **row} if own else row)
    return out


def load(root: pathlib.Path, rows: list[dict], **more) -> tuple[Workspace, str, str]:
    workspace = Workspace(root / "workspace")
    file = write(root / "talks.jsonl", rows)
    data = dataset.run(workspace, dataset.Settings(path=str(file), holdout="0", **more))
    chosen = selection.run(
        workspace, selection.Settings(parent=data, strategy="random", budget="40%")
    )
    return workspace, data, chosen


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    return load(tmp_path_factory.mktemp("talks"), records(own=True))


def chosen_rows(workspace: Workspace, selected: str) -> pd.DataFrame:
    """The examples selected, in the dataset's order."""
    artifact = workspace.open(selected)
    rows = pd.read_parquet(artifact.path / "table.parquet")["row"].sort_values()
    return dataset.examples(workspace.ancestor(artifact, "dataset")).iloc[rows]


def subset_fingerprint(workspace: Workspace, selected: str) -> str:
    """The content fingerprint of a dataset that has the selected rows only."""
    import hashlib

    from core.dataset.examples import Examples
    from core.workspace.files import canonical

    frame = chosen_rows(workspace, selected)
    digests = [hashlib.sha256(canonical(m).encode()).hexdigest() for m in frame["messages"]]
    answers = [a if isinstance(a, str) else None for a in frame["answer"]]
    parts = [frame[c].tolist() for c in ("row", "id", "messages")]
    return content_fingerprint(Examples(*parts, digests, frame["source"].tolist(), answers))


def again(workspace: Workspace, out: pathlib.Path) -> Artifact:
    """Import what was exported."""
    made = dataset.run(workspace, dataset.Settings(path=str(out), holdout="0"))
    return workspace.open(made)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("form", [f for f in writers.FORMATS if f not in ("ids", "alpaca")])
def test_an_export_comes_back_as_the_same_rows(form, whole, own, tmp_path):
    workspace, _, chosen = load(tmp_path, records(own))
    suffix = "" if whole else pathlib.PurePath(writers.FORMATS[form].file).suffix
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


role = st.sampled_from(["user", "assistant", "system", "tool"])
turn = st.fixed_dictionaries({"role": role, "content": st.text(st.characters(codec="utf-8"))})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(turn, min_size=1, max_size=6), st.sampled_from(TURNS))
def test_any_turns_survive_both_forms(turns, form):
    shape = {"messages": writers.messages, "sharegpt": writers.sharegpt}[form]
    line = json.loads(json.dumps(shape(Example(0, "x", "s", "", turns)), ensure_ascii=False))
    cells = {name: [value] for name, value in line.items()}
    column = "messages" if form == "messages" else "conversations"
    found, _ = understand(Rows(cells, [0], "index", []), form, {"chat": column})
    replies = [t["content"] for t in turns if t["role"] == "assistant"]
    usable = replies and replies[-1].strip()  # else an import sets the row aside
    assert found.messages == ([turns] if usable else [])


@given(st.lists(role, min_size=1, max_size=4))
def test_alpaca_takes_one_question_and_answer_and_refuses_the_rest(roles):
    turns = [{"role": r, "content": f"{i}"} for i, r in enumerate(roles)]
    example = Example(7, "x", "s", "", turns)
    if roles in (["user", "assistant"], ["system", "user", "assistant"]):
        made = writers.alpaca(example)
        assert [made["instruction"], made["output"]] == [t["content"] for t in turns[-2:]]
        assert made["system"] == ("0" if len(turns) == 3 else "")
    else:
        with pytest.raises(ValueError, match=r"row 7 has the turns .*: use --format messages"):
            writers.alpaca(example)


def test_turns_that_alpaca_cannot_hold_leave_nothing(talks, tmp_path):
    workspace, _, chosen = talks
    for out in ("x.jsonl", "folder"):
        with pytest.raises(ValueError, match="alpaca holds one question and one answer"):
            write_export(workspace, chosen, tmp_path / out, format="alpaca")
    assert not list(tmp_path.iterdir())


def test_ids_are_one_a_line_and_hash_to_the_manifests_sum(talks, tmp_path):
    workspace, _, chosen = talks
    out = write_export(workspace, chosen, tmp_path / "ids.txt", format="ids")
    ids = out.read_text().splitlines()
    assert ids == chosen_rows(workspace, chosen)["id"].tolist()
    assert selection.ids_sha256(ids) == workspace.open(chosen).summary["ids_sha256"]


def test_an_id_of_two_lines_is_refused_as_a_line(tmp_path):
    rows = [{"id": f"a\n{i}", "question": "q", "answer": f"{i}"} for i in range(5)]
    workspace, _, chosen = load(tmp_path, rows)
    with pytest.raises(ValueError, match="has a line break; use --format jsonl"):
        write_export(workspace, chosen, tmp_path / "ids.txt", format="ids")


def test_rows_are_read_a_batch_at_a_time(tmp_path):
    """The most that arrow holds hardly grows with the rows."""
    peaks = []
    for n in (25_000, 75_000):  # row groups have 20,000
        root = tmp_path / f"{n}"
        root.mkdir()
        rows = [{"question": f"{i} " + "word " * 20, "answer": f"{i}"} for i in range(n)]
        workspace, _, chosen = load(root, rows)
        artifact = workspace.open(chosen)
        before, peak, count = pa.total_allocated_bytes(), 0, 0
        for table in writers.tables(workspace, artifact, "original.parquet"):
            count += len(table)
            peak = max(peak, pa.total_allocated_bytes() - before)
        assert count == n * 0.4
        peaks.append(peak)
    assert peaks[1] < 1.3 * peaks[0], peaks


@pytest.mark.parametrize(
    ("out", "more", "words"),
    [
        ("x.json", {}, "writes a file that ends in .jsonl or a folder with no dot"),
        ("x.jsonl", {"format": "parquet"}, "ends in .parquet"),
        ("x.parquet", {"format": "datasets"}, "--format datasets writes a folder with no dot"),
        ("x.jsonl", {"format": "messages", "config": "trl"}, "--config trl writes a folder"),
        ("x", {"config": "trl"}, "--config trl reads --format messages, not jsonl"),
        ("x", {"format": "alpaca", "config": "axolotl"}, "reads --format messages or sharegpt"),
        ("x", {"format": "messages", "config": "trl", "model": "scratch:tiny"}, "give a hub id"),
        ("no/x", {}, "there is no folder .*no; make it first"),
        ("taken.jsonl/x", {}, "there is no folder"),
        ("taken.jsonl", {}, "exists; choose another --out, or give --overwrite yes"),
        ("mine", {"overwrite": True}, "is no earlier export; choose another"),
        ("mine", {"overwrite": True, "format": "datasets"}, "is no earlier export"),
        ("/proc/x", {}, "/proc/x cannot be written: .*choose another --out"),
        ("/proc/x.jsonl", {}, "/proc/x.jsonl cannot be written"),
    ],
)
def test_a_target_that_cannot_be_is_refused(out, more, words, talks, tmp_path):
    workspace, _, chosen = talks
    (tmp_path / "taken.jsonl").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=words):
        write_export(workspace, chosen, tmp_path / out, **more)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "taken.jsonl"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "taken.jsonl").read_text() == "mine"


def test_an_overwrite_replaces_an_export_and_nothing_else(talks, tmp_path):
    workspace, _, chosen = talks
    file = tmp_path / "x.jsonl"
    file.write_text("old")
    write_export(workspace, chosen, file, overwrite=True)
    assert file.read_bytes().count(b"\n") == 24
    folder = write_export(workspace, chosen, tmp_path / "f", format="messages", config="trl")
    write_export(workspace, chosen, folder, format="datasets", overwrite=True)
    assert not (folder / "train.py").exists()
    (folder / "output").mkdir()
    with pytest.raises(ValueError, match="also holds output, which no export wrote"):
        write_export(workspace, chosen, folder, overwrite=True)
    (tmp_path / "g.jsonl").mkdir()
    with pytest.raises(ValueError, match="is a folder; choose another"):
        write_export(workspace, chosen, tmp_path / "g.jsonl", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "g.jsonl", "x.jsonl"]


def test_a_full_disk_leaves_the_old_export(talks, tmp_path, monkeypatch):
    workspace, _, chosen = talks
    folder = write_export(workspace, chosen, tmp_path / "f")
    before = (folder / export.MANIFEST).read_text()

    def full(path, workspace, artifact):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(writers.FORMATS, "jsonl", writers.FORMATS["jsonl"]._replace(write=full))
    for out, overwrite in ((folder, True), (tmp_path / "x.jsonl", False)):
        with pytest.raises(ValueError, match="the disk is full; nothing is left of it"):
            write_export(workspace, chosen, out, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (folder / export.MANIFEST).read_text() == before


SLOW = """
import sys, time
from core import export
from core.export import writers
from core.workspace.store import Workspace
lines = writers.examples
def slow(*args):
    for i, example in enumerate(lines(*args)):
        if i == 10:
            print("half", flush=True)
            time.sleep(60)
        yield example
writers.examples = slow
export.run(Workspace(sys.argv[1]), export.Settings(selection=sys.argv[2], out=sys.argv[3], format="messages"))
"""


@pytest.mark.parametrize("name", ["x.jsonl", "folder"])
def test_a_killed_export_leaves_nothing_that_looks_whole(name, talks, tmp_path, capsys):
    workspace, _, chosen = talks
    command = [sys.executable, "-c", SLOW, str(workspace.root), chosen, str(tmp_path / name)]
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        os.kill(process.pid, signal.SIGKILL)
    assert [p.name for p in tmp_path.iterdir()] == [f".{name}.partial"]
    capsys.readouterr()
    write_export(workspace, chosen, tmp_path / name, format="messages")
    said = capsys.readouterr().err
    assert f"an export to {tmp_path / name} was killed half-way; what it left is deleted" in said
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x.jsonl", "folder"])
def test_while_one_exports_another_to_the_same_place_is_refused(name, talks, tmp_path):
    workspace, _, chosen = talks
    command = [sys.executable, "-c", SLOW, str(workspace.root), chosen, str(tmp_path / name)]
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        with pytest.raises(ValueError, match=f"another export to .*{name} is at work; wait"):
            write_export(workspace, chosen, tmp_path / name, overwrite=True)
        write_export(workspace, chosen, tmp_path / f"other{name}")
        process.kill()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".{name}.partial", f"other{name}"]


SWAP = """
import pathlib, sys, time
from core import export
from core.workspace.store import Workspace
replace = pathlib.Path.replace
def slow(path, target):
    if str(target) == sys.argv[3]:
        print("half", flush=True)
        time.sleep(60)
    return replace(path, target)
pathlib.Path.replace = slow
export.run(Workspace(sys.argv[1]), export.Settings(selection=sys.argv[2], out=sys.argv[3], overwrite=True))
"""


def test_killed_between_two_renames_the_earlier_export_comes_back(talks, tmp_path, capsys):
    workspace, _, chosen = talks
    folder = write_export(workspace, chosen, tmp_path / "folder", format="messages")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    command = [sys.executable, "-c", SWAP, str(workspace.root), chosen, str(folder)]
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        process.kill()
    assert not folder.exists()
    with pytest.raises(ValueError, match="exists; choose another --out"):
        write_export(workspace, chosen, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert "the export that it was to replace is back" in capsys.readouterr().err


RACE = """
import sys
from core import export
from core.workspace.store import Workspace
workspace = Workspace(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    settings = export.Settings(
        selection=sys.argv[2], out=sys.argv[3], format=sys.argv[4], overwrite=len(sys.argv) > 5
    )
    export.run(workspace, settings)
except ValueError as e:
    print(e, flush=True)
    sys.exit(2)
"""


def race(workspace, chosen, out, forms, *more):
    """Start an export a format in processes of their own, at once; return (exit code, words)."""
    root, argv = (
        pathlib.Path(__file__).parents[3],
        [sys.executable, "-c", RACE, str(workspace.root)],
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen([*argv, chosen, str(out), form, *more], cwd=root, **pipes)
        for form in forms
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in running]
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


def whole(out, workspace, chosen):
    """Check that a folder holds exactly one export, and return its format."""
    facts = json.loads((out / export.MANIFEST).read_text())
    assert {*facts["files"], export.MANIFEST} == {p.name for p in out.iterdir()}
    assert all(sha256_file(out / name) == sha for name, sha in facts["files"].items())
    assert again(workspace, out).summary["fingerprint"] == subset_fingerprint(workspace, chosen)
    return facts["format"]


def test_of_exports_to_one_place_at_once_one_wins(tmp_path):
    workspace, _, chosen = load(tmp_path, records(own=True))
    out, forms = tmp_path / "out", ["messages", "parquet", "sharegpt"]
    made = race(workspace, chosen, out, forms)
    assert sorted(code for code, _ in made) == [0, 2, 2]
    winner = next(form for form, (code, _) in zip(forms, made, strict=True) if not code)
    assert whole(out, workspace, chosen) == winner
    lost = [text for code, text in made if code]
    assert all("is at work; wait" in text or "exists; choose" in text for text in lost)
    made = race(workspace, chosen, out, forms, "overwrite")
    assert 0 in {code for code, _ in made}
    assert all("is at work; wait" in text for code, text in made if code)
    assert whole(out, workspace, chosen) in forms
    assert not list(tmp_path.glob(".*"))


def test_exports_to_one_place_from_threads(tmp_path):
    workspace, _, chosen = load(tmp_path, records(own=True))
    out, barrier, forms = tmp_path / "out", threading.Barrier(4), ["messages", "parquet"] * 2

    def go(form):
        barrier.wait()
        try:
            return write_export(workspace, chosen, out, format=form, overwrite=True)
        except ValueError as e:
            return e

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(go, forms))
    lost = [e for e in made if isinstance(e, ValueError)]
    assert len(lost) < 4
    assert all("is at work; wait" in str(e) for e in lost), lost
    assert whole(out, workspace, chosen) in forms
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("form", writers.FORMATS)
def test_a_folder_has_a_card_and_names_its_files(form, house, tmp_path):
    out = write_export(house.workspace, house.selection, tmp_path / "out", format=form)
    artifact = house.workspace.open(house.selection)
    text = (out / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["license"] == "other"
    assert front["size_categories"] == ["n<1K"]
    assert ("configs" in front) == (form != "ids")
    if form != "ids":
        assert list(out.glob(front["configs"][0]["data_files"]))
    for words in (
        house.dataset, house.trajectories, house.clusters, house.selection,
        artifact.summary["ids_sha256"], "25%", "s2l", f"python -m core reproduce {house.selection}",
        "--path small.jsonl", "T=$(python -m core trajectories --dataset $D", "--clusters",
        "Nothing here certifies", "That of the original data",
    ):  # fmt: skip
        assert words in body or words == "--clusters", words
    assert str(house.file.parent) not in text, "a card tells no path of this machine"
    facts = json.loads((out / export.MANIFEST).read_text())
    assert {*facts["files"], export.MANIFEST} == {p.name for p in out.iterdir()}
    assert facts["ids_sha256"] == artifact.summary["ids_sha256"]


def test_the_cards_numbers_are_those_of_the_rows(house, tmp_path):
    out = write_export(house.workspace, house.selection, tmp_path / "out")
    text = (out / "README.md").read_text()
    chosen = chosen_rows(house.workspace, house.selection)
    frame = dataset.examples(house.workspace.open(house.dataset))
    pool = frame[frame["split"] == "pool"]
    for source, n in pool["source"].value_counts().items():
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


def test_the_command_line_exports(house, tmp_path):
    from core.__main__ import main

    argv = ["export", "--selection", house.selection, "--workspace", str(house.workspace.root)]
    out = str(tmp_path / "out")
    argv += ["--format", "sharegpt", "--config", "axolotl", "--out", out]
    assert main(argv) == 0
    assert (tmp_path / "out" / "axolotl.yaml").exists()
    assert main(argv) == 2
    assert main([*argv, "--overwrite"]) == 0
