import pytest

from core import finetune
from core.finetune.presets import PAPER_TARGET, PRESETS
from core.settings import specs

NAMES = {s.name for s in specs(finetune.Settings)}
MODELS = ("scratch:tiny", "HuggingFaceTB/SmolLM2-135M-Instruct", "microsoft/phi-2")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_preset_gives_settings_that_are_taken(name, model, method):
    values = PRESETS[name].values(model, method)
    assert set(values) <= NAMES - {"model", "method", "selection", "preset"}
    made = finetune.Settings(selection="a", model=model, method=method, **values)
    steps = finetune.steps_of(made, 10_000)
    assert steps < 100 if name == "quick" else steps > 100


def test_they_fit_the_model_and_the_method():
    paper = PRESETS["paper"].values
    assert paper("microsoft/phi-2", "full")["lr"] == 2e-5
    assert "lr" not in paper("scratch:small", "full"), "it would learn nothing"
    assert "lr" not in paper("microsoft/phi-2", "lora")
    assert PRESETS["balanced"].values("scratch:small", "full") == {}, "the defaults fit themselves"


def test_on_the_command_line_the_preset_fills_what_is_not_given():
    paper = finetune.resolve(finetune.Settings(selection="a", preset="paper"))
    assert {k: getattr(paper, k) for k in PAPER_TARGET} == PAPER_TARGET
    quick = finetune.Settings(selection="a", model="scratch:tiny", preset="quick", steps=9)
    assert (finetune.resolve(quick).steps, finetune.resolve(quick).batch_size) == (9, 16)
