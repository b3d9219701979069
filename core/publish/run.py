"""Publish a fine-tune: merged weights, the adapter alone or a GGUF, each with a model card.

Written in a hidden folder, loaded again and compared with the fine-tune, then renamed: what stands
there at the end is the model that was tested.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import tempfile
from typing import Any, Literal, get_args

from core.errors import InputError
from core.export.target import MANIFEST
from core.export.target import publish as published
from core.finetune.artifact import FinetuneSummary, weights
from core.finetune.trained import adapter_of
from core.jobs.progress import say
from core.model import loading
from core.publish import gguf, merge, model_card
from core.settings import Group, setting
from core.workspace.artifact import Artifact
from core.workspace.files import read_json, sha256_file, write_json
from core.workspace.store import Workspace

Form = Literal["merged", "adapter", "gguf"]
FORMS: tuple[Form, ...] = get_args(Form)
WEIGHTS = ("adapter_model.safetensors", "adapter_config.json")
"""Files of an adapter that another tool reads."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """Which fine-tune, in which form, and where to."""

    finetune: str = setting(help="Fine-tune id", hidden=True)
    to: str = setting(help="Folder to write; it must not be there yet", names="export")
    form: Form = setting(
        "merged",
        help="merged is one model as safetensors; adapter is what a LoRA run trained, without its "
        "base; gguf is for llama.cpp and needs its converter",
    )
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", help="Of merged weights: fp32 is exact, bf16 takes half the space"
    )
    license: str = setting(
        "", help="Licence for the card, as the hub names it (apache-2.0); empty says to look it up"
    )
    overwrite: bool = setting(False, help="Replace what was published there before")

    def validate(self) -> None:
        if self.license and not all(c.isalnum() or c in "-._" for c in self.license):
            raise InputError(
                f"--license {self.license!r} is no licence id; the hub's are like apache-2.0"
            )


def run(workspace: Workspace, settings: Settings) -> str:
    """Write the model; return the folder.

    Raises:
        InputError: it cannot be written there, or not in this form, or it is not the same model
            when loaded again.
    """
    s = settings
    made = workspace.open(s.finetune, "finetune")
    if why := unavailable(made, s.form):
        raise InputError(why)
    out = pathlib.Path(s.to).expanduser().absolute()
    _check_room(out, needed(made, s.form, s.precision))
    with published(out, True, s.overwrite) as temp:
        temp.mkdir()
        facts = {"finetune": made.id, "form": s.form}
        facts |= _adapter(made, temp) if s.form == "adapter" else _whole(workspace, made, s, temp)
        card = model_card.write(made, s.form, facts, s.license)
        (temp / "README.md").write_text(card, encoding="utf-8")
        files = {p.name: sha256_file(p) for p in sorted(temp.iterdir())}
        write_json(temp / MANIFEST, {**facts, "files": files})
    if "difference" in facts:
        say(f"loaded again, its logits differ by at most {facts['difference']:.1g} (relative)")
    say(f"{made.name} in {out}, with a model card (README.md)")
    return str(out)


def facts(folder: pathlib.Path) -> dict[str, Any]:
    """Return what is known of a published folder; nothing where it is none."""
    known = read_json(folder / MANIFEST) or {}
    return known if "finetune" in known else {}


def unavailable(made: Artifact, form: Form) -> str:
    """Say why a fine-tune cannot be had in a form; empty where it can."""
    model, lora = str(made.config["model"]), adapter_of(made) is not None
    if form == "adapter" and not lora:
        return "This run trained all weights, so there is no adapter: take it merged."
    if form == "adapter" and (loading.is_scratch(model) or model.startswith("shrink:")):
        return (
            f"The adapter's base, {model}, was made here and cannot be had elsewhere: take it "
            "merged."
        )
    return gguf.why_not() if form == "gguf" else ""


def needed(made: Artifact, form: Form, precision: str) -> int:
    """Return the bytes that publishing takes on the disk, while it is at work."""
    if form == "adapter":
        return sum(p.stat().st_size for p in (weights(made.path, "lora")).iterdir())
    return (
        int(made.summary_as(FinetuneSummary)["parameters"])
        * (2 if precision == "bf16" else 4)
        * (2 if form == "gguf" else 1)
    )


def _check_room(out: pathlib.Path, bytes: int) -> None:
    if out.parent.is_dir() and (free := shutil.disk_usage(out.parent).free) < bytes * 1.05:
        raise InputError(
            f"{out.parent} has {free / 1e9:,.2f} GB free, and this takes {bytes / 1e9:,.2f} GB; "
            "free some, or choose another --to"
        )


def _whole(
    workspace: Workspace, made: Artifact, s: Settings, folder: pathlib.Path
) -> dict[str, Any]:
    """Write one model without an adapter, check it, and make a GGUF of it if that is wanted."""
    import torch

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="whole-") as temporary:
        place = pathlib.Path(temporary) if s.form == "gguf" else folder
        model, tokenizer, tokens, rows, was = _trained(workspace, made)
        kind = torch.bfloat16 if s.precision == "bf16" else torch.float32
        model.to(kind).save_pretrained(place)
        tokenizer.save_pretrained(place)
        del model
        far = merge.check_same(place, tokens, rows, was)
        if s.form == "gguf":
            kind_name = "bf16" if s.precision == "bf16" else "f32"
            gguf.convert(place, folder / gguf.FILE, kind_name)
    return {"precision": s.precision, "difference": far, "compared_rows": len(rows)}


def _trained(workspace: Workspace, made: Artifact) -> tuple[Any, ...]:
    """Load the trained model, note its logits on some rows, merge it; return all of that."""
    from core.finetune.trained import load_trained
    from core.model.templates import with_template

    model, tokenizer = load_trained(made)
    tokens, rows = merge.sample(workspace, made, tokenizer)
    was = merge.logits(model, tokens, rows)
    whole = merge.merge(model) if adapter_of(made) else model
    return whole, with_template(tokenizer, made.config["template"]), tokens, rows, was


def _adapter(made: Artifact, folder: pathlib.Path) -> dict[str, Any]:
    """Copy an adapter with its tokenizer, its base by the name that others know."""
    for path in sorted((weights(made.path, "lora")).iterdir()):
        if path.name != "README.md" and path.is_file():
            shutil.copyfile(path, folder / path.name)
    config = folder / "adapter_config.json"
    known = json.loads(config.read_text(encoding="utf-8"))
    base = model_card.base_name(str(made.config["model"]))
    write_json(config, {**known, "base_model_name_or_path": base})
    return {"base": base}
