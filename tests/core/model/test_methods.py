"""A method that cannot be had here is refused in one sentence, before anything is loaded."""

import importlib.util

import pytest
import torch

from core.errors import InputError
from core.jobs import devices
from core.model import loading, methods


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


@pytest.mark.parametrize(
    ("precision", "products"), [("auto", torch.bfloat16), ("fp32", torch.float32)]
)
def test_weights_in_four_bits_are_asked_for_as_nf4_on_the_gpu_of_the_process(
    monkeypatch, tmp_path, precision, products
):
    """As far as it goes without a GPU: what transformers is asked for, which is not run."""

    class Asked(Exception):
        pass

    def asked(where, **how):
        raise Asked(how)

    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    monkeypatch.setattr(loading, "device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(loading.checkpoint, "check_folder", lambda spec, folder: None)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", asked)
    monkeypatch.setattr(loading, "load_error", lambda spec, what, e: e)
    with pytest.raises(Asked) as told:
        loading.load_weights(str(tmp_path), frozen=True, precision=precision, four_bits=True)
    how = told.value.args[0]
    config = how["quantization_config"]
    assert config.load_in_4bit
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", True)
    assert config.bnb_4bit_compute_dtype == how["dtype"] == products
    assert how["device_map"] == {"": 1}


def test_a_model_in_four_bits_stays_where_it_was_loaded():
    class Quantized:
        is_loaded_in_4bit = True

    loading.place(Quantized())  # it has no `to`: moving it would be an error
