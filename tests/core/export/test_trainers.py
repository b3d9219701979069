"""Ready configs: the documented keys only, files that exist, rows that the trainer will use.

The key lists are the documented ones: data/README.md and the training arguments of LLaMA-Factory
0.9.5, the config reference of axolotl 0.19. TRL is run where it is installed.
"""

import json
import pathlib
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core import dataset, selection
from core.export import trainers
from core.workspace.store import Workspace
from tests.conftest import write
from tests.core.conftest import write_export

LF_DATA = {"file_name", "formatting", "columns", "tags"}
LF_COLUMNS = {"prompt", "query", "response", "history", "messages", "system", "tools"}
LF_TAGS = {
    "role_tag",
    "content_tag",
    "user_tag",
    "assistant_tag",
    "observation_tag",
    "function_tag",
    "system_tag",
}
LF_ARGS = {
    "model_name_or_path",
    "stage",
    "do_train",
    "finetuning_type",
    "dataset_dir",
    "dataset",
    "cutoff_len",
    "output_dir",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "bf16",
    "seed",
    "logging_steps",
    "save_steps",
    "report_to",
}
AXOLOTL_DATA = {
    "path",
    "ds_type",
    "type",
    "field_messages",
    "message_property_mappings",
    "roles",
    "roles_to_train",
    "train_on_eos",
}
AXOLOTL = {
    "base_model",
    "chat_template",
    "datasets",
    "dataset_prepared_path",
    "val_set_size",
    "output_dir",
    "sequence_len",
    "sample_packing",
    "micro_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "optimizer",
    "learning_rate",
    "lr_scheduler",
    "warmup_steps",
    "weight_decay",
    "bf16",
    "seed",
    "logging_steps",
}


def folder(finished, tmp_path, format, config, **more):
    return write_export(
        finished.workspace,
        finished.selection,
        tmp_path / "out",
        format=format,
        config=config,
        **more,
    )


def first_line(path: pathlib.Path) -> dict:
    with path.open(encoding="utf-8") as f:
        return json.loads(next(f))


@pytest.mark.parametrize("form", ["alpaca", "messages", "sharegpt"])
def test_llamafactory_finds_its_data_by_documented_keys(form, finished, tmp_path):
    out = folder(finished, tmp_path, form, "llamafactory", model="a/b")
    (data,) = json.loads((out / "dataset_info.json").read_text()).values()
    assert data.keys() <= LF_DATA
    assert data["columns"].keys() <= LF_COLUMNS
    line = first_line(out / data["file_name"])
    assert set(data["columns"].values()) <= line.keys()
    assert data["formatting"] == ("alpaca" if form == "alpaca" else "sharegpt")
    if form != "alpaca":
        tags = data["tags"]
        assert tags.keys() == LF_TAGS
        turns = line[data["columns"]["messages"]]
        assert {*turns[0]} == {tags["role_tag"], tags["content_tag"]}
        assert [t[tags["role_tag"]] for t in turns] == [tags["user_tag"], tags["assistant_tag"]]
    args = yaml.safe_load((out / "llamafactory.yaml").read_text())
    assert args.keys() == LF_ARGS
    assert args["dataset"] in json.loads((out / "dataset_info.json").read_text())
    assert args["model_name_or_path"] == "a/b"
    assert args["learning_rate"] == 2e-5
    assert args["max_steps"] == 200, "the least of a fine-tune"


@pytest.mark.parametrize("form", ["messages", "sharegpt"])
def test_axolotl_finds_its_data_by_documented_keys(form, finished, tmp_path):
    out = folder(finished, tmp_path, form, "axolotl")
    config = yaml.safe_load((out / "axolotl.yaml").read_text())
    assert config.keys() == AXOLOTL
    (data,) = config["datasets"]
    assert data.keys() <= AXOLOTL_DATA
    turns = first_line(out / data["path"])[data["field_messages"]]
    names = data.get("message_property_mappings", {"role": "role", "content": "content"})
    assert {*turns[0]} == {*names.values()}
    roles = data.get("roles", {"user": ["user"], "assistant": ["assistant"]})
    assert [t[names["role"]] for t in turns] == [roles["user"][0], roles["assistant"][0]]
    assert config["learning_rate"] == 2e-5


