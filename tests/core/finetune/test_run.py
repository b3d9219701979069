import json
from importlib import import_module

import pandas as pd
import pytest
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from core import dataset, finetune
from core.finetune.settings import Settings, planned_steps
from core.jobs.progress import Stopped
from core.workspace.files import read_json, read_jsonl
from tests.conftest import TUNE, write

pytestmark = pytest.mark.usefixtures("quick")


def tune(finished, **more):
    settings = Settings(**{"selection": finished.selection, **TUNE, **more})
    return finished.workspace.open(finetune.run(finished.workspace, settings))


def check(made, weights):
    names = set(made.manifest["files"])
    assert {weights, "metrics.jsonl", "scores.json", "generations.jsonl"} <= names
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pth", ".pkl"))]
    scores = read_json(made.path / "scores.json")
    said = list(read_jsonl(made.path / "generations.jsonl"))
    assert len(said) == scores["decoded"] == 8
    assert made.summary["loss"] == scores["loss"]
    assert [r["step"] for r in read_jsonl(made.path / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
    json.dumps(made.manifest, allow_nan=False)


def test_the_sealed_artifact(finished):
    made = finished.workspace.open(finished.finetune)
    check(made, "model/model.safetensors")
    chosen = finished.workspace.open(finished.selection)
    assert made.summary["ids_sha256"] == chosen.summary["ids_sha256"]
    assert made.parents == {"selection": finished.selection, "test": finished.dataset}
    assert made.config["steps"] == made.summary["steps"] == 6
    assert 0 < made.summary["train_seconds"] <= made.manifest["seconds"], "its test left out"


@pytest.mark.parametrize(
    ("method", "weights"),
    [("full", "model/model.safetensors"), ("lora", "adapter/adapter_model.safetensors")],
)
def test_stopped_and_resumed_is_as_if_never_stopped(finished, stop_after, method, weights):
    whole = (
        finished.workspace.open(finished.finetune)
        if method == "full"
        else tune(finished, method=method)
    )
    check(whole, weights)
    with stop_after(3), pytest.raises(Stopped):
        tune(finished, method=method)
    again = tune(finished, method=method, resume=True)
    assert again.manifest["files"][weights] == whole.manifest["files"][weights]
    assert again.summary["loss"] == whole.summary["loss"]
    assert [e for e in finished.workspace.entries("finetune") if e.state == "unfinished"] == []


def test_a_test_file_is_imported_once_and_scored_by_its_answers(finished, tmp_path):
    file = write(
        tmp_path / "test.jsonl",
        [{"question": f"Sum of {i} and 1?", "answer": f"{i + 1}"} for i in range(5)],
    )
    made = tune(finished, steps=1, eval=str(file))
    assert made.summary["decoded"] == 5
    assert made.summary["matcher"] == "number"
    test = finished.workspace.open(made.parents["test"], "dataset")
    assert tune(finished, steps=1, eval=str(file), seed=1).parents["test"] == test.id
    write(file, [{"question": "Sum of 1 and 1?", "answer": "2"}] * 2)
    key = finetune.key(
        finished.workspace.open(finished.selection), test, Settings(**TUNE, selection="x")
    )
    other = finished.workspace.open(dataset.load_any(finished.workspace, str(file)))
    assert key != finetune.key(
        finished.workspace.open(finished.selection), other, Settings(**TUNE, selection="x")
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"eval": "/nowhere.jsonl"}, "is no file and no dataset"),
        ({"selection": "none"}, "no artifact 'none'"),
        ({"max_length": 8}, "no selected row has a response token left; raise --max-length"),
        ({"model": "scratch:vast"}, "no model"),
    ],
)
def test_bad_input_is_a_sentence(finished, wrong, words):
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=words):
        tune(finished, **wrong)
    assert finished.workspace.entries() == before


def test_epochs_are_passes_over_the_rows(finished):
    # 34 rows: a batch of 32 and one of 2; 6 steps pass over them three times
    assert finished.workspace.open(finished.finetune).summary["epochs"] == 3
    assert tune(finished, steps=0, epochs=2.5).summary["epochs"] == 2.5


