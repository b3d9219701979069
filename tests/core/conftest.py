"""What engine tests share: imports and exports in a line, runs that stop or skip the timing."""

import contextlib
import gc
import pathlib

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from core import dataset, export
from core.model import tokenizers
from core.workspace.store import Workspace


def write_export(workspace: Workspace, chosen: str, out: pathlib.Path, **how) -> pathlib.Path:
    """Export a selection; return where to."""
    settings = export.Settings(selection=chosen, out=str(out), **how)
    return pathlib.Path(export.run(workspace, settings))


def load(workspace: Workspace, path: pathlib.Path) -> str:
    return dataset.run(workspace, dataset.Settings(path=str(path), split_column="part"))


@pytest.fixture
def stop_after(tmp_path, monkeypatch):
    """Return a context that makes a run believe it was asked to stop at its n-th look."""

    @contextlib.contextmanager
    def context(looks: int):
        job = tmp_path / "job"
        job.mkdir(exist_ok=True)
        seen = 0

        def requested() -> bool:
            nonlocal seen
            seen += 1
            return seen == looks

        with monkeypatch.context() as patch:
            patch.setattr("core.training.keeper.stop_requested", requested)
            yield
        gc.collect()  # the stopped run's hold on its draft lives as long as its frames

    return context


def write_bare(folder, words, **special):
    """Write a tiny model whose tokenizer has no special tokens but the given ones."""
    from transformers import PreTrainedTokenizerFast

    trained = tokenizers.train_tokenizer(words, 400).backend_tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, **special)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
