"""What is kept is found by what it was made of: other bytes at the same path are another thing."""

import shutil

import numpy as np
import pytest

from core import dataset, finetune
from core.dataset import load_any
from core.model import loading
from core.model.tokens import tokenize
from tests.conftest import TUNE, write


def test_a_test_set_is_known_by_its_content(bare, tmp_path):
    file = write(tmp_path / "test.jsonl", [{"question": "1 + 1?", "answer": "2"}])
    first = load_any(bare, str(file))
    assert load_any(bare, str(file)) == first
    write(file, [{"question": "1 + 1?", "answer": "3"}])  # as many bytes
    second = load_any(bare, str(file))
    assert second != first
    assert dataset.examples(bare.open(second))["response"].tolist() == ["3"]
    write(file, [{"question": "1 + 1?", "answer": "2"}])
    assert load_any(bare, str(file)) == first
    other = write(tmp_path / "other.jsonl", [{"question": "1 + 1?", "answer": "2"}])
    assert dataset.examples(bare.open(load_any(bare, str(other))))["response"].tolist() == ["2"]


def test_a_key_of_a_fine_tune_holds_the_content_of_its_test_set(copied, tmp_path):
    workspace = copied.workspace
    selection = workspace.open(copied.selection)
    file, keys = tmp_path / "test.jsonl", []
    for answer in "23":
        write(file, [{"question": "1 + 1?", "answer": answer}])
        settings = finetune.Settings(selection=selection.id, eval=str(file))
        test, _ = finetune.test_set(workspace, selection.ancestor("dataset"), str(file))
        keys.append(finetune.key(selection, test, settings))
    assert keys[0] != keys[1]


@pytest.fixture
def model(finished, tmp_path):
    """A model's folder that people can write to."""
    return shutil.copytree(
        finished.workspace.open(finished.finetune).path / "model", tmp_path / "m"
    )


def test_tokens_are_kept_for_a_tokenizer_and_a_template_not_for_a_path(finished, model):
    data = finished.workspace.open(finished.dataset)

    def ids(template):
        return np.asarray(
            tokenize(finished.workspace, data, loading.load_tokenizer(str(model)), template).row(0)[
                0
            ]
        )

    plain, alpaca = ids("plain"), ids("alpaca")
    assert len(plain) != len(alpaca)
    file = model / "tokenizer.json"
    text = file.read_text()
    assert '"individual_digits": true' in text
    file.write_text(text.replace('"individual_digits": true', '"individual_digits": false'))
    (model / "tokenizer_config.json").write_text(
        (model / "tokenizer_config.json").read_text().replace("<|end|>", "!")
    )
    assert not np.array_equal(ids("plain"), plain)


def test_a_model_that_changed_at_its_path_is_trained_anew(copied, model):
    tune = {**TUNE, "model": str(model), "steps": 2, "decode": 0}
    settings = finetune.Settings(selection=copied.selection, resume=True, **tune)
    first = finetune.run(copied.workspace, settings)
    assert finetune.run(copied.workspace, settings) == first
    shutil.copy2(model / "model.safetensors", model / "again")  # its own old time stays
    (model / "again").replace(model / "model.safetensors")
    assert finetune.run(copied.workspace, settings) != first


@pytest.mark.parametrize("spec", ["scratch:tiny", "shrink:scratch:small:2", "owner/name"])
def test_what_has_no_folder_does_not_change(spec):
    assert not loading.changed_since(spec, "x", "2000-01-01T00:00:00+00:00")