def test_a_models_name_cannot_leave_its_line(finished, tmp_path):
    hostile = 'x"\nbf16: false # é'
    for config, file in (("llamafactory", "llamafactory.yaml"), ("axolotl", "axolotl.yaml")):
        (tmp_path / config).mkdir()
        out = folder(finished, tmp_path / config, "messages", config, model=hostile)
        read = yaml.safe_load((out / file).read_text())
        assert hostile in (read.get("model_name_or_path"), read.get("base_model"))
        assert read["bf16"] in (True, "auto")


def test_the_trl_script_is_short_and_whole(finished, tmp_path):
    out = folder(finished, tmp_path, "messages", "trl", model="a/b")
    text = (out / "train.py").read_text()
    compile(text, "train.py", "exec")
    assert len(text.splitlines()) <= 50
    assert '"a/b"' in text
    assert "python train.py" in (out / "README.md").read_text()


def test_the_trl_script_trains(finished, tmp_path):
    out = folder(finished, tmp_path, "messages", "trl")
    model = finished.workspace.open(finished.finetune).path / "model"
    command = [sys.executable, str(out / "train.py"), "--model", str(model), "--steps", "2"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "output" / "model.safetensors").exists()
    assert "'train_loss'" in done.stdout


def talks(tmp_path, turns):
    rows = [{"messages": [{"role": r, "content": "x"} for r in turns]}]
    rows += [
        {"messages": [{"role": r, "content": f"{i}"} for r in ("user", "assistant")]}
        for i in range(3)
    ]
    workspace = Workspace(tmp_path / "workspace")
    file = write(tmp_path / "talks.jsonl", rows)
    data = dataset.run(workspace, dataset.Settings(path=str(file), holdout="0"))
    return (
        workspace,
        data,
        selection.run(workspace, selection.Settings(parent=data, strategy="full")),
    )


@pytest.mark.parametrize(
    ("config", "turns", "words"),
    [
        ("llamafactory", ["user", "user", "assistant"], "not question and reply in turn"),
        ("llamafactory", ["user", "assistant", "user"], "its turns are user, assistant, user"),
        ("trl", ["assistant"], "its first turn is a reply, with no prompt before it"),
    ],
)
def test_a_row_that_a_trainer_would_drop_is_named(config, turns, words, tmp_path):
    workspace, data, chosen = talks(tmp_path, turns)
    with pytest.raises(ValueError, match=words) as e:
        write_export(workspace, chosen, tmp_path / "out", format="messages", config=config)
    assert f"row 0: {words}" in f"{e.value}" or "row 0: its turns" in f"{e.value}"
    assert f"python -m core edits {data} --exclude 0" in f"{e.value}"
    assert not (tmp_path / "out").exists()


roles = st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1, max_size=7)


@given(roles)
def test_llamafactory_takes_what_its_converter_takes(roles):
    """Its rule in other words: a system turn first or none, then pairs of asked and told."""
    talk = roles[1:] if roles[0] == "system" else roles
    ends = all(r in ("user", "tool") for r in talk[0::2]) and all(
        r == "assistant" for r in talk[1::2]
    )
    good = ends and len(talk) % 2 == 0 and len(talk) > 0
    turns = [{"role": r, "content": ""} for r in roles]
    assert (trainers.TRAINERS["llamafactory"].problem(turns) == "") == good


@given(st.integers(1, 10**7))
def test_steps_are_those_of_a_fine_tune(rows):
    job = trainers.TrainingJob("messages", "data.jsonl", "a/b", rows)
    assert job.steps >= 200
    assert job.steps == 200 or abs(job.steps * 32 / rows - 3) < 0.1
    assert 0 < job.warmup <= 0.03 * job.steps + 1
