"""One function decides what a page may read or write: tried with what an attacker would type."""

import dataclasses
import importlib
import os
import pathlib
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import dataset, export, finetune, jobs, study, trajectories, transfer
from core.errors import InputError
from core.nouns import NOUNS
from core.settings import specs, to_argv
from core.workspace.files import ROOT
from dashboard.frame import access, allowed

ROW = '{"question": "1 + 1?", "answer": "2"}\n'
SECRET = "only-for-the-server"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A server: an allowed folder, another beside it, a workspace."""
    monkeypatch.setenv("S2L_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("S2L_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("data/sub", "data/model", "other/model", "home", "workspace/jobs/1", "data2"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data", "data/sub", "other", "home", "data2", "workspace/jobs/1"):
        (tmp_path / name / "a.jsonl").write_text(ROW)
    (tmp_path / "home" / "secret.jsonl").write_text(SECRET)
    for name in ("data", "other"):
        (tmp_path / name / "model" / "config.json").write_text("{}")
    return tmp_path


def allow(monkeypatch, *folders):
    monkeypatch.setenv("S2L_DATA", os.pathsep.join(map(str, folders)))


def outside(place):
    """Texts that name what no page may read, in every spelling."""
    data, other = place / "data", place / "other"
    (data / "out.jsonl").symlink_to(other / "a.jsonl")
    (data / "out").symlink_to(other)
    (data / "far").symlink_to("/etc")
    (data / ".hidden.jsonl").write_text(ROW)
    (data / ".git").mkdir()
    (data / ".git" / "a.jsonl").write_text(ROW)
    (data / "shown.jsonl").symlink_to(data / ".hidden.jsonl")
    return [
        "/etc/passwd",
        "//etc/passwd",
        "/etc",
        "/",
        "../other/a.jsonl",
        "sub/../../other/a.jsonl",
        f"{data}/../other/a.jsonl",
        f"{data}2/a.jsonl",  # begins with an allowed name
        f"{other}",
        f"{other}/a.jsonl",
        "out.jsonl",
        "out/a.jsonl",
        "out",
        "far/passwd",
        "sub/../out/a.jsonl",
        "~/secret.jsonl",
        "~root/.bashrc",
        "~nobody-of-this-name/x",
        "..",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        ".hidden.jsonl",
        ".git/a.jsonl",
        "..%2fother",
        "..\\other\\a.jsonl",
        "shown.jsonl",
        str(place / "workspace" / "jobs" / "1" / "a.jsonl"),
        str(place / "workspace"),
        str(place / "workspace" / "uploads"),
    ]


NOWHERE = [
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "https://example.org/a.jsonl",
    "hf://datasets/a/b",
    "s3://a/b",
    "\uff0fetc\uff0fpasswd",
    "\uff0e\uff0e/other/a.jsonl",
    "A.JSONL",
    "absent.jsonl",
    "%2e%2e/other/a.jsonl",
    "C:\\a.jsonl",
    "a" * 300,
    "a/" * 1500,
    "--path",
    "a.jsonl --limit=1",
]
NO_TEXT = ["", "a\0.jsonl", "a\n.jsonl", "\x1b[2J", "x" * 5000]


def test_no_spelling_leads_out_of_the_allowed_folders(place):
    for text in outside(place):
        with pytest.raises(InputError, match="Only files below") as caught:
            access.readable(text)
        assert str(place / "data") in str(caught.value)


@pytest.mark.parametrize("text", NOWHERE)
def test_what_is_no_path_here_is_not_there(place, text):
    with pytest.raises(InputError, match="There is no file"):
        access.readable(text)


@pytest.mark.parametrize("text", NO_TEXT)
def test_what_no_path_can_be_is_refused(place, text):
    with pytest.raises(InputError, match="no path has"):
        access.readable(text)


def test_elsewhere_not_even_the_existence_is_told(place):
    there = str(place / "other" / "a.jsonl")
    said = []
    for text in (there, str(place / "other" / "b.jsonl")):
        with pytest.raises(InputError) as caught:
            access.readable(text)
        said.append(str(caught.value))
    assert said[0] == said[1]


AS_ON_THE_HUB = ("out", "out.jsonl", "out/a.jsonl", "far/passwd", "shown.jsonl")
"""Links out that read like a hub's names: jobs do not look for names in the allowed folders."""


@pytest.mark.parametrize("check", [access.readable, access.model, access.losses, access.test_set])
def test_each_kind_of_name_is_held_to_it(place, check):
    for text in outside(place):
        if check is access.model and text in AS_ON_THE_HUB:
            assert check(text) == text
            assert not (ROOT / text).exists()
            continue
        with pytest.raises(InputError):
            check(text)