def test_small_selections_get_two_hundred_steps():
    assert planned_steps(100, "auto", 32, "scratch:tiny") == 200
    assert planned_steps(30_000, "auto", 32, "scratch:tiny") == 6 * 938
    assert planned_steps(30_000, "auto", 128, "microsoft/phi-2") == 3 * 235
    assert planned_steps(100, 2.0, 32, "scratch:tiny") == 8


def test_preset_paper_fills_in_what_was_left_at_its_default():
    from core.finetune.settings import resolve

    made = resolve(Settings(selection="x", preset="paper", lr=1e-4))
    assert (made.model, made.batch_size, made.epochs) == ("microsoft/phi-2", 128, 3.0)
    assert (made.max_length, made.template, made.lr) == (512, "alpaca", 1e-4)


def test_test_rows_that_were_trained_on_are_counted_and_the_loss_is_not_called_held_out(
    finished, tmp_path, capsys
):
    rows = dataset.examples(finished.workspace.open(finished.dataset))
    chosen = pd.read_parquet(finished.workspace.open(finished.selection).path / "table.parquet")
    trained = rows.iloc[chosen["row"]]
    fresh = [{"question": f"Is {i} of its own kind?", "answer": f"{i}"} for i in range(3)]
    asked = [
        {"question": p, "answer": r} for p, r in zip(trained.prompt, trained.response, strict=True)
    ]
    file = write(tmp_path / "test.jsonl", [*fresh, *asked[:4]])
    made = tune(finished, steps=1, eval=str(file))
    scores = read_json(made.path / "scores.json")
    assert (scores["seen"], made.summary["seen"]) == (4, 4)
    assert scores["overlap"]["trained"]["prompts"] == scores["overlap"]["pool"]["prompts"] == 4
    assert scores["overlap"]["trained"]["items"] == 7
    assert made.summary["overlap"].startswith("4 of 7 test rows repeat some of the 34 rows train")
    pairs = list(read_jsonl(made.path / "overlap.jsonl"))
    tests = dataset.examples(finished.workspace.open(made.parents["test"]))
    assert len(pairs) == 4
    for pair in pairs:
        assert tests["prompt"][pair["test_row"]] == rows["prompt"][pair["row"]]
    said = capsys.readouterr().err
    assert "4 of 7 test rows repeat some of the 34 rows" in said
    assert "Exact match" in said
    assert "eld-out" not in said


def test_held_out_rows_were_never_trained_on(finished):
    made = finished.workspace.open(finished.finetune)
    assert (made.summary["seen"], made.summary["seen_in_pool"]) == (0, 0)
    assert "given_away" in read_json(made.path / "scores.json")["overlap"]["pool"]


def test_a_training_that_makes_the_model_worse_is_named(finished, capsys):
    made = finished.workspace.open(finished.finetune)
    before, after = made.summary["trained_rows_loss"]
    assert after < before
    assert made.summary["warning"] == ""
    assert made.summary["model_class"] == "LlamaForCausalLM"
    assert made.summary["trainable_parameters"] == made.summary["parameters"]
    wild = tune(finished, lr=1.0, warmup=0.0)
    before, after = wild.summary["trained_rows_loss"]
    assert after > before
    words = f"worse on its own rows: {before:.2f} nats before, {after:.2f} after"
    assert words in wild.summary["warning"]
    assert "Use a smaller --lr than 1." in wild.summary["warning"]
    assert wild.summary["warning"] in capsys.readouterr().err


def test_every_finer_point_of_lora_resumes_exactly(finished, stop_after):
    how = {"method": "lora", "lora_rank": 4, "lora_alpha": 8, "lora_dropout": 0.2}
    how |= {"lora_targets": "attention", "rslora": True, "micro_batch": 5}
    whole = tune(finished, **how)
    assert whole.summary["trainable_parameters"] < whole.summary["parameters"] / 10
    with stop_after(3), pytest.raises(Stopped):
        tune(finished, **how)
    again = tune(finished, **how, resume=True)
    name = "adapter/adapter_model.safetensors"
    assert again.manifest["files"][name] == whole.manifest["files"][name]
    saved = read_json(whole.path / "adapter" / "adapter_config.json")
    assert (saved["r"], saved["lora_alpha"], saved["use_rslora"]) == (4, 8, True)


