"""The model card: what was trained on what, how good it is, how to use it and make it again.

Front matter as the Hugging Face hub reads it. A card is for others, so nothing of the data's own
content stands in it: no texts of rows, no answers, no names of sources, of a path the last part.
"""

from __future__ import annotations

import json
import pathlib
import shlex
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.dataset.artifact import examples_file
from core.edits.row_sets import words
from core.export.data_card import LIMITS, S2L_LIMITS, commands, edits_of, plain, table
from core.finetune.artifact import FinetuneSummary
from core.finetune.metrics import known
from core.finetune.settings import Settings
from core.model import loading
from core.publish.use import lines
from core.selection.artifact import SelectionSummary
from core.selection.reproduce import lineage
from core.selection.strategies.catalog import STRATEGIES
from core.settings import from_config, specs, to_argv
from core.workspace.artifact import Artifact

HERE = "."
"""How the card names its own folder."""
TITLES = {
    "merged": "one model, whole, as safetensors",
    "adapter": "a LoRA adapter, to be loaded over its base",
    "gguf": "one GGUF file, for llama.cpp and what is built on it",
}


def write(made: Artifact, form: str, facts: dict[str, Any], license: str) -> str:
    """Return the card as markdown.

    Args:
        form: A key of TITLES.
        facts: What the publishing found: base, precision, difference, compared_rows.
        license: As the hub names it; empty where nobody said.
    """
    selection = made.ancestor("selection")
    line = lineage(selection)
    base = base_name(str(made.config["model"]))
    parts = [
        _front_matter(made, form, license),
        f"# {plain(made.name)}",
        f"{plain(base)} fine-tuned on {words(made.summary_as(FinetuneSummary)['rows'])} that "
        f"S2L Studio selected. This folder is {TITLES[form]}.",
        "## How to use it",
        *(
            f"{tool}:\n\n```{'python' if tool == 'transformers' else 'bash'}\n{text}\n```"
            for tool, text in lines(form, HERE, base).items()
        ),
        "Prompts must be written with the chat template that is saved with the tokenizer "
        f"(`{made.config['template']}`): `tokenizer.apply_chat_template(messages, "
        "add_generation_prompt=True)`.",
        "## How it was trained",
        table(("", ""), _training(made, facts)),
        "## How good it is",
        _results(made),
        "## What it was trained on",
        table(("", ""), _data(made, selection)),
        table(
            ("what", "name", "id", "made by code version"),
            [
                (a.kind, plain(a.name), f"`{a.id}`", plain(a.manifest["versions"].get("code", "")))
                for a in [*line, made]
            ],
        ),
        "No texts of the data, and no names of its sources, are in this card.",
        "## Limits",
        LIMITS + ("\n" + S2L_LIMITS if STRATEGIES[selection.config["strategy"]].switches else ""),
        "## How to reproduce",
        _reproduce(made, line),
        "## Licence",
        f"{plain(license) if license else 'Not said by whoever published this'}. A fine-tuned "
        "model is bound by the licences of its base model and of its data; neither training nor "
        "selecting gives rights that those did not.",
    ]
    return "\n\n".join(parts) + "\n"


def base_name(model: str) -> str:
    """Return a model's name as others know it: of a local folder its own name alone."""
    base = loading.base_of(model)
    local = base.startswith(("/", "~", ".")) or pathlib.Path(base).expanduser().is_dir()
    return model.replace(base, pathlib.PurePath(base).name) if local else model


def _is_on_hub(model: str) -> bool:
    return not loading.is_scratch(model) and base_name(model) == model


def _front_matter(made: Artifact, form: str, license: str) -> str:
    model = str(made.config["model"])
    of = [f"base_model: {json.dumps(loading.base_of(model))}"] if _is_on_hub(model) else []
    named = [f"license: {license}"] if license else ["license: other", "license_name: unknown"]
    return "\n".join(
        [
            "---",
            *of,
            *named,
            f"library_name: {'peft' if form == 'adapter' else 'transformers'}",
            "pipeline_tag: text-generation",
            "tags:\n- data-selection\n- s2l",
            "---",
        ]
    )


