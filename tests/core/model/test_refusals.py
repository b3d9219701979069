"""Models and tokenizers that lack something work, or are refused in a sentence."""

import gc

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core import clusters, finetune, selection, trajectories
from core.model import scoring, tokenizers
from core.model.scoring import Scores
from core.trajectories import recorder
from core.trajectories.artifact import load_flags, load_losses
from tests.core.conftest import TRAIN, TUNE

pytestmark = pytest.mark.usefixtures("quick")


def write_bare(folder, words, **special):
    """Write a tiny model whose tokenizer has no special tokens but the given ones."""
    from transformers import PreTrainedTokenizerFast

    trained = tokenizers.train_tokenizer(words, 400).backend_tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, **special)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=128,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("special", [{}, {"eos_token": "<|end|>"}])
def test_a_model_without_padding_or_end_token_is_trained_recorded_and_answers(
    house, tmp_path, special
):
    folder = write_bare(tmp_path / "bare", ["Sum of 1 and 2?", "Repeat: blue"] * 40, **special)
    tokenizer = tokenizers.load_tokenizer(str(folder))
    assert tokenizer.pad_token == tokenizer.eos_token == special.get("eos_token")
    settings = {**TRAIN, "dataset": house.dataset, "model": str(folder), "epochs": 1.0}
    settings |= {"template": "plain", "batch_size": 32}
    made = house.workspace.open(
        trajectories.run(house.workspace, trajectories.Settings(**settings))
    )
    measured = load_flags(made)["flag"] == ""
    assert measured.sum() > 130
    assert np.isfinite(load_losses(made)[measured]).all()
    groups = clusters.run(house.workspace, clusters.Settings(trajectories=made.id, k=3, map=False))
    chosen = selection.run(house.workspace, selection.Settings(parent=groups, budget="20"))
    target = {**TUNE, "selection": chosen, "model": str(folder), "template": "plain"}
    tuned = house.workspace.open(finetune.run(house.workspace, finetune.Settings(**target)))
    assert tuned.summary["decoded"] == 8


def test_a_tokenizer_of_another_model_is_refused_in_a_sentence(house, tmp_path):
    folder = write_bare(tmp_path / "mixed", ["Sum of 1 and 2?"] * 40)
    LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
                    num_attention_heads=2, bos_token_id=None, eos_token_id=None)
    ).save_pretrained(folder)  # fmt: skip
    settings = {**TRAIN, "dataset": house.dataset, "model": str(folder), "template": "plain"}
    with pytest.raises(ValueError, match=r"gives token 2\d\d, but the model knows only 50"):
        trajectories.run(house.workspace, trajectories.Settings(**settings))
    target = {**TUNE, "selection": house.selection, "model": str(folder), "template": "plain"}
    with pytest.raises(ValueError, match="but the model knows only 50"):
        finetune.run(house.workspace, finetune.Settings(**target))


def test_checkpoints_of_several_architectures_are_named(house, tmp_path):
    folder = tmp_path / "run"
    write_bare(folder / "checkpoint-10", ["Sum of 1 and 2?"] * 40)
    other = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=32, n_layer=1, n_head=2))
    other.save_pretrained(folder / "checkpoint-5")
    settings = {"dataset": house.dataset, "source": str(folder), "template": "plain"}
    before = house.workspace.entries()
    with pytest.raises(ValueError, match=r"checkpoint-5 .*gpt2.* checkpoint-10 .*llama.*one run"):
        trajectories.run(house.workspace, trajectories.Settings(**settings))
    assert house.workspace.entries() == before


def test_a_loss_that_is_not_finite_flags_its_row_and_the_run_goes_on(house, monkeypatch):
    whole = house.workspace.open(house.trajectories)
    row = int(np.flatnonzero(load_flags(whole)["flag"] == "")[5])
    true, recordings = scoring.score, 0

    def score(model, tokens, rows, **more):
        nonlocal recordings
        recordings += 1
        found = true(model, tokens, rows, **more)
        if recordings == 2:
            found.losses[rows == row] = np.inf
        return found

    monkeypatch.setattr(recorder, "score", score)
    settings = trajectories.Settings(dataset=house.dataset, **TRAIN)
    made = house.workspace.open(trajectories.run(house.workspace, settings))
    flags = load_flags(made)
    assert flags["flag"][row] == "loss not finite"
    assert made.summary["unmeasurable"] == whole.summary["unmeasurable"] + 1
    assert made.summary["measured"] == whole.summary["measured"] - 1
    others = np.arange(len(flags)) != row
    np.testing.assert_array_equal(load_losses(made)[others], load_losses(whole)[others])


def test_a_run_without_one_finite_loss_names_the_learning_rate(house, monkeypatch):
    monkeypatch.setattr(
        recorder, "score", lambda model, tokens, rows, **more: Scores(
            np.full(len(rows), np.nan, np.float32), np.zeros((len(rows), 1), np.float16)
        ),
    )  # fmt: skip
    settings = trajectories.Settings(dataset=house.dataset, **TRAIN, seed=9)
    with pytest.raises(ValueError, match=r"no row has a finite loss .*smaller --lr"):
        trajectories.run(house.workspace, settings)
    (left,) = [e for e in house.workspace.entries() if e.state == "unfinished"]
    gc.collect()  # the failed run's hold on its draft lives as long as its frames
    house.workspace.delete(left.id)
