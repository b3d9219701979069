import argparse
import contextlib
import dataclasses
import importlib
import json
import pathlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import layout
from core.errors import InputError
from core.nouns import NOUNS
from core.selection.run import key_of as selection_key
from core.settings import (
    Group,
    _text,
    add_flags,
    from_args,
    from_config,
    identity,
    setting,
    specs,
    to_argv,
    to_config,
)
from core.spec import MAX_SEED, Auto
from core.workspace import files

AS_DECLARED = json.loads((pathlib.Path(__file__).parents[1] / "fixtures/settings.json").read_text())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example(Group):
    path: str = setting(help="a file", flags=("--file",))
    k: int | Auto = setting("auto", help="clusters, 11% or so", minimum=1, maximum=50)
    lr: float = setting(1.0, help="rate", above=0, maximum=1000)
    mode: Literal["fast", "slow"] = setting("fast", help="how")
    map: bool = setting(True, help="draw", identity=False)
    seed: int = setting(0, help="seed", minimum=0, maximum=MAX_SEED)


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
    assert "map" not in identity(Example(path="a"))


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
        assert spec.help, spec.name
        if spec.default is not dataclasses.MISSING:
            spec.check(spec.default)
            assert spec.parse(_text(spec.default)) == spec.default


def as_declared(cls):
    """Return what forms, flags and manifests take from the settings of a class, in order."""
    rows = []
    for spec in specs(cls):
        row = {"flags": [spec.flag, *spec.flags], "kind": spec.kind.__name__}
        row |= {"auto": spec.auto, "label": spec.label}
        row |= {} if spec.required else {"default": spec.default}
        facts = vars(spec)
        row |= {n: list(facts[n]) for n in ("choices", "suggestions") if facts[n]}
        limits = ("minimum", "maximum", "above")
        row |= {n: facts[n] for n in limits if facts[n] is not None}
        row |= {n: True for n in ("advanced", "hidden", "later") if facts[n]}
        rows.append(row if spec.identity else row | {"identity": False})
    return rows


@pytest.mark.parametrize("noun", NOUNS)
def test_forms_flags_and_configs_are_as_when_they_were_written_down(noun):
    """A new setting gets a line in settings.json; one that changes there breaks what people have."""
    cls = importlib.import_module(f"core.{noun}").Settings
    assert as_declared(cls) == AS_DECLARED[noun]
    made = of(noun)
    names = [row["flags"][0].removeprefix("--").replace("-", "_") for row in AS_DECLARED[noun]]
    assert list(to_config(made)) == names


def of(noun, **given):
    cls = importlib.import_module(f"core.{noun}").Settings
    return cls(**{s.name: "x" for s in specs(cls) if s.required} | given)


@pytest.mark.parametrize(
    ("noun", "fingerprint"),
    [
        ("trajectories", "23aca80b37e14c2a"),
        ("transfer", "0e82cd8a3b626fd1"),
        ("finetune", "b9b8e75a9f0d2d3b"),
        ("study", "35ee04196bbc5bf0"),
        ("export", "4bee10932085189a"),
        ("demo", "cad097d2c7d8678a"),
    ],
)
def test_the_identity_of_a_run_is_as_when_it_was_written_down(noun, fingerprint):
    assert files.fingerprint(noun, identity(of(noun))) == fingerprint


def test_a_dataset_made_before_there_were_later_settings_has_the_fingerprint_of_then():
    run = importlib.import_module("core.dataset.run")
    kept = identity(of("dataset", holdout_rule=1), first=run.FIRST, before=run.BEFORE)
    assert files.fingerprint("dataset", kept) == "fde5416a7411c2a7"


@pytest.mark.parametrize(
    ("given", "fingerprint"),
    [
        ({}, "c446a8bb6a22ebc8"),
        ({"features": "diff", "include_start": True, "seed": 3}, "5211c6cf69299b0d"),
        ({"of": "embeddings"}, "b951fa8e964bd20a"),
        ({"of": "embeddings", "features": "diff", "include_start": True}, "b951fa8e964bd20a"),
    ],
)
def test_a_layout_is_found_by_the_key_of_then(given, fingerprint):
    assert layout.key(of("layout", **given)) == fingerprint


@pytest.mark.parametrize(
    ("given", "fingerprint"),
    [
        ({}, "5c808b0226863cbd"),
        ({"keep": "y", "edits": 3, "seed": 2}, "14f12a9da6189ca3"),
        (
            {
                "allocation": "capped",
                "cap": 0.3,
                "pick": "medoid",
                "dedup": "near",
                "near_rule": 1,
                "min_tokens": 3,
                "edits": 2,
            },
            "51a1f6244b0e751a",
        ),
        (
            {"strategy": "random_cost_matched", "match": "m", "target_parameters": 5e8},
            "ee6de3c109c9df9c",
        ),
    ],
)
def test_a_selection_is_found_by_the_key_of_then(given, fingerprint):
    assert selection_key(of("selection", **{"edits": 0, **given})) == fingerprint


@dataclasses.dataclass(frozen=True, kw_only=True)
class One(Group):
    first: int = setting(1, help="one", minimum=1)
    late: str = setting("", help="two")

    def validate(self):
        seen.append("One")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Two(Group):
    needed: str = setting(help="three")

    def validate(self):
        seen.append("Two")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Both(One, Two):
    own: bool = setting(False, help="four")

    def validate(self):
        seen.append("Both")


seen: list[str] = []


def test_groups_are_listed_and_validated_once_in_the_order_written():
    assert [s.name for s in specs(Both)] == ["needed", "first", "late", "own"]
    seen.clear()
    with pytest.raises(InputError, match="--first is at least 1"):
        Both(needed="x", first=0)
    assert seen == [], "values are checked before what they are together"
    Both(needed="x")
    assert seen == ["One", "Two", "Both"]


def test_a_later_setting_counts_where_it_differs_from_its_default():
    assert identity(Both(needed="x"), first=("needed",)) == {"needed": "x"}
    made = Both(needed="x", first=1, late="y", own=True)
    assert identity(made, first=("needed", "first")) == {
        "needed": "x",
        "first": 1,
        "late": "y",
        "own": True,
    }
    assert identity(made, ignored=("late", "own")) == {"needed": "x", "first": 1}


def test_a_config_of_another_version_gives_settings():
    assert from_config(Both, {"needed": "x", "gone": 3}) == Both(needed="x")


ODD = (
    "²",
    "٣",
    "½",
    "\U0001d7d9",
    "1e999",
    "nan",
    "9" * 5000,
    "0=" + "9" * 5000,
    "²=1",
    "0<=²",
    "1_0",
    "0x1",
)
REQUIRED = {
    "dataset": {"path": "x"},
    "trajectories": {"dataset": "x"},
    "clusters": {"trajectories": "x"},
    "selection": {"parent": "x"},
    "finetune": {"selection": "x"},
    "study": {"clusters": "x"},
    "transfer": {"trajectories": "x"},
    "layout": {"trajectories": "x"},
}
"""Package -> the settings it cannot do without."""


@pytest.mark.parametrize("noun", REQUIRED)
def test_whatever_is_typed_is_a_value_or_a_user_error(noun):
    cls = importlib.import_module(f"core.{noun}").Settings
    tried = 0
    for spec in specs(cls):
        for text in ODD:
            with contextlib.suppress(InputError):
                cls(**REQUIRED[noun] | {spec.name: spec.parse(text)})
            tried += 1
    assert tried >= 4 * len(ODD)
