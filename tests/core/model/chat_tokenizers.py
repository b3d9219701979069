"""Tokenizers with the special tokens and the chat templates of public models, in short forms."""

import functools
import pathlib
import re

from core.model.tokenizers import train_tokenizer

FOLDER = pathlib.Path(__file__).parents[2] / "fixtures" / "chat_templates"
EOS = {
    "chatml": "<|im_end|>",
    "smollm2": "<|im_end|>",
    "qwen2_5": "<|im_end|>",
    "qwen3": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "llama3_1": "<|eot_id|>",
    "gemma": "<eos>",
    "phi3": "<|endoftext|>",
    "deepseek_r1": "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "glm4": "<|endoftext|>",
    "command_r": "<|END_OF_TURN_TOKEN|>",
    "gpt_oss": "<|return|>",
    "granite": "<|end_of_text|>",
}
"""What ends a text; </s> where a template is not named."""
NAMES = sorted(path.stem for path in FOLDER.glob("*.jinja"))
THINKING = ("<think>", "</think>", "<tool_call>", "</tool_call>")


def source(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text()


@functools.cache
def tokenizer(name: str):
    """Return a tokenizer that carries the template and all marks that stand in it."""
    return make(source(name), EOS.get(name, "</s>"))


def make(template: str, eos: str, more: tuple[str, ...] = THINKING):
    made = train_tokenizer(["It is 4 degrees in town, I think; call the tool: 6."] * 3, 300)
    marks = set(re.findall(r"<\|?[\w\uff5c\u2581]+\|?>|\[/?[A-Za-z_]{3,}\]", template))
    roles = {"<|user|>", "<|assistant|>", "<|system|>"}
    made.add_special_tokens(
        {
            "additional_special_tokens": sorted(
                {*marks, *more, *(roles if "'<|' + m.role" in template else ())}
            ),
            "eos_token": eos,
            "bos_token": "<s>",
        }
    )
    made.chat_template = template
    return made
