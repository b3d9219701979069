import json
import os
import subprocess
import sys

from core.demo.puzzles import HOLDOUT_PER_TASK, TASKS, generate, normalised
from core.finetune.answers import judge

DIGEST = """
import hashlib, json
from core.demo.puzzles import generate
print(hashlib.sha256(json.dumps(list(generate(0))).encode()).hexdigest())
"""


def test_rows_do_not_vary_with_the_hash_seed():
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert len(first.strip()) == 64
    assert first == second


def test_splits_are_disjoint_unbalanced_and_verified():
    rows = list(generate(0))
    questions = {
        split: {normalised(r["question"]) for r in rows if r["split"] == split}
        for split in ("pool", "holdout", "base")
    }
    assert sum(map(len, questions.values())) == len(rows)
    assert len(set.union(*questions.values())) == len(rows)
    assert len(TASKS) >= 16
    assert len(questions["holdout"]) == HOLDOUT_PER_TASK * len(TASKS)
    assert max(n for n, _ in TASKS.values()) >= 10 * min(n for n, _ in TASKS.values())
    for row in rows[::97]:
        entry = {**row, "prompt": row["question"]}
        assert json.loads(row["metadata"])
        assert judge(row["answer"], row["answer"], item=entry).matcher == "reasoning-gym"
        assert judge(row["answer"], row["answer"], item=entry).right
        assert not judge("nonsense", row["answer"], item=entry).right
