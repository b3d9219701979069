import html
import os
import pathlib
import re

import pytest

from core import dataset, jobs
from core.dataset.readers import SUFFIXES
from dashboard.frame import data, reader, server_files
from tests.conftest import NAME, SOURCE, rows, write
from tests.pages.conftest import fine, flags, has_button, press, typed, unescaped, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "dataset"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder whose files the server may read."""
    monkeypatch.setenv("S2L_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def choose(at, path):
    at.button_group(key="dataset:from").set_value("Path").run()
    return typed(at, "dataset:server", path)


def test_empty_it_says_what_will_stand_here(visit, bare):
    at = fine(visit(bare.root, "dataset"))
    assert "will appear here" in words(at)
    assert has_button(at, "Import")


def test_it_names_the_dataset_and_counts_its_rows(page):
    assert f"dataset: {NAME}, 160 rows" in words(page)
    facts = {m.label: m.value for m in page.metric}
    assert facts["Rows"] == "160 of 161"
    assert facts["Skipped"] == "1"


@pytest.mark.parametrize("seen_by", ["", "plain"])
def test_hostile_texts_stay_text(page, seen_by):
    if seen_by:
        next(b for b in page.selectbox if b.label == "As seen by").set_value(seen_by).run()
    source = next(b for b in page.selectbox if b.label == "Source")
    fine(source.set_value(SOURCE).run())
    shown = "".join(e.proto.body for e in page.get("html"))
    text = re.sub(r"</?mark[^>]*>", "", shown)  # its tokens have a mark each
    assert "&lt;script&gt;window.__pwned=1;alert(1)&lt;/script&gt;" in text
    assert set(re.findall(r"</?([a-z]+)", shown)) == {"pre", "mark"}
    assert "more characters" in shown
    assert SOURCE in words(page)  # in st.text, which renders nothing
    assert "<script" not in "".join(m.value for m in page.markdown)


def test_rows_are_marked_by_token_as_the_proxy_saw_them(page, copied):
    shown = [e.proto.body for e in page.get("html") if "<mark" in e.proto.body]
    proxy = copied.workspace.open(copied.trajectories)
    tokenizer = data.tokenizer(proxy.id)
    first = data.examples(copied.dataset, [0]).iloc[0]
    text = f"Q: {first['prompt']}\nA:{first['response']}<|end|>"
    parts = re.findall(r'background:([^"]+)">([^<]*)</mark>', shown[0])
    tokens = [tokenizer.decode([i]) for i in tokenizer(text)["input_ids"]]
    assert [html.unescape(p) for _, p in parts] == tokens
    trained = "".join(p for shade, p in parts if shade in reader.SHADES["trained"])
    assert html.unescape(trained) == f"{first['response']}<|end|>"


def test_before_a_proxy_rows_are_marked_by_character(page):
    fine(next(b for b in page.selectbox if b.label == "As seen by").set_value("alpaca").run())
    shown = next(e.proto.body for e in page.get("html"))
    assert "### Instruction:" in shown
    assert "Tokens show once a proxy has been trained" in words(page)


def test_sources_and_set_aside_rows_can_be_looked_at(page):
    page.session_state["dataset:tab"] = "Sources"
    fine(page.run())
    assert SOURCE in page.dataframe[0].value.index
    page.session_state["dataset:tab"] = "Skipped"
    fine(page.run())
    assert "1 of 161 rows were skipped" in words(page)


def test_a_file_on_the_server_is_imported_by_a_job(visit, bare, folder):
    write(folder / "mine.jsonl", rows())
    at = fine(choose(visit(bare.root, "dataset"), "mine.jsonl"))
    fine(press(at, "Import"))
    (job,) = jobs.jobs(bare)
    assert flags(job) == ["dataset", "--path", str(folder / "mine.jsonl")]
    assert jobs.wait(bare, job.id, 60).state == "done"
    fine(at.run())
    (made,) = bare.entries("dataset")
    assert at.query_params["dataset"] == made.id
    assert "160 of 161" in words(at)
    assert has_button(at, "Train a proxy on it")


def test_a_file_that_is_no_data_fails_with_a_sentence(visit, bare, folder):
    (folder / "noise.jsonl").write_bytes(bytes(range(256)) * 40)
    at = press(choose(visit(bare.root, "dataset"), "noise.jsonl"), "Import")
    (job,) = jobs.jobs(bare)
    assert jobs.wait(bare, job.id, 60).state == "failed"
    at.run()
    assert not at.exception
    (shown,) = at.error
    assert "Failed" in shown.value
    assert "Traceback" not in shown.value
    assert not bare.entries("dataset")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("absent.csv", "There is no file"),
        ("../secret.jsonl", "Only files below"),
        ("/etc/passwd", "Only files below"),
    ],
)
def test_a_path_that_cannot_be_read_says_why(visit, bare, folder, path, why):
    write(folder / "here.jsonl", rows())
    write(folder.parent / "secret.jsonl", rows())
    at = choose(visit(bare.root, "dataset"), path)
    (shown,) = at.error
    assert why in shown.value
    assert next(b for b in at.button if b.label == "Import").disabled


def test_a_bad_setting_shows_one_sentence(page):
    page.text_input(key="dataset:split_column").set_value("part").run()
    page.selectbox(key="dataset:holdout").set_value("0").run()
    (shown,) = page.error
    assert "“Split column”" in unescaped(shown.value)
    assert not page.exception


TABLES = {
    "a.tsv": b"question\tanswer\n1 + 1?\t2\n",
    "a.ndjson": b'{"question": "1 + 1?", "answer": "2"}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_what_the_engine_reads_can_be_uploaded(visit, bare, name):
    at = fine(visit(bare.root, "dataset"))
    assert [f".{s.lstrip('.')}" for s in at.file_uploader[0].proto.type] == list(SUFFIXES)
    assert name.partition(".")[2] in at.file_uploader[0].label
    assert at.file_uploader[0].label.endswith("at most 2,000 MB")
    at.file_uploader[0].upload(name, TABLES[name], "text/plain").run()
    fine(press(at, "Import"))
    (job,) = jobs.jobs(bare)
    assert jobs.wait(bare, job.id, 60).state == "done", jobs.log_tail(bare, job.id)


def pair(answer):
    return f'{{"question": "1 + 1?", "answer": "{answer}"}}\n'.encode()


def test_two_uploads_of_one_name_and_size_are_two_datasets(visit, bare):
    at = fine(visit(bare.root, "dataset"))
    for answer in "23":
        at.file_uploader[0].set_value(("week.jsonl", pair(answer), "text/plain")).run()
        fine(press(at, "Import"))
        assert jobs.wait(bare, jobs.jobs(bare)[0].id, 60).state == "done"
        at.run()
    newest, oldest = (bare.open(e.id) for e in bare.entries("dataset"))
    assert [a.name for a in (newest, oldest)] == ["week", "week"]
    texts = [data.examples(a.id, [0])["response"].iloc[0] for a in (oldest, newest)]
    assert texts == ["2", "3"]


@pytest.mark.parametrize(
    "name", ["a" * 250 + ".jsonl", "ü" * 120 + ".jsonl", "..a.jsonl", "数.jsonl"]
)
def test_an_upload_may_have_any_name(visit, bare, name):
    at = fine(visit(bare.root, "dataset"))
    fine(at.file_uploader[0].set_value((name, pair(2), "text/plain")).run())
    fine(press(at, "Import"))
    (job,) = jobs.jobs(bare)
    path = pathlib.Path(flags(job)[2])
    assert path.read_bytes() == pair(2)
    assert jobs.wait(bare, job.id, 60).state == "done", jobs.log_tail(bare, job.id)
    assert bare.entries("dataset")[0].name == path.stem


def test_an_upload_is_stored_once_however_often_the_page_is_drawn(visit, bare):
    at = fine(visit(bare.root, "dataset"))
    at.file_uploader[0].set_value(("a.jsonl", pair(2), "text/plain")).run()
    (stored,) = (p for p in (bare.root / "uploads").rglob("*") if p.is_file())
    written = stored.stat().st_ino
    fine(at.run())
    assert stored.stat().st_ino == written


def test_an_upload_that_cannot_be_kept_is_a_sentence(visit, bare):
    bare.root.mkdir()
    (bare.root / "uploads").write_text("in the way")
    at = fine(visit(bare.root, "dataset"))
    at.file_uploader[0].set_value(("a.jsonl", pair(2), "text/plain")).run()
    assert not at.exception
    assert "could not be kept" in at.error[0].value


def listed(at):
    at.button_group(key="dataset:from").set_value("Path").run()
    return at.selectbox(key="dataset:server").options


def test_what_can_be_read_is_listed_newest_first(visit, bare, folder):
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "saved").mkdir()
    (folder / "empty").mkdir()
    (folder / "saved" / "dataset_dict.json").write_text("{}")
    names = [f"rows{suffix}" for suffix in SUFFIXES] + ["sub/deep/a.jsonl"]
    for age, name in enumerate(names):
        (folder / name).touch()
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    (folder / ".hidden.jsonl").touch()
    (folder / "notes.md").touch()
    (folder / "loop").symlink_to(folder)
    for name in ("sub/deep", "saved"):
        os.utime(folder / name, (2e9, 2e9))
    at = fine(visit(bare.root, "dataset"))
    found = listed(at)
    assert sorted(found[:2]) == ["saved/", "sub/deep/"]
    assert [n for n in found if not n.startswith("saved")][1:] == names
    said = words(at)
    assert f"What lies below {folder} can be read (S2L_DATA)" in said
    assert f"The list has all {len(found)}" in said


def test_a_long_list_says_how_much_of_it_is_shown(visit, bare, folder, monkeypatch):
    monkeypatch.setattr(server_files, "SHOWN", 3)
    for i in range(7):
        (folder / f"{i}.jsonl").touch()
    at = fine(visit(bare.root, "dataset"))
    assert len(listed(at)) == 3
    assert "The list has the newest 3 of 7" in words(at)
    monkeypatch.setattr(server_files, "LOOKED_AT", 1)
    (folder / "deeper").mkdir()
    fine(at.run())
    assert "deeper folders were not looked at" in words(at)


def test_of_several_folders_a_name_that_stands_in_two_is_whole(visit, bare, folder, monkeypatch):
    other = folder.parent / "other"
    other.mkdir()
    for place in (folder, other):
        write(place / "a.jsonl", rows())
    write(other / "b.jsonl", rows())
    monkeypatch.setenv("S2L_DATA", f"{folder}{os.pathsep}{other}")
    at = fine(visit(bare.root, "dataset"))
    assert sorted(listed(at)) == sorted(["a.jsonl", str(other / "a.jsonl"), "b.jsonl"])
    assert f"{folder} or {other}" in words(at)
    at.selectbox(key="dataset:server").set_value(str(other / "a.jsonl")).run()
    fine(press(at, "Import"))
    assert flags(jobs.jobs(bare)[0])[2] == str(other / "a.jsonl")


@pytest.mark.parametrize("text", ["/etc/passwd", "../secret.jsonl", "core/dataset", "text", "a b"])
def test_the_hub_field_takes_hub_ids_only(visit, bare, folder, text):
    at = fine(visit(bare.root, "dataset"))
    at.button_group(key="dataset:from").set_value("Hub").run()
    at.text_input(key="dataset:hub").set_value(text).run()
    assert len(at.error) == 1
    assert next(b for b in at.button if b.label == "Import").disabled
    at.text_input(key="dataset:hub").set_value("owner/name:config").run()
    fine(at)
    assert not next(b for b in at.button if b.label == "Import").disabled


def test_test_rows_that_the_pool_gives_away_are_shown_beside_what_is_like_them(
    visit, bare, tmp_path
):
    talks = [
        {"question": f"Is {i} *odd*?", "answer": f"It is {i}.", "part": "train"} for i in range(9)
    ]
    copies = [{**talk, "part": "dev"} for talk in talks[:3]]
    strange = {**talks[4], "question": "Why?", "part": "![i](http://example.com/i)"}
    path = write(tmp_path / "parts.jsonl", [*talks, *copies, strange])
    dataset.run(bare, dataset.Settings(path=str(path), split_column="part"))
    at = fine(visit(bare.root, "dataset"))
    shown = words(at)
    assert "Rows held out because the split column says so: 3 marked dev." in shown
    assert "3 of 3 test rows repeat some of the 10 rows of the pool" in shown
    assert "their split is not understood: 1 marked ![i](http://example.com/i)" in shown
    assert not any("![i](" in warning.value for warning in at.warning), "markdown is escaped"
    (pairs,) = (t.value for t in at.dataframe if "alike by" in t.value)
    assert pairs["its prompt"].tolist() == ["Is 0 *odd*?", "Is 1 *odd*?", "Is 2 *odd*?"]
    assert pairs["prompt"].tolist() == pairs["its prompt"].tolist()


def test_the_doctor_shows_what_deserves_a_look_and_excludes_it(visit, copied):
    at = visit(copied.root, "dataset")
    at.session_state["dataset:tab"] = "Doctor"
    fine(at.run())
    said = words(at)
    assert "checks show rows to look at" in said
    assert "Tokens to train on" in said
    assert at.selectbox(key="dataset:doctor:model").value == copied.trajectories
    shown = "".join(e.proto.body for e in at.get("html"))
    assert "<mark" in shown, "a row, token by token"
    assert "<script" not in shown
    before = data.edits(copied.dataset).excluded
    assert not len(before)
    fine(at.button(key="doctor:exclude:trainable").click().run())
    assert len(data.edits(copied.dataset).excluded)
    fine(at.toggle(key="doctor:read:shortest").set_value(True).run())
    assert "row" in words(at)


def labelled(boxes, label):
    return next(box for box in boxes if box.label == label)


def test_a_file_is_shown_as_it_would_be_read_before_it_is_imported(visit, bare, folder):
    data = [{"findings": f"<b>f{i}", "impression": f"i{i}", "study": i} for i in range(8)]
    write(folder / "mine.jsonl", data)
    at = fine(choose(visit(bare.root, "dataset"), folder / "mine.jsonl"))
    shown = words(at)
    assert "Read as pairs of a prompt and a reply" in shown
    assert "Not in the conversations: study" in shown
    assert "Of the first 8 rows 8 can be used" in shown
    assert "&lt;b&gt;f0" in "".join(e.proto.body for e in at.get("html"))
    fine(press(at, "Add study to the prompt"))
    template = labelled(at.text_area, "Prompt as a template")
    assert template.value == "{findings}\n\n{study}"
    fine(template.set_value("Study {study}: {findings}").run())
    assert "Study 0: <b>f0" in words(at)
    fine(press(at, "Import"))
    (job,) = jobs.jobs(bare)
    assert flags(job)[3:] == [
        *("--map", "prompt=Study {study}: {findings}", "--map", "response=impression")
    ]
    assert jobs.wait(bare, job.id, 60).state == "done"
    write(folder / "next.jsonl", data[:3])
    at = fine(choose(visit(bare.root, "dataset"), folder / "next.jsonl"))
    made = labelled(at.selectbox, "As in an earlier import")
    fine(made.set_value(made.options[0] if made.value else bare.entries("dataset")[0].id).run())
    assert "Study 0: <b>f0" in words(at)


def test_columns_found_by_their_names_are_named_in_their_widgets(visit, bare, folder):
    write(folder / "named.jsonl", [{"prompt": "x", "response": "y", "source": "s"}] * 3)
    at = fine(choose(visit(bare.root, "dataset"), folder / "named.jsonl"))
    unchosen = [labelled(at.selectbox, part).placeholder for part in ("Source", "Answer", "Id")]
    assert unchosen == ["source, by its name", "none", "none"]


def test_columns_that_say_nothing_are_asked_for(visit, bare, folder):
    write(folder / "odd.jsonl", [{"foo": "x", "bar": "y"}])
    at = choose(visit(bare.root, "dataset"), folder / "odd.jsonl")
    assert "No usable column: there are 'foo', 'bar'" in words(at)
    assert "--" not in "".join(w.value for w in at.warning)
    assert labelled(at.button, "Import").disabled
    labelled(at.multiselect, "Prompt, in this order").set_value(["foo"]).run()
    at = fine(labelled(at.selectbox, "Reply").set_value("bar").run())
    assert "Of the first 1 rows 1 can be used" in words(at)
    assert not labelled(at.button, "Import").disabled
    (folder / "odd.csv").write_text("Say apple,apple\nSay river,river\n")
    at = choose(at, folder / "odd.csv")
    assert "(names of columns, or the first row?)" in words(at)
    at = fine(
        labelled(at.toggle, "The first row is data, not names of columns").set_value(True).run()
    )
    labelled(at.multiselect, "Prompt, in this order").set_value(["column 1"]).run()
    at = fine(labelled(at.selectbox, "Reply").set_value("column 2").run())
    assert "Of the first 2 rows 2 can be used" in words(at)
    assert any("--no-header" in code.value for code in at.code)


def test_a_hub_dataset_is_shown_when_a_person_asks_and_not_before(visit, bare, monkeypatch):
    import datasets

    asked = []

    def streamed(*args, **kwargs):
        asked.append((args, kwargs))
        rows = [{"study_id": 1, "findings": f"clear {i}", "impression": "normal"} for i in range(9)]
        return datasets.Dataset.from_list(rows).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", streamed)
    at = visit(bare.root, "dataset")
    at.button_group(key="dataset:from").set_value("Hub").run()
    fine(at.text_input(key="dataset:hub").set_value("owner/reports").run())
    assert asked == []
    fine(press(at, "Show its first rows"))
    assert asked == [(("owner/reports", None), {"split": "train", "streaming": True})]
    assert "Prompt: findings; reply: impression" in words(at)
    assert "Not in the conversations: study_id" in words(at)
    assert len(asked) == 1
    assert not jobs.jobs(bare)