def test_a_hub_field_takes_no_path(place):
    spellings = [text for text in outside(place) if text not in AS_ON_THE_HUB]
    spellings += [text for text in NOWHERE if not text.endswith((".jsonl", ".JSONL"))]
    for text in [*spellings, *NO_TEXT, "a.jsonl/x/y", str(place / "data" / "a.jsonl")]:
        with pytest.raises(InputError):
            access.hub(text)


@given(text=st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_is_refused_or_lies_inside(place, text):
    for check in (access.readable, access.dataset, access.losses):
        try:
            found = pathlib.Path(check(text))
        except InputError:
            continue
        if found.is_absolute():
            assert found.is_relative_to(place / "data")


def test_what_lies_inside_is_found_however_it_is_written(place):
    data = place / "data"
    (data / "link.jsonl").symlink_to(data / "sub" / "a.jsonl")
    for text in ("sub/a.jsonl", "./sub/a.jsonl", "sub/../sub/a.jsonl", "link.jsonl"):
        assert access.readable(text) == data / "sub" / "a.jsonl"
    assert access.readable(f"{data}/sub/a.jsonl") == data / "sub" / "a.jsonl"
    assert access.readable("sub") == access.readable("sub/") == data / "sub"
    (data / "Größe 数据 😀.jsonl").write_text(ROW)
    assert access.readable("Größe 数据 😀.jsonl").exists()


def test_several_folders_are_searched_in_order(place, monkeypatch):
    other = place / "other"
    (other / "b.jsonl").write_text(ROW)
    allow(monkeypatch, place / "data", "", other)
    assert allowed.folders() == [place / "data", other]
    assert allowed.where() == f"{place}/data or {other}"
    assert access.readable("a.jsonl") == place / "data" / "a.jsonl"
    assert access.readable("b.jsonl") == other / "b.jsonl"
    assert access.readable(f"{other}/a.jsonl") == other / "a.jsonl"


def test_a_link_from_one_allowed_folder_to_another_is_followed(place, monkeypatch):
    (place / "data" / "out").symlink_to(place / "other")
    allow(monkeypatch, place / "data", place / "other")
    assert access.readable("out/a.jsonl") == place / "other" / "a.jsonl"


def test_without_folders_the_repository_is_allowed(place, monkeypatch):
    monkeypatch.delenv("S2L_DATA")
    assert allowed.folders() == [ROOT]
    assert access.readable("README.md") == ROOT / "README.md"
    for text in (".streamlit/config.toml", ".git/config", ".venv/pyvenv.cfg"):
        with pytest.raises(InputError, match="hidden"):
            access.readable(text)


def test_a_hidden_folder_that_is_named_as_allowed_is(place, monkeypatch):
    (place / "home" / ".cache").mkdir()
    (place / "home" / ".cache" / "a.jsonl").write_text(ROW)
    allow(monkeypatch, "~/.cache")
    assert access.readable("a.jsonl").parent == place / "home" / ".cache"


ODD = {
    "pipe": lambda path: os.mkfifo(path),
    "circle": lambda path: path.symlink_to(path),
    "out": lambda path: path.symlink_to("/etc/passwd"),
    "folder out": lambda path: path.symlink_to("/etc"),
}


@pytest.mark.parametrize("kind", [*ODD, "socket"])
@pytest.mark.parametrize("below", ["", "deep"])
def test_a_folder_that_holds_something_odd_is_refused_and_so_is_that(place, kind, below):
    folder = place / "data" / "sub"
    odd = folder / below / "b.jsonl"
    odd.parent.mkdir(exist_ok=True)
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(odd))
    else:
        ODD[kind](odd)
    for path in (folder, odd):
        with pytest.raises(InputError):
            access.readable(str(path))


def test_a_folder_may_hold_links_inside_a_circle_of_folders_and_hidden_files(place):
    folder = place / "data" / "sub"
    (folder / "again").symlink_to(folder)
    (folder / "beside.jsonl").symlink_to(place / "data" / "a.jsonl")
    (folder / "gone.jsonl").symlink_to(folder / "nothing.jsonl")
    (folder / ".cache").symlink_to("/etc")
    assert access.readable("sub") == folder


def test_a_folder_of_too_many_files_and_one_that_holds_the_workspace_are_refused(
    place, monkeypatch
):
    monkeypatch.setattr(allowed, "MOST", 3)
    for i in range(4):
        (place / "data" / "sub" / f"{i}.jsonl").touch()
    with pytest.raises(InputError, match="more than 3 files"):
        access.readable("sub")
    allow(monkeypatch, place)
    with pytest.raises(InputError, match="the workspace itself"):
        access.readable(str(place))