def _training(made: Artifact, facts: dict[str, Any]) -> list[tuple[str, str]]:
    c, s = made.config, made.summary_as(FinetuneSummary)
    rows = [
        ("base model", plain(base_name(str(c["model"])))),
        ("method", "LoRA adapter" if c["method"] != "full" else "all weights"),
        ("parameters", f"{s['parameters']:,}"),
        ("optimizer steps", f"{s['steps']:,} of {c['batch_size']:,} rows ({s['epochs']:g} epochs)"),
        ("response tokens in the rows", f"{s['response_tokens']:,}"),
        ("learning rate", f"{c['lr']:g}"),
        ("longest row", f"{c['max_length']:,} tokens"),
        ("template", f"`{c['template']}`"),
        ("seed", f"{c['seed']}"),
    ]
    if "difference" in facts:
        again = f"loaded again from these files in {facts['precision']}: {agreement(facts)}"
        rows.append(("checked", again))
    return rows


def agreement(facts: dict[str, Any]) -> str:
    """Say how near the logits of the files that were written are to the fine-tune's."""
    on = f"on {words(facts['compared_rows'])}"
    if not facts["difference"]:
        return f"exactly the fine-tune's logits {on}"
    return (
        f"logits within {facts['difference']:.1g} of the fine-tune's, relative to the largest, {on}"
    )


def _results(made: Artifact) -> str:
    s, scores = made.summary_as(FinetuneSummary), made.summary
    rows = [
        (plain(metric.called(s.get("seen", 0))), plain(metric.written(scores[key], s)), metric.unit)
        for key, metric in known(s).items()
    ]
    notes = [f"Tested on {words(s['items'])} ({s['test'].rpartition('(')[2].rstrip(')')})."]
    if s.get("seen"):
        notes.append(
            f"{s['seen']:,} of {s['items']:,} of these were also trained on, or nearly so: those "
            "are not evidence."
        )
    if s.get("warning"):
        notes.append("**The training made the model worse on its own rows.**")
    return table(("metric", "value", "unit"), rows) + "\n\n" + " ".join(notes)


def _data(made: Artifact, selection: Artifact) -> list[tuple[str, str]]:
    config, summary = selection.config, selection.summary_as(SelectionSummary)
    strategy, dataset = str(config["strategy"]), made.ancestor("dataset")
    left_out = made.summary_as(FinetuneSummary)["left_out"]
    rows, pool = summary["rows"], summary["pool"]
    return [
        ("selection", f"`{strategy}`: {STRATEGIES[strategy].sentence}"),
        (
            "budget",
            f"{plain(str(config['budget']))}: {rows:,} of {pool:,} eligible rows "
            f"({100 * rows / pool:.1f}%)",
        ),
        ("seed of the draw", f"{config['seed']}"),
        ("left out in training", f"{left_out:,} of {rows:,} selected rows"),
        ("excluded or pinned by people", edits_of(summary)),
        ("sources", f"{len(source_names(dataset)):,}"),
        ("sha256 of the ids, sorted, joined by line feeds", f"`{summary['ids_sha256']}`"),
    ]


def source_names(dataset: Artifact) -> list[str]:
    """Return the names of a dataset's sources, which a card does not tell."""
    column = pq.read_table(examples_file(dataset), columns=["source"])["source"]
    return [str(s) for s in pc.unique(column).to_pylist()]


def _reproduce(made: Artifact, line: list[Artifact]) -> str:
    """Return the commands that make the model again, without a word of the data."""
    settings = from_config(Settings, made.config)
    known = {s.name: s for s in specs(Settings)}
    argv = []
    flags = to_argv(settings)
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        spec = known[flag.removeprefix("--").replace("-", "_")]
        if spec.identity and spec.name != "selection":
            short = pathlib.PurePath(value).name if value.startswith("/") else value
            argv += [flag, shlex.quote(short)]
    steps = [*commands(line), f"F=$(python -m core finetune --selection $S {' '.join(argv)})"]
    steps.append("python -m core publish --finetune $F --to FOLDER")
    private = [s for s in source_names(line[0]) if len(s) > 2]
    shown = [step for step in steps if not any(s in step for s in private)]
    left_out = len(steps) - len(shown)
    note = (
        f"\n\n{left_out:,} of {len(steps):,} commands name sources of the data and are left out; "
        "`python -m core show ID` tells them in its workspace."
        if left_out
        else ""
    )
    return "```bash\n" + "\n".join(shown) + "\n```" + note
