"""The files that other people's trainers need beside the data: configs, and a script for TRL."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from core.export.turn_formats import CALLED, NOTHING, SHAREGPT, Carried
from core.finetune.settings import planned_steps

ROWS_A_STEP = 32
MAX_LENGTH = 2048
"""Tokens; longer rows are cut."""
LR = 2e-5
NAME = "selection"
"""What LLaMA-Factory calls the data."""


class TrainingJob(NamedTuple):
    """What is to be trained on what."""

    format: str
    file: str
    model: str
    rows: int
    carried: Carried = NOTHING

    @property
    def steps(self) -> int:
        return planned_steps(self.rows, "auto", ROWS_A_STEP, self.model)

    @property
    def warmup(self) -> int:
        return math.ceil(0.03 * self.steps)


def llamafactory(job: TrainingJob) -> dict[str, str]:
    """Return the description of the data and the config."""
    tools = {"tools": "tools"} if job.carried.tools else {}
    if job.format == "alpaca":
        keys = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
        data = {"file_name": job.file, "formatting": "alpaca", "columns": keys | tools}
    else:
        openai = job.format == "messages"
        roles = {role: role for role in SHAREGPT} if openai else SHAREGPT
        data = {
            "file_name": job.file,
            "formatting": "sharegpt",
            "columns": {"messages": "messages" if openai else "conversations"} | tools,
            "tags": {
                "role_tag": "role" if openai else "from",
                "content_tag": "content" if openai else "value",
                "user_tag": roles["user"],
                "assistant_tag": roles["assistant"],
                "observation_tag": roles["tool"],
                "function_tag": CALLED,
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


def axolotl(job: TrainingJob) -> dict[str, str]:
    """Return the config."""
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
    if job.carried.marked:
        keys += "\n    message_field_training: weight"
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


def trl(job: TrainingJob) -> dict[str, str]:
    """Return a script that makes an example of each reply and trains on it."""
    head, tail = ALPACA.split("{% elif", 1)
    text = f'''\
"""Train on {job.file} beside this file: pip install trl, then python train.py --model MODEL."""
import argparse
import json
import os
import pathlib

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--model", default={json.dumps(job.model)})
parser.add_argument("--steps", type=int, default={job.steps}, help="of {ROWS_A_STEP} replies each")
parser.add_argument("--output", default="output")
args = parser.parse_args()
tokenizer = AutoTokenizer.from_pretrained(args.model)
tokenizer.chat_template = tokenizer.chat_template or (
    {json.dumps(head)}
    {json.dumps("{% elif" + tail)})


def replies(data):  # one example a reply: the loss is on replies only, with any chat template
    for line in data.open(encoding="utf-8"):
        row = json.loads(line)
        turns = [{{k: v for k, v in t.items() if v is not None}} for t in row["messages"]]
        for call in (c for t in turns for c in t.get("tool_calls", [])):
            if isinstance(call["function"].get("arguments"), str):  # templates take objects
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        look = {{"tools": json.loads(row.get("tools") or "null"), "return_dict": False}}
        for i, turn in enumerate(turns):
            if turn["role"] == "assistant" and turn.get("weight") != 0:  # 0: context only
                asked = tokenizer.apply_chat_template(turns[:i], add_generation_prompt=True, **look)
                told = tokenizer.apply_chat_template(turns[: i + 1], **look)
                n = len(os.path.commonprefix([asked, told]))
                yield {{"input_ids": told, "completion_mask": [0] * n + [1] * (len(told) - n)}}


data = pathlib.Path(__file__).with_name({json.dumps(job.file)})
rows = Dataset.from_generator(replies, gen_kwargs={{"data": data}})
config = SFTConfig(
    output_dir=args.output, max_steps=args.steps, max_length={MAX_LENGTH}, seed=0,
    per_device_train_batch_size=8, gradient_accumulation_steps={ROWS_A_STEP // 8},
    learning_rate={LR}, lr_scheduler_type="cosine", warmup_steps={job.warmup}, weight_decay=0.0,
    completion_only_loss=True, report_to="none",
    bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported())
trainer = SFTTrainer(args.model, args=config, train_dataset=rows, processing_class=tokenizer)
trainer.train()
trainer.save_model()
'''
    return {"train.py": text}
