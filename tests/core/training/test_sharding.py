"""A target in parts over two processes gives what one process gives, and can be stopped between."""

import numpy as np
import pytest
from transformers import AutoModelForCausalLM

from core import finetune
from core.jobs.progress import JOB_VARIABLE, Stopped
from core.training.checkpoints import damage, newest_complete
from core.workspace.files import read_jsonl
from tests.conftest import TUNE


def settings(finished, **changes):
    given = {**TUNE, "selection": finished.selection, "name": "in parts", "shard": True, **changes}
    return finetune.Settings(**given)


def test_in_parts_it_stops_goes_on_and_ends_as_one_process_does(finished, tmp_path, monkeypatch):
    monkeypatch.setenv(JOB_VARIABLE, str(tmp_path))
    (tmp_path / "STOP").touch()
    with pytest.raises(Stopped, match="stopped at step 1 of"):
        finetune.run(finished.workspace, settings(finished, processes=2))
    (run,) = finished.workspace.root.glob("finetune/*.partial")
    saved = newest_complete(run / "checkpoints")
    assert damage(saved, world=2) == ""
    plain = AutoModelForCausalLM.from_pretrained(saved)
    assert all(p.isfinite().all() for p in plain.parameters())

    monkeypatch.delenv(JOB_VARIABLE)
    id = finetune.run(finished.workspace, settings(finished, processes=2, resume=True))
    one, two = (finished.workspace.open(i) for i in (finished.finetune, id))
    curves = [list(read_jsonl(t.path / "metrics.jsonl")) for t in (one, two)]
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(*([r[name] for r in c] for c in curves), atol=1e-5)
    assert two.summary["loss"] == pytest.approx(one.summary["loss"], abs=1e-5)
    assert two.manifest["fingerprint"] == one.manifest["fingerprint"], "how it is run is no part"


def test_what_a_split_target_cannot_do_is_said_before_it_is_loaded(finished, monkeypatch):
    with pytest.raises(ValueError, match="add --processes 2 or more"):
        finetune.run(finished.workspace, settings(finished, model="/nowhere"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    from core.training import sharding

    for wrong in ({"method": "qlora"}, {"keep": "best"}, {"keep_every": 5}):
        with pytest.raises(ValueError, match="--shard"):
            sharding.check(**{"method": "full", "keep": "last", "keep_every": 0, **wrong})
