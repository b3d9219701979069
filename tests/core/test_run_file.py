import dataclasses
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import finetune, run_file
from core.__main__ import main
from core.commands import COMMANDS
from core.errors import InputError
from core.export.run import Settings as Export
from core.nouns import NOUNS
from core.settings import from_args, identity, specs

CLASSES = {noun: importlib.import_module(f"core.{noun}").Settings for noun in NOUNS}
CLASSES["edits"] = importlib.import_module("core.edits").Settings
CLASSES |= {name: command[1] for name, command in COMMANDS.items()}
RUN = finetune.Settings(
    selection="20260101", model="scratch:tiny", lr=2e-5, rslora=True, name='no: "yes" # \n{x}'
)


def read(text, noun="finetune"):
    return from_args(CLASSES[noun], run_file.parse(text.encode(), "run.yaml", noun, CLASSES[noun]))


def test_what_is_written_is_read_again():
    text = run_file.write("finetune", RUN)
    assert read(text) == RUN
    top, rest = text.split("# as by default\n")
    assert top.startswith("# python -m core finetune --config FILE\ncommand: finetune\nselection: ")
    assert "rslora: true" in top
    assert "method: full" in rest
    assert "resume" not in text


@given(st.data())
def test_any_text_survives(data):
    text = data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
    text = data.draw(st.sampled_from([text, "null", "~", "no", "1e3", "[a]", "- a", "#", "a: b"]))
    settings = dataclasses.replace(RUN, eval=text)
    assert read(run_file.write("finetune", settings)) == settings


@pytest.mark.parametrize("noun", CLASSES)
def test_every_command_reads_a_file_of_its_own_settings(noun):
    cls = CLASSES[noun]
    settings = cls(**{s.name: "1" for s in specs(cls) if s.required})
    assert read(run_file.write(noun, settings), noun) == settings


def test_lists_and_flags_of_several_lines():
    found = read("selection: a\nlora-targets: [q_proj, v_proj]\nbatch_size: 010\n")
    assert found.lora_targets == "q_proj,v_proj"
    assert found.batch_size == 10, "as the flag has it, not as octal"
    lines = CLASSES["dataset"](path="a", map="prompt=q\nresponse=a")
    assert "- prompt=q\n- response=a" in run_file.write("dataset", lines)
    assert read(run_file.write("dataset", lines), "dataset") == lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rat: 1", "has no setting learning_rat"),
        ("batchsize: 1", "did you mean batch_size?"),
        ("batch_size: many", "batch_size takes a whole number, not 'many'"),
        ("batch-size: 0", "batch_size is at least 1, not 0"),
        ("method: half", "method is one of full, lora"),
        ("rslora: perhaps", "rslora takes yes or no"),
        ("lr: .nan", "lr takes a number or auto, not '.nan'"),
        ("steps: [1, 2]", "steps takes one value"),
        ("model: {a: 1}", "model takes one value"),
        ("steps: null", "steps has no value; leave the line out"),
        ("steps:", "steps takes a whole number, not ''"),
        ("steps: 1\nsteps: 2", "line 2: steps stands twice"),
        ("batch_size: 1\nbatch-size: 2", "batch_size stands twice"),
        ("command: study", "is a file of the command study, not of finetune"),
        ("a: &x 1\nb: *x", "line 2: aliases are not read"),
        ("- a\n- b", "holds no settings"),
        ("steps: 'a", "run.yaml is no YAML that can be read"),
        ("\x00", "run.yaml is no YAML that can be read"),
        ("[" * 5000, "run.yaml is no YAML that can be read"),
        ("? [a, b]\n: 1", "run.yaml"),
        ("", "holds no settings"),
    ],
)
def test_one_sentence_names_the_key(text, words):
    with pytest.raises(InputError) as told:
        read(text)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        run_file.read(str(tmp_path / "none.yaml"), "finetune", finetune.Settings)
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (run_file.LARGEST + 1))
    with pytest.raises(InputError, match="larger than"):
        run_file.read(str(big), "finetune", finetune.Settings)


def test_export_keeps_its_own_config():
    assert run_file.flag_of(Export) == "--run-file"
    assert run_file.flag_of(finetune.Settings) == "--config"


def test_the_command_line_takes_it_and_flags_go_before(tmp_path, monkeypatch):
    seen = []
    command_line = importlib.import_module("core.__main__")
    run = (finetune.Settings, lambda workspace, settings: seen.append(settings))
    monkeypatch.setattr(command_line, "_declared", lambda noun: run)
    file = tmp_path / "run.yaml"
    file.write_text(run_file.write("finetune", RUN))
    assert main(["finetune", "--config", str(file)]) == 0
    assert main(["finetune", f"--config={file}", "--batch-size", "9"]) == 0
    assert seen == [RUN, dataclasses.replace(RUN, batch_size=9)]
    assert identity(seen[0]) == identity(RUN), "the same fingerprint"


def test_what_is_missing_in_the_file_is_asked_for(tmp_path, capsys):
    file = tmp_path / "run.yaml"
    file.write_text("model: scratch:tiny\n")
    assert main(["finetune", "--config", str(file)]) == 2
    assert "--selection must be given, as a flag or in the file" in capsys.readouterr().err
