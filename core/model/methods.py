"""Which ways of training can be had here: QLoRA needs a CUDA GPU and bitsandbytes."""

from __future__ import annotations

import importlib.util
from typing import Any

from core.errors import InputError
from core.jobs import devices

QLORA = "qlora"


def available(method: str) -> str:
    """Return why a method cannot be had on this machine, in a sentence; empty where it can.

    Loads nothing heavy, so that a form can ask.
    """
    if method != QLORA:
        return ""
    if not devices.gpus():
        return "QLoRA holds weights in 4 bits on a CUDA GPU, and there is none here; use LoRA."
    if importlib.util.find_spec("bitsandbytes") is None:
        return "QLoRA needs the package bitsandbytes: `pip install bitsandbytes`; or use LoRA."
    return ""


def check(method: str, spec: str) -> None:
    """Refuse a method that cannot be had here, or not for a model.

    Raises:
        InputError: it cannot.
    """
    if reason := available(method):
        raise InputError(f"--method {method}: {reason}")
    if method == QLORA and spec.startswith(("scratch:", "shrink:")):
        raise InputError(
            f"--method qlora holds a trained model in 4 bits, and {spec} is none; use --method lora"
        )


def in_four_bits(half: bool) -> dict[str, Any]:
    """Return what loading takes for weights in NF4, twice quantized, on the GPU of this process."""
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if half else torch.float32,
    )
    return {"quantization_config": config, "device_map": {"": torch.cuda.current_device()}}
