"""Ready files for other people's trainers, written beside the data.

They train as `finetune` does by itself: every weight, batches of 32 rows, 3 epochs but at least 200
steps, cosine from 2e-5 after 3% of warm-up, the loss on replies only. A new trainer is one function
and one entry in TRAINERS. Paths are relative: start the trainer in the folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from core.dataset.row_formats import Turn
from core.errors import InputError
from core.export.writers import SHAREGPT, Example
from core.finetune.settings import planned_steps
from core.model import loading

ROWS_A_STEP = 32
MAX_LENGTH = 2048
"""Tokens; longer rows are cut."""
LR = 2e-5
NAME = "selection"
"""What LLaMA-Factory calls the data."""


class Job(NamedTuple):
    """What is to be trained on what."""

    format: str
    file: str
    model: str
    rows: int

    @property
    def steps(self) -> int:
        return planned_steps(self.rows, "auto", ROWS_A_STEP, self.model)

    @property
    def warmup(self) -> int:
        return math.ceil(0.03 * self.steps)


class Trainer(NamedTuple):
    """A trainer: the formats it reads, the rows it cannot use, its files, how it is started."""

    formats: tuple[str, ...]
    problem: Callable[[list[Turn]], str]
    """Says why the trainer would leave a row out or fail on it; empty where it would not."""
    files: Callable[[Job], dict[str, str]]
    command: str
    title: str
    sentence: str


def reading(format: str) -> list[str]:
    """Name the trainers that read a format without loss."""
    return [name for name, trainer in TRAINERS.items() if format in trainer.formats]


def check(trainer: str, format: str, model: str) -> None:
    """Check that a trainer reads a format and can load a model.

    Raises:
        InputError: it cannot.
    """
    readable = TRAINERS[trainer].formats
    if format not in readable:
        raise InputError(
            f"--config {trainer} reads --format {' or '.join(readable)}, not {format}; choose one"
        )
    if not model or model.startswith(("scratch:", "shrink:")):
        raise InputError(
            f"--model {model!r} is none that {trainer} can load; give a hub id or a directory"
        )


def check_rows(trainer: str, examples: Iterable[Example], dataset_id: str) -> None:
    """Check that a trainer will use every row.

    Raises:
        InputError: it would silently leave one out, or fail on it.
    """
    for example in examples:
        if problem := TRAINERS[trainer].problem(example.turns):
            raise InputError(
                f"{trainer} cannot use row {example.row}: {problem}; leave it out of the selection "
                f"(python -m core edits {dataset_id} --exclude {example.row}) or export without "
                "--config"
            )


def _uneven(turns: list[Turn]) -> str:
    """LLaMA-Factory skips conversations that do not alternate."""
    roles = [t["role"] for t in turns]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    asked, told = talk[::2], talk[1::2]
    even = len(asked) == len(told) > 0 and set(asked) <= {"user", "tool"}
    even = even and set(told) == {"assistant"}
    return "" if even else f"its turns are {', '.join(roles)}, not question and reply in turn"


def _silent(turns: list[Turn]) -> str:
    """Without a reply there is nothing to train on."""
    return "" if any(t["role"] == "assistant" for t in turns) else "it has no reply"


def _unasked(turns: list[Turn]) -> str:
    """TRL makes a prompt and a completion of each reply."""
    opens = turns[0]["role"] == "assistant"
    return "its first turn is a reply, with no prompt before it" if opens else _silent(turns)


def _llamafactory(job: Job) -> dict[str, str]:
    if job.format == "alpaca":
        keys = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
        data = {"file_name": job.file, "formatting": "alpaca", "columns": keys}
    else:
        openai = job.format == "messages"
        roles = {role: role for role in SHAREGPT} if openai else SHAREGPT
        data = {
            "file_name": job.file,
            "formatting": "sharegpt",
            "columns": {"messages": "messages" if openai else "conversations"},
            "tags": {
                "role_tag": "role" if openai else "from",
                "content_tag": "content" if openai else "value",
                "user_tag": roles["user"],
                "assistant_tag": roles["assistant"],
                "observation_tag": roles["tool"],
                "function_tag": "function_call",
                "system_tag": roles["system"],
            },
        }
    text = f"""\