def test_a_file_is_no_folder_and_a_folder_no_file(place):
    with pytest.raises(InputError, match="is a folder"):
        access.readable("sub", directories=False)
    with pytest.raises(InputError, match="is no folder"):
        access.readable("a.jsonl", files=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_the_server_may_not_read_is_a_sentence(place):
    (place / "data" / "a.jsonl").chmod(0)
    (place / "data" / "sub").chmod(0)
    for text in ("a.jsonl", "sub", "sub/a.jsonl"):
        with pytest.raises(InputError):
            access.readable(text)
    (place / "data" / "sub").chmod(0o700)


OWN = ["uploads/ab/a.jsonl", "dataset/1/x.parquet", "finetune/1/model/config.json", "exports/1/a"]


@pytest.mark.parametrize("name", OWN)
def test_what_the_workspace_keeps_can_be_read(place, name):
    path = place / "workspace" / name
    path.parent.mkdir(parents=True)
    path.write_text(ROW)
    assert access.readable(str(path)) == path


def test_folders_of_models_that_were_made_here_are_models(place):
    for name in ("finetune/1/model", "trajectories/1/proxy", "cache/base/1/puzzle-base"):
        folder = place / "workspace" / name
        folder.mkdir(parents=True)
        assert access.model(str(folder)) == str(folder)


def test_uploads_are_files_never_a_model_or_a_folder_of_data(place):
    """Files uploaded one by one could together be a model that names another place."""
    folder = place / "workspace" / "uploads" / "ab"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    for path in (folder, folder.parent):
        for check in (access.readable, access.model):
            with pytest.raises(InputError, match="Only files below"):
                check(str(path))


HUB = ["owner/name", "name", "owner/name:config", "a-b/c.d_e:20231101.en", "squad", "o/n:a b+c,d"]


@pytest.mark.parametrize("text", HUB)
def test_hub_ids(place, text):
    assert access.hub(text) == access.dataset(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "a/b/c",
        "/a/b",
        "a/",
        "/a",
        "./a",
        "../a",
        "a/..",
        "a/.",
        ".",
        "..",
        "~",
        "~/a",
        "a//b",
        "a b/c",
        "-a/b",
        "a/-b",
        "a--b/c",
        "a..b",
        "a/b.git",
        "a/b:",
        ":a",
        "a/b:/etc",
        "a/b:../c",
        "a/b:.c",
        "a/b:-c",
        "a/b:c:d",
        "a/b:*",
        "a/b\n",
        "ä/b",
        "a/\uff42",
        "x" * 97,
        "a/" + "x" * 97,
        "a\\b",
        "http://a/b",
        "a/b?x",
        "a@b/c",
        "a/b@main",
        "a/b:" + "c" * 201,
        "a/b:c\u202e",
    ],
)
def test_no_hub_ids(place, text):
    with pytest.raises(InputError):
        access.hub(text)


@pytest.mark.parametrize("text", ["core/dataset", "tests", "pages/study.py", "README.md", "tests/"])
def test_a_hub_id_that_a_job_would_find_beside_the_program_is_refused(place, text):
    with pytest.raises(InputError):
        access.hub(text)


def test_file_types_are_no_hub_ids(place):
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    assert {"text", "json", "csv"} <= set(_PACKAGED_DATASETS_MODULES)
    for name in _PACKAGED_DATASETS_MODULES:
        with pytest.raises(InputError, match="file type"):
            access.hub(name)


MODELS = ["scratch:tiny", "shrink:gpt2:4", "shrink:a/b:4:trim", "shrink:scratch:small:2", "a/b"]


@pytest.mark.parametrize("text", MODELS)
def test_models_that_are_no_folders(place, text):
    assert access.model(text) == text


def test_models_that_are_folders(place, monkeypatch):
    whole = str(place / "data" / "model")
    for text in ("model", "./model", whole):
        assert access.model(text) == whole
    assert access.model("shrink:model:4:trim") == f"shrink:{whole}:4:trim"
    assert access.model(f"shrink:{whole}:4") == f"shrink:{whole}:4"
    allow(monkeypatch, ROOT)
    assert access.model("tests/fixtures") == "tests/fixtures"  # as earlier runs have it


@pytest.mark.parametrize(
    "text",
    [
        "{}/other/model",
        "../other/model",
        "shrink:{}/other/model:4",
        "shrink:shrink:{}/other/model:4:2",
        "shrink:../other/model:4:trim",
        "shrink:/etc:1",
        "shrink::4",
        "shrink:x",
        "./a.jsonl",
        "a/b:c",
        "tests",
        "",
    ],
)
def test_models_that_a_page_may_not_name(place, text):
    with pytest.raises(InputError):
        access.model(text.format(place))


