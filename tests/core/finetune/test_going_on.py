"""A fine-tune goes on from another: where that ended, with its lineage."""

import numpy as np
import pytest

from core import finetune
from core.errors import InputError
from core.finetune.settings import Settings
from core.finetune.trained import load_trained
from core.model.scoring import score
from core.model.tokens import tokenize
from tests.conftest import TUNE

pytestmark = pytest.mark.usefixtures("quick")
SHORT = {**TUNE, "steps": 2, "decode": 0, "lr": 1e-3}


def tune(finished, **more):
    settings = Settings(**{"selection": finished.selection, **SHORT, **more})
    return finished.workspace.open(finetune.run(finished.workspace, settings))


@pytest.fixture(scope="module")
def first(finished):
    return {
        "full": finished.workspace.open(finished.finetune),
        "lora": tune(finished, method="lora", lora_rank=4, lr=0.01),
    }


@pytest.mark.parametrize("then", ["full", "lora"])
@pytest.mark.parametrize("before", ["full", "lora"])
def test_it_begins_where_the_other_ended(finished, first, before, then):
    base = first[before]
    made = tune(finished, model=base.id, method=then)
    started, ended = made.summary["trained_rows_loss"]
    assert started == pytest.approx(base.summary["trained_rows_loss"][1], abs=2e-4)
    assert ended < started
    assert made.parents["base"] == base.id
    assert made.ancestor("selection").id == finished.selection
    assert made.config["template"] == base.config["template"] == "plain"
    assert base.name in made.name
    model, tokenizer = load_trained(made)
    data = finished.workspace.open(finished.dataset)
    tokens = tokenize(finished.workspace, data, tokenizer, "plain", made.config["max_length"])
    held_out = np.flatnonzero(tokens.response_lengths() > 0)[:8]
    assert np.isfinite(score(model, tokens, held_out).losses).all()
    with pytest.raises(InputError, match="is needed by finetune"):
        finished.workspace.delete(base.id)


def test_a_third_goes_on_with_the_same_adapter(finished, first):
    second = tune(finished, model=first["lora"].id, method="lora")
    third = tune(finished, model=second.id, method="lora")
    started = third.summary["trained_rows_loss"][0]
    assert started == pytest.approx(second.summary["trained_rows_loss"][1], abs=2e-4)
    assert '"r": 4' in (third.path / "adapter" / "adapter_config.json").read_text()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "lora", "lora_rank": 8}, "has an adapter of its own.*leave --lora-rank away"),
        ({"method": "qlora"}, "--method qlora: QLoRA holds weights in 4 bits on a CUDA GPU"),
    ],
)
def test_what_does_not_go_together_is_refused(finished, first, wrong, words):
    with pytest.raises(InputError, match=words):
        tune(finished, model=first["lora"].id, **wrong)


def test_only_a_finished_fine_tune_is_gone_on_with(finished):
    with pytest.raises(InputError, match="finetune"):
        tune(finished, model=finished.dataset)
