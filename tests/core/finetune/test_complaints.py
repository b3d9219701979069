"""What users of other fine-tuners complain of most, each with the test that it does not happen here.

COMPLAINTS reads as the list. A name in it is of a test elsewhere, which runs there; those that
nothing else makes stand below.
"""

import ast
import dataclasses
import importlib
import json
import pathlib
import re

import numpy as np
import pytest
import torch

from core import finetune, publish
from core.errors import InputError
from core.finetune.outcome import LOOKED_AT
from core.finetune.trained import load_base, load_trained
from core.model import adapters
from core.model.scoring import score
from core.model.templates import render_spans, renderer
from core.model.tokens import tokenize
from core.selection.artifact import load_rows
from core.settings import specs
from tests.core.model import chat_tokenizers

ROOT = pathlib.Path(__file__).parents[3]
HERE = "tests/core/finetune/test_complaints.py"
TRAINING, MODEL, JOBS = "tests/core/training", "tests/core/model", "tests/core/jobs"
COMPLAINTS: dict[str, list[str]] = {
    "it never stops: padding is the end token, so the end is masked": [
        f"{TRAINING}/test_loop.py::test_the_end_token_is_learned_though_padding_is_the_same_token",
    ],
    "it never stops: a base model, a chat template, LoRA, a frozen head": [
        f"{HERE}::test_an_adapter_learns_to_end_though_the_head_is_frozen",
        "tests/core/finetune/test_run.py"
        "::test_a_base_without_a_chat_template_gets_the_one_it_was_trained_with",
    ],
    "new tokens and tied embeddings break on the merge": [
        "tests/core/publish/test_run.py"
        "::test_embeddings_of_the_adapters_own_survive_the_merge_of_a_tied_model",
    ],
    "an adapter trained on 4 bits, merged into the whole weights, is another model": [
        f"{HERE}::test_an_adapter_of_4_bits_is_never_put_on_other_weights",
    ],
    "the adapter was saved without effect": [
        "tests/core/finetune/test_run.py::test_a_result_that_is_not_what_was_trained_is_not_sealed",
        "tests/core/publish/test_run.py::test_merged_is_the_adapter_on_its_base",
    ],
    "the mask was all zero and the curve looked normal": [
        "tests/core/finetune/test_run.py::test_bad_input_is_a_sentence",
        f"{MODEL}/test_odd_rows.py::test_a_row_that_the_template_refuses_is_skipped_and_named",
        f"{TRAINING}/test_response_loss.py::test_a_batch_without_a_response_has_gradients_of_zero",
    ],
    "the line break after the end token was trained": [
        f"{HERE}::test_the_end_token_is_the_last_that_is_trained",
    ],
    "<think> was trained where nobody thought, or appeared": [
        f"{MODEL}/test_spans.py::test_reasoning_is_trained_where_the_template_shows_it",
        f"{MODEL}/test_spans.py::test_a_reply_may_think_and_call_but_not_open_a_turn",
    ],
    "a system turn is refused (Gemma), and the run with it": [
        f"{MODEL}/test_odd_rows.py::test_a_row_that_the_template_refuses_is_skipped_and_named",
    ],
    "the template wrote today's date into the training": [
        f"{MODEL}/test_odd_rows.py"
        "::test_a_template_that_asks_for_the_date_gives_the_same_tokens_any_day",
    ],
    "the beginning token came twice": [
        f"{MODEL}/test_templates.py"
        "::test_the_beginning_of_text_token_is_added_once_where_the_tokenizer_adds_it",
    ],
    "accumulation scaled the loss": [
        f"{TRAINING}/test_micro_batches.py::test_any_split_gives_the_same_loss_curve",
        f"{TRAINING}/test_micro_batches.py::test_two_processes_give_the_same_loss_curve",
    ],
    "the last, partial accumulation was wrong": [
        f"{TRAINING}/test_micro_batches.py::test_any_split_gives_the_same_loss_curve",
        f"{TRAINING}/test_micro_batches.py::test_parts_hold_every_row_once_within_the_budget",
    ],
    "evaluation ran out of memory on the logits": [
        f"{MODEL}/test_scoring.py::test_out_of_memory_halves_the_batches_and_goes_on",
        f"{MODEL}/test_scoring.py::test_any_batch_gives_the_same_values",
    ],
    "the final loss shown was the mean of the whole run": [
        f"{HERE}::test_the_loss_told_last_is_that_of_the_model_that_was_saved",
    ],
    "resume began at 0, over the old work": [
        "tests/core/finetune/test_run.py::test_stopped_and_resumed_is_as_if_never_stopped",
        f"{TRAINING}/test_loop.py::test_a_run_that_had_saved_its_last_step_is_not_trained_further",
    ],
    "the interface did not notice that a run had failed": [
        f"{JOBS}/test_supervisor.py::test_worker_killed_is_lost_and_its_children_end",
        "tests/pages/test_finetune.py"
        "::test_a_failure_shows_its_name_cause_remedy_and_the_run_that_mends_it",
    ],
    "checkpoints filled the disk": [
        f"{TRAINING}/test_loop.py"
        "::test_only_complete_checkpoints_are_resumed_from_and_only_the_newest_kept",
        f"{TRAINING}/test_checkpoints.py::test_a_full_disk_is_seen_before_a_checkpoint_is_begun",
    ],
    "a stale cache of the data was trained on": [
        f"{MODEL}/test_tokens.py"
        "::test_the_cache_is_written_once_and_keyed_by_all_that_changes_tokens",
        "tests/core/test_stale.py"
        "::test_tokens_are_kept_for_a_tokenizer_and_a_template_not_for_a_path",
    ],
    "the end token was lost when a row was cut": [
        f"{HERE}::test_a_row_that_is_cut_is_counted_and_gets_no_end_of_its_own",
    ],
    "packed rows leaked into each other": [
        f"{TRAINING}/test_packing.py::test_a_packed_step_has_the_gradients_of_one_that_is_not",
        f"{TRAINING}/test_packing.py::test_a_model_that_reads_across_rows_is_refused",
    ],
    "a flag that nothing reads": [
        f"{HERE}::test_every_setting_of_a_fine_tune_is_read",
    ],
    "no parameter was trainable, and it trained happily": [
        f"{TRAINING}/test_checkpoints.py::test_nothing_to_train_is_refused",
        f"{TRAINING}/test_micro_batches.py::test_a_model_that_gets_no_gradient_is_said",
    ],
}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_each_has_a_test(complaint):
    for name in COMPLAINTS[complaint]:
        file, _, test = name.partition("::")
        there = ast.walk(ast.parse((ROOT / file).read_text()))
        assert test in {n.name for n in there if isinstance(n, ast.FunctionDef)}, name


