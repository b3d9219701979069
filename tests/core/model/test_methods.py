"""A method that cannot be had here is refused in one sentence, before anything is loaded."""

import importlib.util

import pytest

from core.errors import InputError
from core.jobs import devices
from core.model import methods


def test_what_a_form_is_told(monkeypatch):
    assert methods.available("full") == methods.available("lora") == ""
    monkeypatch.setattr(devices, "gpus", list)
    assert "CUDA GPU, and there is none here" in methods.available("qlora")
    monkeypatch.setattr(devices, "gpus", lambda: ["cuda:0"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "needs the package bitsandbytes" in methods.available("qlora")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert methods.available("qlora") == ""
    methods.check("qlora", "gpt2")
    with pytest.raises(InputError, match="4 bits, and scratch:tiny is none"):
        methods.check("qlora", "scratch:tiny")