def test_a_test_set_is_a_file_or_an_id(place, finished, monkeypatch):
    assert access.test_set("") == ""
    assert access.test_set("a.jsonl") == str(place / "data" / "a.jsonl")
    monkeypatch.setenv("S2L_WORKSPACE", str(finished.root))
    assert access.test_set(finished.dataset) == finished.dataset
    for text in ("sub", "Makefile", "20000101-000000-none"):
        with pytest.raises(InputError):
            access.test_set(text)


def test_exports_go_to_the_workspace_alone(place):
    exports = place / "workspace" / "exports"
    assert access.writable(str(exports / "x")) == exports / "x"
    exports.mkdir()
    (exports / "out").symlink_to(place / "other")
    for path in (place / "other" / "x", exports, exports / "../jobs/1/x", exports / "out", "x"):
        with pytest.raises(InputError, match="write below"):
            access.writable(str(path))


PLAIN = {
    "lora_targets",  # layers of the model
    "name",
    "split",
    "prompt_column",
    "response_column",
    "source_column",
    "answer_column",
    "split_column",
    "id_column",
    "holdout",
    "features",
    "keep",
    "edits",
    "budget",
    "quotas",
    "strategies",
    "seeds",
    "match",
    "map",
    "license",
    "score_column",
    "report_to",
    "budgets",
}
"""Settings whose text is a name, a number or a rule, and never opened."""
IDS = {
    "dataset",
    "trajectories",
    "clusters",
    "selection",
    "selections",
    "parent",
    "extend",
    "keep",
    "finetune",
    "clusterings",
}
"""Settings whose text is an artifact's id, looked up by a grammar that no path has."""


@pytest.mark.parametrize("noun", NOUNS)
def test_every_text_of_every_noun_says_what_it_names(noun):
    cls = importlib.import_module(f"core.{noun}").Settings
    for spec in specs(cls):
        if spec.kind is str and not spec.choices and spec.name not in PLAIN | IDS:
            # an export's model is only written down, for another machine
            assert spec.names or (noun, spec.name) == ("export", "model"), spec.name


def of(cls, **given):
    return cls(**{s.name: "x" for s in specs(cls) if s.required} | given)


TARGETS = [trajectories.Settings, transfer.Settings, finetune.Settings, study.Settings]


@pytest.mark.parametrize("cls", TARGETS)
def test_settings_of_a_job_are_checked_as_a_whole(place, cls):
    made = of(cls, model="model")
    whole = str(place / "data" / "model")
    assert access.checked(made) == dataclasses.replace(made, model=whole)
    with pytest.raises(InputError, match="Only files below"):
        access.checked(of(cls, model=f"{place}/other/model"))
    with pytest.raises(InputError, match="no command takes"):
        access.checked(of(cls, name="a\0b"))
    with pytest.raises(InputError, match="at most 200 characters"):
        access.checked(of(cls, name="a" * 200_000))


@pytest.mark.parametrize(
    "made",
    [
        of(dataset.Settings, path="/etc/passwd"),
        of(dataset.Settings, path="~/secret.jsonl"),
        of(dataset.Settings, path="../other/a.jsonl"),
        of(trajectories.Settings, source="/etc/passwd"),
        of(finetune.Settings, eval="/etc/passwd"),
        of(study.Settings, eval="/etc/passwd"),
        of(export.Settings, out="/tmp/x"),
    ],
)
def test_every_setting_that_names_something_is_checked(place, made):
    with pytest.raises(InputError):
        access.checked(made)


def test_a_job_goes_on_with_what_it_had_where_that_is_the_same(place):
    whole = str(place / "data" / "model")
    access.checked(of(finetune.Settings, model=whole), again=True)
    access.checked(of(finetune.Settings, model="a/b"), again=True)
    with pytest.raises(InputError, match="start it anew"):
        access.checked(of(finetune.Settings, model="model"), again=True)


HOSTILE = [
    "--path=/etc/passwd",
    "-x",
    "--",
    "--workspace",
    "--resume",
    "a --b",
    "'; rm -rf x",
    "$(x)",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cls", [dataset.Settings, finetune.Settings, trajectories.Settings])
def test_a_text_never_becomes_another_flag(cls, text):
    noun = cls.__module__.split(".")[1]
    made = of(cls, name=text, **{s.name: text for s in specs(cls) if s.required})
    job = jobs.Job(
        **dict.fromkeys((f.name for f in dataclasses.fields(jobs.Job)), "")
        | {"argv": ("python", "-m", "core", noun, *to_argv(made), "--workspace", "/w")}
    )
    assert jobs.settings_of(job) == made
