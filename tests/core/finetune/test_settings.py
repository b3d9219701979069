"""What trains a target is declared once; forms, flags and fingerprints are as they were before."""

import dataclasses

import pytest

from core import finetune, study, transfer
from core.finetune import settings as target
from core.settings import identity, specs
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint

SHARED = [s.name for s in specs(target.Target)]
TESTED = [s.name for s in specs(target.Tested)]


def shown(cls, *, advanced):
    return [s.name for s in specs(cls) if not s.hidden and s.advanced == advanced]


def test_every_stage_asks_the_same():
    for cls in (finetune.Settings, study.Settings, transfer.Settings):
        ours = {s.name: s for s in specs(cls)}
        for spec in specs(target.Target):
            said = dataclasses.replace(spec, help=ours[spec.name].help)  # not all go on with a run
            assert ours[spec.name] == said, cls
        for spec in specs(target.Tested) if cls is not transfer.Settings else []:
            assert ours[spec.name] == spec, cls


def test_forms_keep_their_order():
    assert shown(finetune.Settings, advanced=False) == [
        "model",
        "method",
        "epochs",
        "steps",
        "eval",
        "tests",
    ]
    assert shown(finetune.Settings, advanced=True) == [
        "lr",
        "batch_size",
        "max_length",
        "precision",
        "lr_schedule",
        "warmup",
        "weight_decay",
        "clip",
        "micro_batch",
        "gradient_checkpointing",
        "lora_rank",
        "lora_alpha",
        "lora_dropout",
        "lora_targets",
        "rslora",
        "lora_embeddings",
        "template",
        "preset",
        "packing",
        "neftune",
        "seed",
        "decode",
        "answer_tokens",
        "all_items",
        "encoder",
        "second_opinion",
        "eval_every",
        "eval_rows",
        "patience",
        "keep",
        "keep_every",
        "report_to",
        "processes",
        "launcher",
        "shard",
        "name",
    ]
    assert shown(study.Settings, advanced=False) == [
        "strategies",
        "budget",
        "budgets",
        "seeds",
        "model",
        "method",
        "steps",
        "equal",
        "eval",
        "tests",
    ]
    assert shown(study.Settings, advanced=True) == [
        "vary",
        "random_draws",
        "lr",
        "batch_size",
        "max_length",
        "precision",
        "lr_schedule",
        "warmup",
        "weight_decay",
        "clip",
        "micro_batch",
        "gradient_checkpointing",
        "lora_rank",
        "lora_alpha",
        "lora_dropout",
        "lora_targets",
        "rslora",
        "lora_embeddings",
        "epochs",
        "decode",
        "answer_tokens",
        "all_items",
        "encoder",
        "second_opinion",
        "margin_nats",
        "margin_points",
        "processes",
        "launcher",
        "shard",
        "name",
    ]
    assert shown(transfer.Settings, advanced=False) == ["model", "method", "rows", "seed"]
    assert shown(transfer.Settings, advanced=True) == [
        "epochs",
        "checkpoints",
        "k",
        "lr",
        "batch_size",
        "max_length",
        "precision",
        "lr_schedule",
        "warmup",
        "weight_decay",
        "clip",
        "micro_batch",
        "gradient_checkpointing",
        "lora_rank",
        "lora_alpha",
        "lora_dropout",
        "lora_targets",
        "rslora",
        "lora_embeddings",
        "name",
    ]


def test_fingerprints_are_those_of_before_the_settings_were_shared(tmp_path):
    """The values were read from the version in which each stage declared its own."""
    rows = Artifact(tmp_path, {"id": "t", "summary": {"ids_sha256": "s"}})
    fitted = finetune.Settings(selection="x")
    assert finetune.key(rows, rows, fitted) == "78012e0160484eff"
    tried = identity(transfer.Settings(trajectories="x"))
    assert fingerprint("transfer", tried) == "0e82cd8a3b626fd1"
    compared = identity(study.Settings(clusters="x"))
    younger = ("selections", "max_length", "precision")
    assert [compared.pop(name) for name in younger] == ["", "auto", "auto"]
    assert fingerprint(compared) == "313a6bdd24937f8d"


@pytest.mark.parametrize(
    ("cls", "given"),
    [
        (finetune.Settings, {"selection": "x"}),
        (study.Settings, {"clusters": "x"}),
        (transfer.Settings, {"trajectories": "x"}),
    ],
)
def test_limits_hold_everywhere(cls, given):
    with pytest.raises(ValueError, match="--precision is one of"):
        cls(**given, precision="fp8")
    with pytest.raises(ValueError, match="--max-length is at least 8, not 2"):
        cls(**given, max_length=2)
