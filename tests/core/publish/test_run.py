"""A published model is the fine-tune itself, loads anywhere, and tells nothing of the data."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from core import finetune, publish
from core.errors import InputError
from core.finetune.evaluate import load_items
from core.finetune.trained import load_base, load_trained
from core.model.scoring import score
from core.model.tokens import tokenize
from core.publish import merge, model_card
from tests.conftest import SOURCE, rows

CLEAN = """
import importlib.util, json, sys
import numpy, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
assert importlib.util.find_spec("core") is None
folder, data = sys.argv[1:]
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
losses = []
for row in json.load(open(data)):
    ids = torch.tensor(tokenizer(row["text"], add_special_tokens=False)["input_ids"])
    assert ids.tolist() == row["ids"]
    with torch.no_grad():
        logits = model(input_ids=ids[None]).logits[0].float()
    nll = torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")
    losses.append(float(nll[torch.tensor(row["mask"])[1:]].mean()))
prompt = tokenizer.apply_chat_template([{"role": "user", "content": "Sum of 1 and 2?"}],
    add_generation_prompt=True, tokenize=False)
print(json.dumps({"loss": float(numpy.mean(losses)), "prompt": prompt}))
"""


@pytest.fixture(scope="module")
def lora(finished):
    """Train an adapter on a local model: the fixture's own fine-tune, sealed."""
    base = finished.workspace.open(finished.finetune).path / "model"
    settings = finetune.Settings(
        selection=finished.selection,
        model=str(base),
        method="lora",
        lr=0.02,
        steps=4,
        max_length=64,
        decode=0,
    )
    return finished.workspace.open(finetune.run(finished.workspace, settings))


@pytest.fixture(scope="module")
def whole(finished, lora, tmp_path_factory):
    """Publish it merged."""
    out = tmp_path_factory.mktemp("published") / "model"
    settings = publish.Settings(finetune=lora.id, to=str(out), license="apache-2.0")
    publish.run(finished.workspace, settings)
    return out


def test_merged_is_the_adapter_on_its_base(finished, lora, whole):
    from transformers import AutoModelForCausalLM

    model, tokenizer = load_trained(lora)
    tokens, some = merge.sample(finished.workspace, lora, tokenizer)
    ours = merge.logits(model, tokens, some)
    theirs = merge.logits(AutoModelForCausalLM.from_pretrained(whole), tokens, some)
    assert max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) < 1e-4
    before = merge.logits(load_base(lora)[0], tokens, some)
    assert merge.difference(before, ours) > 0.01, "the adapter does something"
    assert publish.facts(whole)["difference"] < 1e-4


