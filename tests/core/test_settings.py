import argparse
import dataclasses
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.__main__ import NOUNS
from core.settings import (
    MAX_SEED,
    Auto,
    _text,
    add_flags,
    check,
    from_args,
    setting,
    specs,
    to_argv,
    to_config,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    path: str = setting(help="a file", flags=("--file",))
    k: int | Auto = setting("auto", help="clusters, 11% or so", minimum=1, maximum=50)
    lr: float = setting(1.0, help="rate", above=0, maximum=1000)
    mode: str = setting("fast", help="how", choices=("fast", "slow"))
    map: bool = setting(True, help="draw", identity=False)
    seed: int = setting(0, help="seed", minimum=0, maximum=MAX_SEED)

    def __post_init__(self):
        check(self)


def parse(*argv):
    parser = argparse.ArgumentParser()
    add_flags(parser, Example)
    return from_args(Example, vars(parser.parse_args(list(argv))))


def test_one_declaration_is_a_flag_a_default_and_a_label():
    assert parse("--path", "a") == Example(path="a")
    assert parse("--file", "a", "--k", "7", "--lr", "2e-5").k == 7
    assert parse("--path", "a", "--map").map is True
    assert parse("--path", "a", "--map", "no").map is False
    found = {s.name: s for s in specs(Example)}
    assert (found["k"].flag, found["k"].kind, found["k"].auto) == ("--k", int, True)
    assert found["lr"].label == "Lr"
    assert found["path"].default is dataclasses.MISSING


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--k", "many"], "--k takes a whole number or auto, not 'many'"),
        (["--k", "0"], "--k is at least 1, not 0"),
        (["--k", "51"], "--k is at most 50, not 51"),
        (["--k", "1.5"], "--k takes a whole number"),
        (["--lr", "0"], "--lr is more than 0, not 0.0"),
        (["--lr", "nan"], "--lr takes a finite number"),
        (["--lr", "inf"], "--lr takes a finite number"),
        (["--lr", "9e999"], "--lr takes a finite number"),
        (["--mode", "odd"], "--mode is one of fast, slow; not 'odd'"),
        (["--map", "perhaps"], "--map takes yes or no, not 'perhaps'"),
        (["--seed", "9" * 500], "--seed is at most 4294967295"),
        (["--seed", "-1"], "--seed is at least 0"),
    ],
)
def test_errors_quote_the_flag(argv, words):
    with pytest.raises(ValueError, match="^" + words.replace("(", r"\(")):
        parse("--path", "a", *argv)


@pytest.mark.parametrize("wrong", [{"k": 2.5}, {"k": True}, {"k": None}, {"lr": "x"}])
def test_values_from_a_form_are_checked_too(wrong):
    with pytest.raises(ValueError, match="--"):
        Example(path="a", **wrong)


def test_a_whole_number_for_a_float_is_the_same_run():
    assert to_config(Example(path="a", lr=3)) == to_config(Example(path="a", lr=3.0))
    assert isinstance(Example(path="a", lr=3).lr, float)


def test_identity_leaves_out_what_does_not_change_the_result():
    assert "map" in to_config(Example(path="a"))
    assert "map" not in to_config(Example(path="a"), identity=True)


@given(
    path=st.text(alphabet=st.characters(exclude_characters="\0"), min_size=1),
    k=st.one_of(st.just("auto"), st.integers(1, 50)),
    lr=st.floats(1e-300, 1000),
    mode=st.sampled_from(["fast", "slow"]),
    map=st.booleans(),
    seed=st.integers(0, MAX_SEED),
)
def test_flags_give_the_settings_back(path, k, lr, mode, map, seed):
    made = Example(path=path, k=k, lr=lr, mode=mode, map=map, seed=seed)
    assert parse(*to_argv(made)) == made


@pytest.mark.parametrize("noun", [n for n in NOUNS if n != "demo"])
def test_every_setting_of_every_noun_has_a_help_and_a_good_default(noun):
    for spec in specs(importlib.import_module(f"core.{noun}").Settings):
        assert spec.meta["help"], spec.name
        if spec.default is not dataclasses.MISSING:
            spec.check(spec.default)
            assert spec.parse(_text(spec.default)) == spec.default
