"""How a published model is used: a few lines for each tool that loads it."""

from __future__ import annotations

import shlex

from core.publish.gguf import FILE


def lines(form: str, place: str, base: str) -> dict[str, str]:
    """Return what to type, by tool.

    Args:
        form: merged, adapter or gguf.
        place: The folder, as the reader of these lines names it.
        base: The base model of an adapter, as the reader can name it.
    """
    where, name = shlex.quote(place), repr(place)
    if form == "gguf":
        file = shlex.quote(f"{place.rstrip('/')}/{FILE}")
        return {"llama.cpp": f"llama-cli -m {file} -cnv", "server": f"llama-server -m {file}"}
    load = {
        "merged": "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"tokenizer = AutoTokenizer.from_pretrained({name})\n"
        f"model = AutoModelForCausalLM.from_pretrained({name})",
        "adapter": "from peft import PeftModel; from transformers import AutoModelForCausalLM\n"
        f"base = AutoModelForCausalLM.from_pretrained({base!r})\n"
        f"model = PeftModel.from_pretrained(base, {name})",
    }[form]
    serve = (
        f"vllm serve {where}"
        if form == "merged"
        else f"vllm serve {shlex.quote(base)} --enable-lora --lora-modules tuned={where}"
    )
    return {"transformers": load, "vLLM": serve}
