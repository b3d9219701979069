"""Tokenizers that lack something work, or are refused in a sentence."""

import numpy as np
import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from core import clusters, finetune, selection, trajectories
from core.model import tokenizers
from core.trajectories.artifact import load_flags, load_losses
from tests.conftest import TRAIN, TUNE
from tests.core.conftest import write_bare

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("special", [{}, {"eos_token": "<|end|>"}])
def test_a_model_without_padding_or_end_token_is_trained_recorded_and_answers(
    finished, tmp_path, special
):
    folder = write_bare(tmp_path / "bare", ["Sum of 1 and 2?", "Repeat: blue"] * 40, **special)
    tokenizer = tokenizers.load_tokenizer(str(folder))
    assert tokenizer.pad_token == tokenizer.eos_token == special.get("eos_token")
    settings = {**TRAIN, "dataset": finished.dataset, "model": str(folder), "epochs": 1.0}
    settings |= {"template": "plain", "batch_size": 32}
    made = finished.workspace.open(
        trajectories.run(finished.workspace, trajectories.Settings(**settings))
    )
    measured = load_flags(made)["flag"] == ""
    assert measured.sum() > 130
    assert np.isfinite(load_losses(made)[measured]).all()
    groups = clusters.run(
        finished.workspace, clusters.Settings(trajectories=made.id, k=3, map=False)
    )
    chosen = selection.run(finished.workspace, selection.Settings(parent=groups, budget="20"))
    target = {**TUNE, "selection": chosen, "model": str(folder), "template": "plain"}
    tuned = finished.workspace.open(finetune.run(finished.workspace, finetune.Settings(**target)))
    assert tuned.summary["decoded"] == 8


def test_a_tokenizer_of_another_model_is_refused_in_a_sentence(finished, tmp_path):
    folder = write_bare(tmp_path / "mixed", ["Sum of 1 and 2?"] * 40)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).save_pretrained(folder)
    settings = {**TRAIN, "dataset": finished.dataset, "model": str(folder), "template": "plain"}
    with pytest.raises(ValueError, match=r"gives token 2\d\d, but the model knows only 50"):
        trajectories.run(finished.workspace, trajectories.Settings(**settings))
    target = {**TUNE, "selection": finished.selection, "model": str(folder), "template": "plain"}
    with pytest.raises(ValueError, match="but the model knows only 50"):
        finetune.run(finished.workspace, finetune.Settings(**target))