# llamafactory-cli train llamafactory.yaml
model_name_or_path: {json.dumps(job.model)}
# template: without it the model's own chat template is used; a base model needs one, such as alpaca
stage: sft
do_train: true
finetuning_type: full  # lora: with a learning rate of 2.0e-4
dataset_dir: .
dataset: {NAME}
cutoff_len: {MAX_LENGTH}
output_dir: output
per_device_train_batch_size: 8
gradient_accumulation_steps: {ROWS_A_STEP // 8}  # on one GPU; divide by their number
max_steps: {job.steps}
learning_rate: {LR:.1e}
lr_scheduler_type: cosine
warmup_steps: {job.warmup}
weight_decay: 0.0
bf16: true  # without a GPU: false, and use_cpu: true
seed: 0
logging_steps: 10
save_steps: 500
report_to: none
"""
    info = json.dumps({NAME: data}, indent=2) + "\n"
    return {"dataset_info.json": info, "llamafactory.yaml": text}


def _axolotl(job: Job) -> dict[str, str]:
    keys = "field_messages: messages"
    if job.format == "sharegpt":
        keys = """field_messages: conversations
    message_property_mappings:
      role: from
      content: value
    roles:
      user: [human]
      assistant: [gpt]
      system: [system]
      tool: [observation]"""
    text = f"""\
# axolotl train axolotl.yaml
base_model: {json.dumps(job.model)}
chat_template: tokenizer_default_fallback_chatml
# a model without a chat template gets ChatML; then add  eot_tokens: ["<|im_end|>"]
# so that it learns where a reply ends
datasets:
  - path: {job.file}
    ds_type: json
    type: chat_template
    {keys}
    roles_to_train: [assistant]
    train_on_eos: turn
dataset_prepared_path: prepared
val_set_size: 0.0
output_dir: output
sequence_len: {MAX_LENGTH}
sample_packing: false
micro_batch_size: 8
gradient_accumulation_steps: {ROWS_A_STEP // 8}  # on one GPU; divide by their number
max_steps: {job.steps}
optimizer: adamw_torch
learning_rate: {LR:.1e}
lr_scheduler: cosine
warmup_steps: {job.warmup}
weight_decay: 0.0
bf16: auto  # without a GPU: false
seed: 0
logging_steps: 10
"""
    return {"axolotl.yaml": text}


ALPACA = (
    "{% for m in messages %}{% if m.role == 'user' %}### Instruction:\n{{ m.content }}\n\n"
    "{% elif m.role == 'assistant' %}### Response:{{ m.content }}{{ eos_token }}\n\n"
    "{% else %}{{ m.content }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:{% endif %}"
)
"""For models without a chat template; our own Alpaca template without its opening words."""


def _trl(job: Job) -> dict[str, str]:
    head, tail = ALPACA.split("{% elif", 1)
    text = f'''\
"""Train on {job.file} beside this file: pip install trl, then python train.py --model MODEL."""
import argparse
import pathlib

import torch
from datasets import load_dataset
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--model", default={json.dumps(job.model)})
parser.add_argument("--steps", type=int, default={job.steps}, help="of {ROWS_A_STEP} replies each")
parser.add_argument("--output", default="output")
args = parser.parse_args()


def replies(batch):  # one example a reply: the loss is on replies only, with any chat template
    spots = [(m, i) for m in batch["messages"] for i, t in enumerate(m) if t["role"] == "assistant"]
    return {{"prompt": [m[:i] for m, i in spots], "completion": [[m[i]] for m, i in spots]}}


data = pathlib.Path(__file__).with_name({json.dumps(job.file)})
rows = load_dataset("json", data_files=str(data), split="train")
rows = rows.map(replies, batched=True, remove_columns=rows.column_names)
tokenizer = AutoTokenizer.from_pretrained(args.model)
tokenizer.chat_template = tokenizer.chat_template or (
    {json.dumps(head)}
    {json.dumps("{% elif" + tail)})
config = SFTConfig(
    output_dir=args.output, max_steps=args.steps, max_length={MAX_LENGTH}, seed=0,
    per_device_train_batch_size=8, gradient_accumulation_steps={ROWS_A_STEP // 8},
    learning_rate={LR}, lr_scheduler_type="cosine", warmup_steps={job.warmup}, weight_decay=0.0,
    bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(), report_to="none")
trainer = SFTTrainer(args.model, args=config, train_dataset=rows, processing_class=tokenizer)
trainer.train()
trainer.save_model()
'''
    return {"train.py": text}


TRAINERS = {
    "llamafactory": Trainer(
        ("alpaca", "messages", "sharegpt"),
        _uneven,
        _llamafactory,
        "llamafactory-cli train llamafactory.yaml",
        "LLaMA-Factory",
        "dataset_info.json and llamafactory.yaml.",
    ),
    "axolotl": Trainer(
        ("messages", "sharegpt"),
        _silent,
        _axolotl,
        "axolotl train axolotl.yaml",
        "axolotl",
        "axolotl.yaml.",
    ),
    "trl": Trainer(
        ("messages",),
        _unasked,
        _trl,
        "python train.py",
        "TRL",
        "train.py, a short script around SFTTrainer.",
    ),
}
MODEL = next(m for m in loading.TARGETS if not loading.is_scratch(m))
"""What a config trains when no model is named."""
