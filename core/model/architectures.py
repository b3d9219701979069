"""Which architectures were tried, and what came of it: docs/models.md is written from this table.

A test builds each one tiny and random and holds it to what stands here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Tried(NamedTuple):
    """One architecture and how it goes."""

    title: str
    kind: str
    """`model_type` of its config.json."""
    lora: str = "all-linear"
    """The target modules that a LoRA adapter can have."""
    refused: Literal["", "encoder and decoder", "sees what follows"] = ""
    """Why it is not taken, before any step; empty where it is exact."""
    remark: str = ""


TRIED = (
    Tried("Llama", "llama"),
    Tried("Llama, tied embeddings", "llama", remark="SmolLM2 and the scratch models are such"),
    Tried("Mistral, sliding window", "mistral"),
    Tried("Mixtral", "mixtral", remark="experts and router are trained in full; LoRA: attention"),
    Tried("Qwen2", "qwen2", remark="Qwen2.5 too"),
    Tried("Qwen2-MoE", "qwen2_moe"),
    Tried("Qwen3", "qwen3"),
    Tried("Gemma", "gemma"),
    Tried("Gemma 2", "gemma2", remark="its capped logits are computed by its own code"),
    Tried("Gemma 3, text", "gemma3_text"),
    Tried("Phi", "phi"),
    Tried("Phi-3", "phi3"),
    Tried("GPT-2", "gpt2"),
    Tried("GPT-NeoX", "gpt_neox", remark="Pythia"),
    Tried("OPT", "opt"),
    Tried("BLOOM", "bloom"),
    Tried("OLMo-2", "olmo2"),
    Tried("Cohere", "cohere", remark="its scaled logits are computed by its own code"),
    Tried("Granite", "granite", remark="its scaled logits are computed by its own code"),
    Tried("Mamba", "mamba", lora="in_proj"),
    Tried("Mamba 2", "mamba2", lora="in_proj"),
    Tried("RWKV", "rwkv"),
    Tried("BERT", "bert", refused="sees what follows"),
    Tried("RoBERTa", "roberta", refused="sees what follows"),
    Tried("XLNet", "xlnet", refused="sees what follows"),
    Tried("T5", "t5", refused="encoder and decoder"),
    Tried("BART", "bart", refused="encoder and decoder"),
)


def as_markdown() -> str:
    """Return the table as docs/models.md shows it."""
    lines = ["| architecture | `model_type` | proxy and full | LoRA | |", "|---|---|---|---|---|"]
    for row in TRIED:
        taken = f"refused: {row.refused}" if row.refused else "exact"
        only = "" if row.lora == "all-linear" else f" with `--lora-targets {row.lora}`"
        lora = "" if row.refused else f"exact{only}"
        lines.append(f"| {row.title} | `{row.kind}` | {taken} | {lora} | {row.remark} |")
    return "\n".join(lines) + "\n"
