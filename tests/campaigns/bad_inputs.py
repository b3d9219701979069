"""Bad input files, made from good ones: each gives an artifact whose counts add up, or one sentence.

`python -m tests.campaigns.bad_inputs 500 [SEED]`: data files, losses, scores, files of settings and
model folders, cut, spliced, filled with wrong bytes and odd values. Each is read in a fork of this
process, every fiftieth by a command line of its own; with at most 10 s of processor and 1 GB. The last line is
JSON: tried and refused of each kind, the most time and memory that one took, and what was wrong.
"""

import collections
import contextlib
import gzip
import importlib
import io
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa

from core.dataset.artifact import DatasetSummary, load_examples
from core.workspace.files import ROOT
from core.workspace.store import Workspace
from tests.campaigns.command import main
from tests.campaigns.kills import fork, prepared

SECONDS, BYTES, PATIENCE = 10.0, 1 << 30, 120.0
KINDS = {"data": 12, "losses": 4, "scores": 3, "settings": 2, "model": 2}
"""What is made bad -> its share of the cases."""
COLUMNS = 40
"""Rows of the good files."""
ODD = (
    None,
    True,
    0,
    -1,
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e\u2028",
    "=1+1",
    "\u0661",
    "x" * 200_000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"role": "user"},
    [{"role": "user", "content": None}],
    [{"role": 3, "content": ["x"]}],
    ["a", 1, {}],
    "[" * 5000,
)
"""In the place of a value."""
BYTES_BAD = (
    b"\x00",
    b"\xff\xfe",
    b"\xc3(",
    b"\xf0\x9f",
    b'"',
    b"\n",
    b"\r",
    b"{",
    b"[" * 3000,
    b"}",
    b"\\u",
    b"PAR1",
    b"PK\3\4",
    b"\x1f\x8b",
    b"9" * 5000,
    b",",
    b"\x93NUMPY",
)


def rows(rng: random.Random) -> list[dict]:
    """Return good rows, as pairs or as conversations."""
    if rng.random() < 0.5:
        return [{"question": f"What is {i}?", "answer": f"{i}", "n": i} for i in range(COLUMNS)]
    turns = [
        [{"role": "user", "content": f"q {i}"}, {"role": "assistant", "content": f"a {i}"}]
        for i in range(COLUMNS)
    ]
    return [{"messages": turn, "id": f"r{i}"} for i, turn in enumerate(turns)]


def odd_rows(rng: random.Random, made: list) -> list:
    """Put odd things in the place of values, keys and whole rows."""
    for _ in range(rng.choice((0, 1, 3, COLUMNS))):
        at = rng.randrange(len(made))
        kind = rng.random()
        if kind < 0.6 and isinstance(made[at], dict) and made[at]:
            made[at][rng.choice(list(made[at]))] = rng.choice(ODD)
        elif kind < 0.75:
            made[at] = rng.choice(ODD)
        elif isinstance(made[at], dict):
            made[at][str(rng.choice(("", "prompt", "x" * 5000, "response", "\n")))] = rng.choice(
                ODD
            )
    return made


def as_csv(made: list, separator: str) -> bytes:
    lists = [list(r.values()) if isinstance(r, dict) else [r] for r in made]
    cells = [["question", "answer", "n"], *lists]
    quote = lambda v: '"' + str(v)[:200_000].replace('"', '""') + '"'  # noqa: E731
    text = "\n".join(separator.join(map(quote, line)) for line in cells)
    return text.encode("utf-8", "surrogatepass")


def as_parquet(made: list) -> bytes:
    out = io.BytesIO()
    frame = pd.DataFrame([r if isinstance(r, dict) else {"x": r} for r in made])
    for column in frame:
        with contextlib.suppress(Exception):
            frame[[column]].to_parquet(io.BytesIO())
            continue
        frame[column] = frame[column].map(lambda v: repr(v).encode("utf-8", "replace").decode())
    frame.columns = [str(c) for c in frame.columns]
    frame.to_parquet(out)
    return out.getvalue()


def as_excel(made: list) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in made:
        with contextlib.suppress(Exception):
            texts = [str(v)[:30_000].encode("utf-8", "replace").decode() for v in row.values()]
            book.active.append(texts)
    book.save(out)
    return out.getvalue()