def test_an_adapter_learns_to_end_though_the_head_is_frozen(finished, tmp_path):
    """Embeddings and head stay as they are; the layers before them learn to point at the end.

    A base whose end token was never learned cannot: it is said.
    """
    model, tokens_of_base = load_trained(finished.workspace.open(finished.finetune))
    head, end = model.get_output_embeddings(), tokens_of_base.eos_token_id
    with torch.no_grad():
        head.weight[end] = 0.0
        assert "never learned" in adapters.untaught_end(model, tokens_of_base)
        head.weight[end] = head.weight[end + 1 :].norm(dim=1).median() / len(head.weight[0]) ** 0.5
    assert adapters.untaught_end(model, tokens_of_base) == ""
    base = tmp_path / "base"
    model.save_pretrained(base)
    tokens_of_base.save_pretrained(base)
    settings = finetune.Settings(
        selection=finished.selection,
        model=str(base),
        method="lora",
        lr=0.01,
        steps=80,
        batch_size=8,
        max_length=64,
        decode=0,
    )
    made = finished.workspace.open(finetune.run(finished.workspace, settings))
    before, tokenizer = load_base(made)
    tokens = tokenize(finished.workspace, made.ancestor("dataset"), tokenizer, "chat").cut(64)
    rows = [r for r in load_rows(made.ancestor("selection")).tolist() if len(tokens.row(r)[0]) < 64]

    def ends(model) -> float:
        """Return the mean log-probability of the end token where an answer has ended."""
        found = []
        for row in rows:
            ids, mask = tokens.row(row)
            last = int(np.flatnonzero(mask)[-1])
            assert ids[last] == tokenizer.eos_token_id, "the end is trained"
            with torch.no_grad():
                logits = model.eval()(input_ids=torch.tensor(ids[None, :last])).logits[0, -1]
            found.append(float(logits.log_softmax(-1)[tokenizer.eos_token_id]))
        return float(np.mean(found))

    after, _ = load_trained(made)
    assert ends(after) > ends(before)
    names = json.loads((made.path / "adapter" / "adapter_config.json").read_text())
    assert not {"lm_head", "embed_tokens"} & set(names["target_modules"])


