"""Whether a fine-tune fits and what it takes is tried in a process that cannot take others along."""

import dataclasses
import json
import subprocess
import sys

import pytest

from core.errors import InputError
from core.finetune import fit as trying
from core.finetune.dry_run import dry_run, fit_lines
from core.finetune.fit import Fit, FitRun, Way, candidates
from core.finetune.fit_child import EXIT_ORPHAN, ORDER
from core.finetune.settings import Settings
from core.settings import to_argv
from core.training.fit_memory import VARIABLE
from core.workspace.files import ROOT, read_json, write_json
from tests.conftest import TUNE


@pytest.fixture
def settings(finished):
    return Settings(selection=finished.selection, **TUNE)


def test_a_dry_run_says_what_it_takes_and_starts_nothing(finished, settings, capsys):
    before = [e.id for e in finished.workspace.entries()]
    text = dry_run(finished.workspace, dataclasses.replace(settings, price=3.0))
    lines = text.splitlines()
    assert lines[0].startswith("fits: ")
    assert "of this machine's memory that may be taken; at most 16,384 tokens at once" in lines[0]
    assert lines[1].startswith("time: ")
    assert "answering" in lines[1]
    assert "tokens/s in training" in lines[1]
    assert lines[2].startswith("price: ")
    assert lines[2].endswith("at 3 an hour")
    assert "to be written" in lines[3]
    assert lines[4].startswith("rows: 34 of ")
    assert "«" in text
    assert [e.id for e in finished.workspace.entries()] == before
    assert "training 3 steps on the longest batch" in capsys.readouterr().err
    kept = trying.find(finished.workspace, settings)
    assert kept is not None
    assert kept.fits
    assert kept.measured["steps"] == 6
    assert len(kept.measured["points"]) >= 3
    assert kept.forecast.low > 0
    assert kept.disk.total > kept.measured["bytes_saved"] == 4 * kept.measured["parameters"]
    other = dataclasses.replace(settings, steps=7)
    assert trying.find(finished.workspace, other) is None, "of other settings nothing is known"


def test_the_memory_said_is_what_a_run_takes_at_most(finished, settings):
    """The whole of it: its libraries, tests, looks and answers, and not its steps alone."""
    asked = dataclasses.replace(settings, seed=77, decode=8)
    said = FitRun(finished.workspace, asked).wait().peak.host
    run = (
        "import sys; from core.__main__ import main; from core.training import fit_memory\n"
        "assert main(sys.argv[1:]) == 0; print(fit_memory.peak().host)"
    )
    argv = ["--workspace", str(finished.root), "finetune", *to_argv(asked)]
    ended = subprocess.run(
        [sys.executable, "-c", run, *argv], capture_output=True, check=True, cwd=ROOT
    )
    assert 0.95 < said / float(ended.stdout.split()[-1]) < 1.25


def test_a_try_ends_with_who_started_it(finished, settings, tmp_path):
    order = {"workspace": str(finished.root), "settings": dataclasses.asdict(settings)}
    write_json(tmp_path / ORDER, order)
    child = subprocess.Popen(
        [sys.executable, "-m", "core.finetune.fit_child", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    child.stdin.close()
    assert child.wait(timeout=120) == EXIT_ORPHAN


def test_a_try_can_be_ended_and_has_a_time_limit(finished, settings):
    run = FitRun(finished.workspace, settings)
    assert run.poll() is None
    run.kill()
    assert run.process.returncode is not None
    assert run.poll().problem == "the try was stopped"
    late = FitRun(finished.workspace, settings, seconds=0.0).wait()
    assert late.problem.startswith("the try was not over within 0 s")


def test_memory_that_is_not_there_is_not_taken(finished, settings, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1M")
    found = FitRun(finished.workspace, dataclasses.replace(settings, method="lora")).wait()
    assert not found.problem
    assert not found.fits
    assert "of this machine's memory, of which 1 MiB may be taken" in found.why
    assert fit_lines(found)[-1] == "nothing that was tried fits; take a smaller model"


def test_what_cannot_be_done_at_all_is_said_in_its_own_words(finished, settings):
    run = FitRun(finished.workspace, dataclasses.replace(settings, max_length=8))
    assert "no selected row has a response token left; raise --max-length" in run.wait().problem
    with pytest.raises(InputError, match="no selected row has a response token left"):
        dry_run(finished.workspace, dataclasses.replace(settings, max_length=8))


S = Settings(selection="x")


def tried(settings, measured, fitting):
    """Return what is tried when only the changes in `fitting` fit."""
    found, asked = [], []
    for changes in candidates(settings, measured, found):
        asked.append(changes)
        if changes in fitting:
            found.append(Way(changes, ""))
    return asked


def test_what_leaves_the_result_as_it_is_is_tried_first_and_then_nothing_else():
    by_hand = dataclasses.replace(S, micro_batch=32, gradient_checkpointing=False)
    same = {"micro_batch": "auto", "gradient_checkpointing": "auto"}
    assert tried(by_hand, {"longest": 512}, [same]) == [same]


def test_an_adapter_then_the_longest_rows_that_fit():
    cut = [{"max_length": n} for n in (256, 128, 64)]
    assert tried(S, {"longest": 512}, []) == [{"method": "lora"}, *cut]
    assert tried(S, {"longest": 512}, cut[1:]) == [{"method": "lora"}, *cut[:2]]
    lora = dataclasses.replace(S, method="lora")
    assert tried(lora, {"longest": 512}, []) == cut
    assert tried(S, {}, []) == [{"method": "lora"}], "weights alone that do not fit stay so"


def test_four_bits_only_where_they_can_be_had(monkeypatch):
    real = dataclasses.replace(S, model="some/model")
    assert tried(real, {}, []) == [{"method": "lora"}]
    monkeypatch.setattr(trying.methods, "available", lambda method: "")
    assert tried(real, {}, []) == [{"method": "lora"}, {"method": "qlora"}]
    assert tried(S, {}, []) == [{"method": "lora"}], "from scratch there is nothing to hold"


def test_changes_are_data_with_their_sentence():
    memory = {"device": 0.0, "host": 2.0**31}
    measured = {"fits": True, "peak": memory, "room": {"device": 0.0, "host": 2.0**32}}
    said = trying.sentence({"micro_batch": "auto", "max_length": 256}, measured)
    assert said == "rows cut at 256 tokens, as many rows at once as fit: 2.0 GiB of 4.0 GiB"
    found = Fit(why="too large", ways=(Way({"max_length": 256}, said),), measured=measured)
    assert fit_lines(found)[1] == f"fits with --max-length 256 ({said})"


def test_what_was_found_is_read_back_as_it_was(finished, settings):
    folder = trying.folder_of(finished.workspace, dataclasses.replace(settings, seed=9))
    found = Fit(why="too large", ways=(Way({"method": "lora"}, "one"),), at=5.0)
    write_json(folder / trying.FOUND, dataclasses.asdict(found))
    assert trying.find(finished.workspace, dataclasses.replace(settings, seed=9)) == found
    assert json.dumps(read_json(folder / trying.FOUND))