def test_a_base_without_a_chat_template_gets_the_one_it_was_trained_with(finished, tmp_path):
    from transformers import AutoTokenizer

    from core.model import loading
    from core.model.templates import renderer

    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=["Below is a sum of 1 and 2"])
    tokenizer.chat_template = None
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path)
    made = tune(finished, model=str(tmp_path), steps=1, max_length=512)
    assert made.config["template"] == "alpaca"
    saved = AutoTokenizer.from_pretrained(made.path / "model")
    asked = [{"role": "user", "content": "Two?"}]
    text = saved.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert text == renderer("alpaca", tokenizer)(asked, True)


LOOKING = {"eval_every": 2, "eval_rows": 15, "keep": "best", "keep_every": 4, "method": "lora"}


def test_a_run_is_looked_at_and_keeps_what_it_is_asked_to(finished, stop_after):
    with stop_after(3), pytest.raises(Stopped):
        tune(finished, **LOOKING)
    made = tune(finished, **LOOKING, resume=True)
    looks = {r["step"]: r["loss"] for r in read_jsonl(made.path / "looks.jsonl")}
    assert list(looks) == [0, 2, 4, 6]
    answers = [r["answers"] for r in read_jsonl(made.path / "looks.jsonl")]
    assert [len(a) for a in answers] == [3, 3, 3, 3]
    assert len({tuple(one["id"] for one in a) for a in answers}) == 1, "the same prompts"
    of = "15 of 20 held-out rows (puzzles **bold** <b>tag</b> $x$, held-out rows)"
    assert made.summary["looked_at"] == f"{of}, which are in the test: its score is not untouched"
    best = min(looks, key=looks.get)
    assert made.summary.get("kept_step", made.summary["steps"]) == best
    metrics = list(read_jsonl(made.path / "metrics.jsonl"))
    assert made.summary["train_loss"] == pytest.approx(metrics[-1]["loss"], abs=1e-6)
    names = set(made.manifest["files"])
    assert "kept/step-4/adapter_model.safetensors" in names
    assert any(n.startswith("tensorboard/events") for n in names)
    assert not any(n.startswith("checkpoints") for n in names)


def test_a_result_that_is_not_what_was_trained_is_not_sealed(finished, monkeypatch):
    before = [e for e in finished.workspace.entries("finetune") if e.state != "unfinished"]
    monkeypatch.setattr("peft.PeftModel.save_pretrained", save_without_effect)
    with pytest.raises(ValueError, match=r"adapter that was saved gives other losses .* not seal"):
        tune(finished, method="lora", steps=2, lr=0.01, decode=0)
    after = [e for e in finished.workspace.entries("finetune") if e.state != "unfinished"]
    assert after == before


def save_without_effect(self, folder, **kwargs):
    """Save an adapter whose matrices are all zero, as broken writers have done."""
    folder.mkdir(parents=True, exist_ok=True)
    self.peft_config["default"].save_pretrained(str(folder))
    zero = {k: v.clone().zero_() for k, v in get_peft_model_state_dict(self).items()}
    save_file(zero, folder / "adapter_model.safetensors")


def test_discarding_a_stopped_run_leaves_nothing(finished, stop_after, monkeypatch):
    before = finished.workspace.entries("finetune")
    monkeypatch.setattr("core.training.keeper.discard_requested", lambda: True)
    monkeypatch.setattr(import_module("core.finetune.run"), "discard_requested", lambda: True)
    with stop_after(2), pytest.raises(Stopped, match="discarded"):
        tune(finished, seed=9)
    assert finished.workspace.entries("finetune") == before