def as_zip(inner: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as f:
        for name, content in inner.items():
            f.writestr(name, content)
    return out.getvalue()


def lines(made: list) -> bytes:
    return "".join(json.dumps(r) + "\n" for r in made).encode()


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


FILES = {
    "a.jsonl": lines,
    "a.json": lambda made: json.dumps(made).encode(),
    "a.csv": lambda made: as_csv(made, ","),
    "a.tsv": lambda made: as_csv(made, "\t"),
    "a.parquet": as_parquet,
    "a.xlsx": as_excel,
    "a.jsonl.gz": lambda made: gzip.compress(lines(made), 1),
    "a.csv.gz": lambda made: gzip.compress(as_csv(made, ","), 1),
    "a.jsonl.zst": lambda made: zstd(lines(made)),
    "a.zip": lambda made: as_zip({"data/train.jsonl": lines(made), "test.csv": as_csv(made, ";")}),
}


def bad_bytes(rng: random.Random, content: bytes, other: bytes = b"") -> bytes:
    """Cut, overwrite, insert, repeat or splice, once or a few times."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, n = rng.randrange(len(content) + 1), rng.choice((1, 4, 64, 1000))
        how = rng.randrange(8)
        if how == 0:
            content = content[:at]
        elif how == 1:
            content = content[:at] + bytes(rng.randrange(256) for _ in range(n)) + content[at + n :]
        elif how == 2:
            content = content[:at] + rng.choice(BYTES_BAD) + content[at:]
        elif how == 3:
            content = content[:at] + content[at + n :]
        elif how == 4:
            content = content[:at] + content[at : at + n] * rng.choice((2, 50)) + content[at + n :]
        elif how == 5:
            content = content[:at] + other[rng.randrange(len(other) + 1) :]
        elif how == 6 and content:
            flipped = bytearray(content)
            for _ in range(n):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            content = bytes(flipped)
        else:
            content = content[:8] + bytes(min(n, len(content))) + content[8 + n :]
    return content


def data_case(rng: random.Random, folder: pathlib.Path, ids: dict) -> list[str]:
    name = rng.choice(list(FILES))
    content = FILES[name](odd_rows(rng, rows(rng)))
    if rng.random() < 0.7:
        other = FILES[rng.choice(list(FILES))](rows(rng))
        content = bad_bytes(rng, content, other)
    if rng.random() < 0.1:
        content = content.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-7")))
    if rng.random() < 0.15:
        name = rng.choice([*FILES, "a.txt", "a", "a.jsonl.gz.gz", "a.xls"])
    (folder / name).write_bytes(content)
    more = rng.choice(
        (
            [],
            [],
            ["--holdout=10"],
            ["--limit=5"],
            ["--map=prompt={question}", "--map=response={answer}"],
            ["--prompt-column=question", "--response-column=nope"],
            ["--split-column=n"],
            ["--id-column=n", "--answer-column=answer"],
            ["--format=messages"],
        )
    )
    return ["dataset", "--path", str(folder / name), *more]


def odd_array(rng: random.Random, ids: dict) -> np.ndarray:
    shape = rng.choice(((ids["rows"], 3), (ids["rows"],), (0, 3), (3, ids["rows"]), (), (1, 1, 1)))
    values = np.random.default_rng(rng.randrange(9999)).random(shape)
    for bad in rng.sample((np.nan, np.inf, -1e300, 0), 2):
        if values.ndim == 2 and values.size and rng.random() < 0.7:
            values[rng.randrange(len(values))] = bad
    kind = rng.choice(("f8", "f4", "f2", "i8", "u1", "c16", "?", "U8", "S3", "M8[s]", "O"))
    with np.errstate(all="ignore"):
        return np.nan_to_num(values, posinf=9).astype(kind) if kind not in ("f8", "f4") else values


def losses_case(rng: random.Random, folder: pathlib.Path, ids: dict) -> list[str]:
    form = rng.choice(("npy", "npy", "parquet", "pt"))
    path, array = folder / f"losses.{form}", odd_array(rng, ids)
    if form == "npy":
        np.save(path, array, allow_pickle=True)
        if rng.random() < 0.3:
            np.save(
                folder / "steps.npy", rng.choice((np.arange(3), np.array("x"), odd_array(rng, ids)))
            )
    elif form == "parquet":
        table = np.asarray(array, "f8" if array.dtype.kind in "fiu" else "U8")
        frame = pd.DataFrame(table if table.ndim == 2 else table.reshape(-1, 1))
        names = rng.choice(("loss_{}", "{}", "x", "loss_9{}" + "9" * 30, "loss_\u0661{}"))
        frame.columns = [names.format(c) for c in frame.columns]
        if rng.random() < 0.4:
            frame["id"] = rng.choice((range(len(frame)), ["x"] * len(frame), [None] * len(frame)))
        with contextlib.suppress(Exception):
            frame.to_parquet(path)
    else:
        import torch

        path = folder / "run"
        for step in range(2):
            (path / f"checkpoint-{step}").mkdir(parents=True)
            numeric = array if array.dtype.kind in "fiu" else np.zeros(3)
            value = rng.choice((torch.as_tensor(numeric), [1, 2.0, "x"], {"a": 1}, None))
            torch.save(value, path / f"checkpoint-{step}" / "losses.pt")
    if path.is_file() and rng.random() < 0.5:
        path.write_bytes(bad_bytes(rng, path.read_bytes(), b"PAR1"))
    for file in path.glob("*/losses.pt") if path.is_dir() and rng.random() < 0.5 else ():
        file.write_bytes(bad_bytes(rng, file.read_bytes(), b"PK"))
    model = ["--model", "scratch:tiny", "--map=no"]
    return ["trajectories", "--dataset", ids["dataset"], "--source", str(path), *model]


def scores_case(rng: random.Random, folder: pathlib.Path, ids: dict) -> list[str]:
    name = rng.choice(("s.csv", "s.jsonl", "s.parquet", "s.npy"))
    made = [{"id": i, "score": rng.random()} for i in ids["ids"]]
    odd_rows(rng, made)
    if name == "s.npy":
        np.save(folder / name, odd_array(rng, ids), allow_pickle=True)
    else:
        write = {"s.csv": lambda m: as_csv(m, ",").replace(b"question,answer", b"id,score")}
        make = write.get(name) or FILES["a" + name[1:]]
        (folder / name).write_bytes(make(made))
    if rng.random() < 0.5:
        (folder / name).write_bytes(bad_bytes(rng, (folder / name).read_bytes(), b"PK"))
    argv = ["selection", "--parent", ids["dataset"], "--strategy", "scores", "--budget", "10"]
    return [*argv, "--scores", str(folder / name)]


def settings_case(rng: random.Random, folder: pathlib.Path, ids: dict) -> list[str]:
    good = {
        "command": "selection",
        "parent": ids["dataset"],
        "strategy": "random",
        "budget": "10",
        "seed": 0,
        "name": "x",
    }
    for _ in range(rng.choice((1, 2))):
        good[rng.choice([*good, "cap", "quotas", "nonsense", ""])] = rng.choice(ODD)
    text = json.dumps(good, default=str).encode()  # JSON is YAML
    if rng.random() < 0.6:
        extra = rng.choice((b"a: &a [*a]", b"!!python/object:os.system x", b"\t- x: [", b"? ? ?"))
        text = bad_bytes(rng, text, extra)
    (folder / "run.yaml").write_bytes(text)
    return ["selection", "--run-file", str(folder / "run.yaml")]


def model_case(rng: random.Random, folder: pathlib.Path, ids: dict) -> list[str]:
    model = shutil.copytree(ids["model"], folder / "model")
    for _ in range(rng.choice((1, 2))):
        files = sorted(p for p in model.iterdir() if p.is_file())
        if not files:
            break
        file = rng.choice(files)
        kind = rng.random()
        facts = None
        with contextlib.suppress(ValueError):  # made bad a moment ago
            facts = json.loads(file.read_bytes()) if file.suffix == ".json" else None
        if kind < 0.15:
            file.unlink()
        elif facts is not None and kind < 0.7:
            if isinstance(facts, dict) and facts:
                facts[rng.choice(list(facts))] = rng.choice(ODD)
            file.write_text(json.dumps(facts))
            if rng.random() < 0.2:
                file.write_text(json.dumps(rng.choice(ODD)))
        else:
            file.write_bytes(bad_bytes(rng, file.read_bytes(), b"{}"))
    flags = ["--epochs=1", "--checkpoints=2", "--limit=16", "--map=no", "--max-length=64"]
    return ["trajectories", "--dataset", ids["dataset"], "--model", str(model), *flags]


CASES = {
    "data": data_case,
    "losses": losses_case,
    "scores": scores_case,
    "settings": settings_case,
    "model": model_case,
}


def listing(root: pathlib.Path) -> set[str]:
    """Return everything in a workspace but its cache."""
    every = (p.relative_to(root).as_posix() for p in root.rglob("*"))
    return {p for p in every if not p.startswith("cache") and not p.endswith(".lock")}


def run(argv: list[str], log: pathlib.Path, *, own: bool) -> tuple[int, float, int]:
    """Run a command; return its exit code, seconds of processor and most KiB of memory."""
    if own:
        with log.open("wb") as out:
            command = [sys.executable, "-m", "core", *argv]
            child = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out).pid
    else:
        child = fork(argv, log)
    end, late = time.monotonic() + PATIENCE, False
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if not late and time.monotonic() > end:
            os.kill(child, 9)
            late = True
        time.sleep(0.005)
    code = 124 if late else os.waitstatus_to_exitcode(status)
    return code, used.ru_utime + used.ru_stime, used.ru_maxrss


def uneven(workspace: Workspace, id: str) -> str:
    """Return what does not add up in an artifact, empty where all does."""
    made = workspace.open(id)
    if problems := workspace.verify(id):
        return f"verify: {problems[:2]}"
    if made.kind == "dataset":
        s = made.summary_as(DatasetSummary)
        stored = len(pd.read_parquet(made.path / "examples.parquet", columns=["row"]))
        out = sum(s["set_aside"].values()) + s["not_sampled"]
        if not s["rows"] == stored == s["rows_read"] - out == s["pool_rows"] + s["holdout_rows"]:
            return f"rows {s['rows']}, stored {stored}, read {s['rows_read']}, left out {out}"
    if made.kind == "trajectories":
        flags = pd.read_parquet(made.path / "flags.parquet")
        rows = int(made.ancestor("dataset").manifest["summary"]["rows"])
        if len(flags) != rows:
            return f"{len(flags)} flags of {rows} rows"
    return ""


def judge(workspace, before: set[str], code: int, said: str) -> str:
    """Return what was wrong, empty where it was sealed or refused as it should be."""
    left = listing(workspace.root) - before
    if "Traceback" in said or code not in (0, 2):
        return f"exit {code}: {said[-400:]}"
    last = (said.strip().splitlines() or [""])[-1]
    if code == 2:
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        if left:
            return f"refused and left {sorted(left)[:3]}"
        if len(errors) != 1 or last != errors[0] or len(last) > 1500:
            return f"said {len(errors)} errors, {len(last)} characters: {last[:200]}"
        return ""
    new = [e for e in workspace.entries() if e.id == last]
    if len(new) != 1 or new[0].state != "sealed":
        return f"said {last[:100]!r}, made {[e.state for e in new]}"
    if others := [p for p in left if last not in p]:
        return f"left {sorted(others)[:3]}"
    return uneven(workspace, last)


def campaign(n: int, seed: int = 0, minutes: float = 10.0, *, folder: pathlib.Path) -> dict:
    """Try so many, or so long; return what was seen."""
    end = time.monotonic() + 60 * minutes
    for name in ("torch", "transformers", "core.trajectories.run", "core.selection.run"):
        importlib.import_module(name)
    workspace, needs = prepared(folder)
    paths = needs["clusters"][needs["clusters"].index("--trajectories") + 1]
    data = workspace.open(paths).ancestor("dataset")
    ids = {
        "dataset": data.id,
        "ids": load_examples(data, ["id"])["id"].tolist(),
        "rows": int(data.manifest["summary"]["rows"]),
        "model": workspace.open(paths).path / "proxy",
    }
    _, _, bare = run(["list", "--workspace", str(workspace.root)], folder / "log", own=False)
    rng = random.Random(seed)
    order = [kind for kind, share in KINDS.items() for _ in range(share)]
    found = {"tried": collections.Counter(), "refused": collections.Counter()}
    found["not made"] = collections.Counter()
    found |= {"seconds": 0.0, "MiB": 0, "command lines": 0, "wrong": []}
    before = listing(workspace.root)
    for number in itertools.count():
        if time.monotonic() > end or sum(found["tried"].values()) == n:
            break
        kind, own = rng.choice(order), number % 50 == 49
        case = folder / f"case-{number}"
        case.mkdir()
        try:
            argv = CASES[kind](rng, case, ids)
        except Exception as e:  # a writer refuses what is too odd
            found["not made"][type(e).__name__] += 1
            continue
        argv += ["--workspace", str(workspace.root)]
        code, seconds, most = run(argv, folder / "log", own=own)
        said = (folder / "log").read_bytes().decode("utf-8", "replace")
        wrong = judge(workspace, before, code, said)
        memory = (most - (0 if own else bare)) >> 10
        if not wrong and (seconds > SECONDS + 10 * own or memory > BYTES >> 20):
            wrong = f"took {seconds:.1f} s of processor and {memory:,} MiB"
        found["tried"][kind] += 1
        found["refused"][kind] += code == 2
        found["command lines"] += own
        if not own:
            found["seconds"] = max(found["seconds"], round(seconds, 1))
            found["MiB"] = max(found["MiB"], memory)
        if wrong:
            found["wrong"].append([number, kind, argv[1:5], wrong])
            sys.stderr.write(f"{number} {kind} {argv} {wrong}\n")
            if keep := os.environ.get("KEEP"):
                shutil.copytree(case, pathlib.Path(keep) / case.name, dirs_exist_ok=True)
        for path in sorted(listing(workspace.root) - before):
            left = workspace.root / path
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        shutil.rmtree(case)
    return found


if __name__ == "__main__":
    sys.exit(main(campaign, 100))