def test_an_adapter_of_4_bits_is_never_put_on_other_weights(finished, tmp_path, monkeypatch):
    """Where there are no 4-bit weights (no GPU) it is neither merged, tested nor talked to."""
    made = finished.workspace.open(finished.finetune)
    (made.path / "adapter").mkdir()
    trained = {**made.manifest, "config": {**made.config, "method": "qlora"}}
    monkeypatch.setattr("core.model.methods.devices.gpus", lambda: [])
    try:
        with pytest.raises(InputError, match=r"4 bits, .*fits those alone"):
            load_trained(dataclasses.replace(made, manifest=trained))
    finally:
        (made.path / "adapter").rmdir()
    assert publish.unavailable(made, "merged") == ""


@pytest.mark.parametrize("name", ["chatml", "qwen2_5", "smollm2", "llama3", "gemma"])
def test_the_end_token_is_the_last_that_is_trained(name):
    tokenizer = chat_tokenizers.tokenizer(name)
    turns = [{"role": "user", "content": "In town?"}, {"role": "assistant", "content": "4 degrees"}]
    text, spans = render_spans(renderer("chat", tokenizer), turns, "chat")
    (start, end) = spans[-1]
    trained, rest = text[start:end], text[end:]
    assert trained.startswith("4 degrees")
    assert trained == trained.rstrip()
    assert re.fullmatch(r"4 degrees\s*<[^<>]+>", trained), "the reply and its mark, nothing more"
    assert rest.strip() == "", "what follows is white space, and is not trained"


def test_the_loss_told_last_is_that_of_the_model_that_was_saved(finished):
    made = finished.workspace.open(finished.finetune)
    model, tokenizer = load_trained(made)
    dataset = made.ancestor("dataset")
    tokens = tokenize(finished.workspace, dataset, tokenizer, "plain").cut(64)
    rows = load_rows(made.ancestor("selection"), by="id")
    rows = rows[tokens.response_lengths()[rows] > 0]
    assert len(rows) <= LOOKED_AT
    told = made.summary["trained_rows_loss"]
    assert told[1] == pytest.approx(float(score(model, tokens, rows).losses.mean()), abs=1e-3)
    curve = [json.loads(line) for line in (made.path / "metrics.jsonl").read_text().splitlines()]
    steps = [r for r in curve if "loss" in r]
    assert steps[-1]["step"] == made.summary["steps"]
    mean = float(np.mean([r["loss"] for r in steps]))
    assert abs(told[1] - mean) > 0.05, "the mean of the run is another number"


def test_a_row_that_is_cut_is_counted_and_gets_no_end_of_its_own(finished):
    made = finished.workspace.open(finished.finetune)
    _, tokenizer = load_trained(made)
    whole = tokenize(finished.workspace, made.ancestor("dataset"), tokenizer, "plain")
    cut = whole.cut(24)
    gone = np.flatnonzero(whole.full_lengths() > 24)
    assert len(gone)
    for row in gone.tolist():
        ids, mask = cut.row(row)
        full, _ = whole.cut(2**31).row(row)
        assert ids.tolist() == full[:24].tolist(), "no end is put where the text goes on"
        assert tokenizer.eos_token_id not in ids[mask].tolist()
    proxy = made.ancestor("trajectories").summary
    assert proxy["truncated"] == int((whole.full_lengths() > 64).sum()), "and their number is said"


def test_every_setting_of_a_fine_tune_is_read():
    """A setting is read as an attribute, or is a field of a record that is filled by name."""
    files = [
        path
        for folder in ("finetune", "training", "model", "study", "jobs")
        for path in sorted((ROOT / "core" / folder).rglob("*.py"))
        if path.name != "settings.py"
    ]
    read = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
    whole = importlib.import_module("core.training.recipe").Recipe
    filled = {field.name for field in dataclasses.fields(whole)}
    declared = ast.parse((ROOT / "core/finetune/settings.py").read_text())
    own = {n.attr for n in ast.walk(declared) if isinstance(n, ast.Attribute)}
    adapter = "core/training/settings.py"
    named = set(re.findall(r"self\.(\w+)", (ROOT / adapter).read_text()))
    unread = {s.name for s in specs(finetune.Settings)} - read - filled - own - named
    assert unread == set()
