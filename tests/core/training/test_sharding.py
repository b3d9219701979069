"""A target in parts over two processes gives what one process gives, and can be stopped between."""

import os
import subprocess
import sys

import numpy as np
import pytest

from core import finetune
from core.jobs.progress import JOB_VARIABLE
from core.training import sharding
from core.workspace.files import ROOT, read_jsonl
from tests.conftest import TUNE

GROUP = """
import os, sys
from transformers import AutoModelForCausalLM
from core import finetune
from core.jobs.children import leave
from core.jobs.progress import JOB_VARIABLE, Stopped
from core.training.checkpoints import damage, newest_complete
from core.workspace.store import Workspace

workspace = Workspace(sys.argv[1])
job = os.environ[JOB_VARIABLE]
ways = [("full", True, True), ("full", True, False), ("full", False, True), ("lora", True, True)]
for method, first, then in ways:
    os.environ[JOB_VARIABLE] = job
    given = {"selection": sys.argv[2], "name": f"{method} {first} {then}", **SETTINGS}
    given["method"] = method
    try:
        finetune.run(workspace, finetune.Settings(**given, shard=first))
        sys.exit("it was not stopped")
    except Stopped as e:
        assert "stopped at step 1 of" in str(e), e
    del os.environ[JOB_VARIABLE]
    (run,) = workspace.root.glob("finetune/*.partial")
    saved = newest_complete(run / "checkpoints")
    assert not damage(saved), damage(saved)
    if os.environ["RANK"] == "0" and method == "full":
        plain, about = AutoModelForCausalLM.from_pretrained(saved, output_loading_info=True)
        assert not about["missing_keys"], about
    id = finetune.run(workspace, finetune.Settings(**given, shard=then, resume=True))
    if os.environ["RANK"] == "0":
        print("made", id)
leave(0)  # as a command ends: torch's own threads abort a process now and then that ends otherwise
"""


def test_in_parts_or_not_it_stops_goes_on_and_ends_as_one_process_does(finished, tmp_path):
    (tmp_path / "STOP").touch()
    code = tmp_path / "group.py"
    code.write_text(GROUP.replace("SETTINGS", repr(TUNE)))
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        [sys.executable, *torchrun, str(code), str(finished.workspace.root), finished.selection],
        env={**os.environ, JOB_VARIABLE: str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("made ")]
    assert len(made) == 4
    given = {**TUNE, "selection": finished.selection, "method": "lora"}
    adapter = finetune.run(finished.workspace, finetune.Settings(**given))
    for alone, id in zip([finished.finetune] * 3 + [adapter], made, strict=True):
        one, two = (finished.workspace.open(i) for i in (alone, id))
        curves = [list(read_jsonl(t.path / "metrics.jsonl")) for t in (one, two)]
        for name in ("loss", "grad_norm"):
            np.testing.assert_allclose(*([r[name] for r in c] for c in curves), atol=1e-5)
        assert two.manifest["fingerprint"] == one.manifest["fingerprint"], (
            "how it is run counts not"
        )


def test_what_a_split_target_cannot_do_is_said_before_it_is_loaded(finished, monkeypatch):
    given = {**TUNE, "selection": finished.selection, "shard": True, "model": "/nowhere"}
    with pytest.raises(ValueError, match="add --processes 2 or more"):
        finetune.run(finished.workspace, finetune.Settings(**given))
    monkeypatch.setenv("WORLD_SIZE", "2")
    for wrong in ({"method": "qlora"}, {"keep": "best"}, {"keep_every": 5}):
        with pytest.raises(ValueError, match="--shard"):
            sharding.check(**{"method": "full", "keep": "last", "keep_every": 0, **wrong})
