"""GGUF, by the converter that is installed."""

import os
import stat

import pytest

from core import publish
from core.errors import InputError
from core.publish import gguf


def test_gguf_is_the_converters_work(finished, tmp_path, monkeypatch):
    """The converter is a program of its own; a stand-in shows what it is given and what comes."""
    settings = publish.Settings(finetune=finished.finetune, to=str(tmp_path / "a"), form="gguf")
    monkeypatch.setattr(gguf, "COMMANDS", ("convert-for-this-test",))
    with pytest.raises(InputError, match="No GGUF converter is installed"):
        publish.run(finished.workspace, settings)
    fake = tmp_path / "bin" / "convert-for-this-test"
    fake.parent.mkdir()
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    for body, words in (
        ("echo 'Model LlamaX is not supported' >&2; exit 1", "LlamaX is not supported"),
        ("true", "no word"),
    ):
        fake.write_text(f"#!/bin/sh\n{body}\n")
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(InputError, match=words):
            publish.run(finished.workspace, settings)
        assert not (tmp_path / "a").exists()
    fake.write_text('#!/bin/sh\ntest -f "$1/model.safetensors" && printf "GGUF$5" > "$3"\n')
    publish.run(finished.workspace, settings)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "README.md",
        "export.json",
        "model.gguf",
    ]
    assert (tmp_path / "a/model.gguf").read_bytes() == b"GGUFf32"
    assert "llama-cli -m" in (tmp_path / "a/README.md").read_text()
