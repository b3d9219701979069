"""What cannot go well is said in one sentence, before anything is started; nothing is left behind."""

import errno
import json
import os
import pathlib
import shutil

import pytest

from core import finetune, jobs
from core.__main__ import main
from core.finetune.settings import Settings
from core.model import loading
from tests.conftest import TUNE, write

ELSEWHERE = {
    "double click": "tests/pages/test_finetune.py::"
    "test_it_starts_once_what_the_command_line_would_start_and_stops",
    "the chat's server is killed": "tests/core/chat/test_client.py::"
    "test_a_server_that_is_killed_while_it_streams_leaves_no_process",
    "every selected row is cut": "tests/core/finetune/test_run.py::test_bad_input_is_a_sentence",
    "a workspace that a page cannot write": "tests/pages/test_finetune.py::"
    "test_a_workspace_that_cannot_be_written_is_a_sentence",
}
"""Kinds that are tested where they happen."""


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_the_others_are_tested(kind):
    file, name = ELSEWHERE[kind].split("::")
    assert f"def {name}(" in (pathlib.Path(__file__).parents[3] / file).read_text()


@pytest.fixture(scope="module")
def model(finished, tmp_path_factory):
    """A whole model of this project, and beside it what is wrong with copies of it."""
    folder = tmp_path_factory.mktemp("models")
    whole = finished.workspace.open(finished.finetune).path / "model"
    for name in ("no-weights", "small", "other-base", "lost-base"):
        shutil.copytree(whole, folder / name)
    (folder / "no-weights" / "model.safetensors").unlink()
    _shrink(folder / "small")
    for name, base in (("other-base", str(folder / "small")), ("lost-base", "/gone/base")):
        _make_adapter(folder / name, base)
    return folder


def _shrink(folder):
    """Give a model fewer tokens than its tokenizer has."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(40)
    model.save_pretrained(folder)


def _make_adapter(folder, base):
    """Let a folder hold an adapter that says it is for a base, and was trained on a wider one."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    lora = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    adapter = get_peft_model(model, lora)
    for file in ("config.json", "model.safetensors", "generation_config.json"):
        (folder / file).unlink(missing_ok=True)
    adapter.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    (folder / "adapter_config.json").write_text(json.dumps(config))


def refused(finished, words, **settings):
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=words) as told:
        finetune.run(finished.workspace, Settings(selection=finished.selection, **TUNE | settings))
    assert "\n" not in str(told.value).strip()
    assert finished.workspace.entries() == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "no-weights",
            "no-weights has no weights; save or download the whole model again, or give another",
        ),
        ("small", "gives token .*, but the model knows only 40: it is another model's tokenizer"),
        ("other-base", "is an adapter"),
        ("lost-base", "is an adapter"),
    ],
)
def test_a_model_that_is_none(finished, model, name, words):
    refused(finished, words, model=str(model / name))


@pytest.mark.parametrize("rest", [{"answer": " "}, {}])
def test_a_test_file_without_answers(finished, tmp_path, rest):
    """It is said first, and what to do; how the columns were read comes last."""
    file = write(
        tmp_path / "asked.jsonl", [{"question": f"What is {i}?", **rest} for i in range(4)]
    )
    words = r"asked.jsonl is no test set: its rows need a question and the answer .* give a file"
    refused(finished, f"^{words}", eval=str(file))


@pytest.mark.parametrize("price", ["much", "nan", "-1", "1,5"])
def test_a_price_that_is_no_number(finished, price, capsys):
    argv = ["finetune", "--selection", finished.selection, f"--price={price}"]
    assert main([*argv, "--workspace", str(finished.workspace.root)]) == 2
    assert "--price" in capsys.readouterr().err


def test_a_workspace_that_can_only_be_read(finished, monkeypatch, capsys):
    made = pathlib.Path.mkdir

    def readonly(self, *args, **kwargs):
        if self.is_relative_to(finished.workspace.root) and not self.exists():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        return made(self, *args, **kwargs)

    argv = [
        "finetune",
        "--selection",
        finished.selection,
        "--model",
        "scratch:tiny",
        "--steps",
        "2",
    ]
    monkeypatch.setattr(pathlib.Path, "mkdir", readonly)
    assert main([*argv, "--workspace", str(finished.workspace.root)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "ead-only" in said


def test_a_disk_too_small_for_what_is_written(finished, monkeypatch):
    monkeypatch.setattr("core.finetune.disk.free", lambda folder: 2.0**20)
    words = r"the run writes .* \(checkpoints .*model .*\) and 1 MiB are free .*--workspace"
    refused(finished, words, seed=5)
    refused(finished, "keep fewer weights with --keep-every 0", seed=5, keep_every=1)


def test_two_browsers_start_one_run(copied, busy):
    busy(copied.workspace)
    argv = ["finetune", "--selection", copied.selection, "--model", "scratch:tiny", "--steps", "2"]
    first, second = (jobs.submit(copied.workspace, argv, title="t", key=key) for key in "ab")
    assert first == second
    assert len(jobs.active(copied.workspace)) == 1


def test_the_tokenizer_of_a_model_from_scratch_is_its_own():
    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    assert len(tokenizer) <= model.config.vocab_size