def test_it_loads_without_us_and_has_the_same_held_out_loss(finished, lora, whole, tmp_path):
    dataset = lora.ancestor("dataset")
    _, tokenizer = load_base(lora)
    held_out = load_items(dataset, "holdout")["row"].to_numpy()
    tokens = tokenize(finished.workspace, dataset, tokenizer, "chat").cut(64)
    held_out = held_out[(tokens.full_lengths()[held_out] < 64) & (held_out < 140)]
    known = [tokens.row(r) for r in held_out.tolist()]
    data = tmp_path / "rows.json"
    data.write_text(
        json.dumps(
            [
                {"text": tokenizer.decode(ids), "ids": ids.tolist(), "mask": mask.tolist()}
                for ids, mask in known
            ]
        )
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", CLEAN, str(whole), str(data)],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("S2L")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    ours = score(load_trained(lora)[0], tokens, held_out).losses.mean()
    assert len(held_out) >= 15
    assert found["loss"] == pytest.approx(float(ours), abs=1e-4)
    assert found["prompt"].endswith("Q: Sum of 1 and 2?\nA:")


def test_the_card_says_what_is_needed_and_no_word_of_the_data(finished, lora, whole):
    card = (whole / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "apache-2.0"
    assert front["library_name"] == "transformers"
    for told in (
        f"{lora.summary['rows']} rows",
        "AutoModelForCausalLM",
        "vllm serve",
        "`s2l`",
        lora.summary["ids_sha256"],
        "python -m core finetune --selection $S",
        "Held-out loss",
        f"on {lora.summary['loss_items']}",
        "logits within",
    ):
        assert told in card, told
    texts = [r[part] for r in rows() for part in ("question", "answer") if len(r[part]) > 12]
    assert len(texts) > 100
    everything = [p.read_text(errors="replace") for p in whole.iterdir() if p.suffix != ".json"]
    assert [t for t in [*texts, SOURCE] if any(t in file for file in everything)] == []
    words = "".join(p.read_text(errors="replace") for p in whole.glob("*.json")) + card
    assert str(finished.root) not in words
    assert str(finished.root.parent) not in words


def test_the_adapter_alone_names_its_base_as_others_know_it(finished, lora, tmp_path):
    from peft import PeftModel

    out = tmp_path / "adapter"
    settings = publish.Settings(finetune=lora.id, to=str(out), form="adapter")
    publish.run(finished.workspace, settings)
    assert (
        json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "model"
    )
    assert "PeftModel.from_pretrained" in (out / "README.md").read_text()
    model, tokenizer = load_trained(lora)
    tokens, some = merge.sample(finished.workspace, lora, tokenizer)
    again = PeftModel.from_pretrained(load_base(lora)[0], str(out))
    far = merge.difference(merge.logits(model, tokens, some), merge.logits(again, tokens, some))
    assert far == 0


def test_a_whole_model_has_no_adapter_and_halves_say_how_far_they_are(finished, tmp_path):
    full = finished.finetune
    with pytest.raises(InputError, match="trained all weights"):
        publish.run(
            finished.workspace,
            publish.Settings(finetune=full, to=str(tmp_path / "a"), form="adapter"),
        )
    out = tmp_path / "half"
    settings = publish.Settings(finetune=full, to=str(out), precision="bf16")
    publish.run(finished.workspace, settings)
    assert 1e-4 < publish.facts(out)["difference"] < 0.1
    assert "in bf16" in (out / "README.md").read_text()
    with pytest.raises(InputError, match="exists"):
        publish.run(finished.workspace, settings)


def test_without_room_nothing_is_begun(finished, tmp_path, monkeypatch):
    used = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: used)
    settings = publish.Settings(finetune=finished.finetune, to=str(tmp_path / "a"))
    with pytest.raises(InputError, match="GB free"):
        publish.run(finished.workspace, settings)
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_of_another_base_is_refused(finished, lora, tmp_path):
    base = pathlib.Path(lora.config["model"])
    before = base.stat().st_mtime
    os.utime(base / "config.json")
    try:
        with pytest.raises(InputError, match="changed after"):
            publish.run(
                finished.workspace, publish.Settings(finetune=lora.id, to=str(tmp_path / "a"))
            )
    finally:
        os.utime(base / "config.json", (before, before))
    assert not (tmp_path / "a").exists()


def test_embeddings_of_the_adapters_own_survive_the_merge_of_a_tied_model(tmp_path):
    """New tokens and tied embeddings: a merge that ties them again is another model."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    base = LlamaForCausalLM(
        LlamaConfig(vocab_size=64, num_attention_heads=2, tie_word_embeddings=True, **shape)
    )
    base.resize_token_embeddings(66)
    config = LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"])
    model = get_peft_model(base, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "modules_to_save" in name or "lora_B" in name:
                weight.add_(torch.randn_like(weight) * 0.1)
    ids = torch.tensor([[1, 64, 65, 3, 7]])
    was = model.eval()(input_ids=ids).logits.detach()
    merge.merge(model).save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)(input_ids=ids).logits
    assert float((again - was).abs().max()) < 1e-4


def test_the_same_logits_are_called_the_same():
    facts = {"difference": 0.0, "compared_rows": 8}
    assert model_card.agreement(facts) == "exactly the fine-tune's logits on 8 rows"
    near = model_card.agreement({**facts, "difference": 2e-7})
    assert near == "logits within 2e-07 of the fine-tune's, relative to the largest, on 8 rows"
