"""What imports wrote before they were streamed: the same file gives the same dataset still."""

import hashlib
import json
import random

import pyarrow.parquet as pq

from core.dataset.readers import rows as reading
from tests.core.dataset.conftest import aside

WORDS = [f"word{i}" for i in range(400)] + ["Ünder", "naïve", "中文", "x+1", "--", "KaNa"]


def made_up():
    """Conversations of every kind: copies, near copies, shared openings, instructions, odd cells."""
    rng = random.Random(5)

    def text(least, most):
        return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))

    frame, rows = text(30, 30), []
    for i in range(700):
        kind = i % 7
        asked, reply = text(6, 40), text(1, 60)
        if kind == 1 and rows:
            turns = [dict(turn) for turn in rng.choice(rows)["messages"]]
            turns[-1]["content"] += rng.choice(["!", " and", " more or less"])
        elif kind == 2 and rows:
            turns = [*rng.choice(rows)["messages"], {"role": "user", "content": text(8, 14)}]
            turns.append({"role": "assistant", "content": reply})
        elif kind == 3:
            turns = [{"role": "user", "content": f"{frame} {text(1, 9)}"}]
            turns.append({"role": "assistant", "content": reply})
        elif kind == 4:
            turns = [{"role": "system", "content": rng.choice(["Be kind.", asked])}]
            turns += [{"role": "user", "content": "Summarize:"}]
            turns += [{"role": "assistant", "content": reply}]
        else:
            turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": reply}]
        row = {"messages": turns, "source": f"set {i % 3}", "part": "test" if i % 11 == 0 else None}
        if i > 300:
            row["extra"] = [{"a": i}] if i % 2 else []
            row["mixed"] = i if i < 350 else str(i)
        if i == 431:
            row["messages"] = [{"role": "nobody", "content": "x"}]
        rows.append({"late": 1, **row} if i > 600 else row)
    return rows


def seen(artifact):
    """Return a hash of all that is stored but the manifest."""
    found = hashlib.sha256()
    for file in sorted(artifact.path.iterdir()):
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            found.update(f"{file.name} {table.schema} {table.to_pylist()}".encode())
    found.update(json.dumps(aside(artifact)).encode())
    kept = {k: v for k, v in artifact.summary.items() if k != "source_sha256"}
    found.update(json.dumps(kept).encode())
    return found.hexdigest()[:16]


def test_a_dataset_is_stored_as_it_was(load, monkeypatch):
    monkeypatch.setattr(reading, "BATCH_ROWS", 64)
    data = made_up()
    drawn, marked = load(data), load(data, split_column="part")
    some = load(data, limit=300, seed=3)
    assert drawn.summary["fingerprint"].startswith("b33e882504692d4c")
    assert [x.summary["holdout_rows"] for x in (drawn, marked, some)] == [34, 64, 15]
    assert marked.summary["overlap"] == {
        **{"items": 64, "rows": 635, "given_away": 33},
        **{"copies": 4, "prompts": 33, "near": 24, "ngrams": 28},
    }
    assert drawn.summary["json_columns"] == ["mixed"]
    assert [seen(x) for x in (drawn, marked, some)] == [
        "5d3d14696c355771",
        "b54a48776e0d685d",
        "96ea40dad0153141",
    ]
