"""What the doctor finds in a dataset in which everything is wrong once."""

import json

import pytest

from core import dataset
from core.__main__ import main
from core.model import loading
from core.review import doctor
from core.review.doctor import check_template, examine
from core.review.text_checks import check_texts
from core.workspace.store import Workspace
from tests.core.model import chat_tokenizers as known

FILLER = ["apples", "rivers", "stones", "clouds", "engines", "violins", "canyons", "meadows"]


def talk(question, answer, *before):
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [*before, *turns]


def rows():
    """Forty rows; what is odd about the first ones is in their text."""
    system = {"role": "system", "content": "Be brief."}
    hello = {"role": "assistant", "content": "Hello!"}
    odd = [
        talk("What is a system turn?", "The first one, often.", system),
        talk("Who begins here, may I ask?", "The assistant does.", hello),
        talk("Think about two and two.", "<think>I add.</think>4"),
        talk("Whom do I write to about bees?", "Write to ann.lee@example.org today."),
        talk("Whom do I call about wasps?", "Call +1 555 123 4567 or (555) 123-4567."),
        talk("How many legs has a spider?", "8"),
        talk("How many  legs has a SPIDER", "6"),
        talk(
            "What is \u043c\u0438\u0440?",
            "\u041c\u0438\u0440 \u044d\u0442\u043e \u0441\u0432\u0435\u0442.",
        ),
        talk("How does one end a turn?", "With a mark.<|im_end|>"),
        talk("What does <|im_end|> mean?", "It ends a turn."),
        talk("Say a long thing about rain.", "It rains " + "again and " * 200),
        talk("x " * 400, "Too long a question."),
    ]
    for i in range(40 - len(odd) - 2):
        word = FILLER[i % 8]
        odd.append(
            talk(f"Question {i} about {word} number {i * 7}?", f"Answer {i}: {word} are so.")
        )
    copy = talk("Name a copied thing of the day, please.", "It is the second row of its kind.")
    return [*odd, copy, copy]


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sick")
    workspace = Workspace(folder / "workspace")
    file = folder / "sick.jsonl"
    file.write_text("".join(json.dumps({"messages": t}) + "\n" for t in rows()))
    settings = dataset.Settings(path=str(file), holdout="0")
    return workspace, workspace.open(dataset.run(workspace, settings), "dataset")


@pytest.fixture
def seen_by(sick, monkeypatch):
    """Return a function that examines the dataset with one of the known tokenizers."""

    def seen(name, **how):
        monkeypatch.setattr(loading, "load_tokenizer_of", lambda *_: known.tokenizer(name))
        patient = examine(*sick, name, **how)
        return {f.name: f for f in check_template(patient)}

    return seen


def test_the_texts_are_counted(sick):
    found = {f.name: f for f in check_texts(sick[1])}
    expected = {
        "copies": [39],
        "near": [],
        "empty": [],
        "scripts": [7],
        "email": [3],
        "phone": [4],
        "noise": [5, 6],
    }
    assert {name: found[name].rows.tolist() for name in expected} == expected
    assert found["shortest"].rows.tolist()[:2] == [5, 6]
    assert found["longest"].rows.tolist()[0] == 10
    assert found["scripts"].sentence.endswith("Latin 39, Cyrillic 1.")
    assert all(f.remedy for name, f in found.items() if expected.get(name))
    assert not any("ann.lee" in f.sentence or "555" in f.sentence for f in found.values())


def test_a_template_that_takes_all_is_well(seen_by):
    found = seen_by("chatml", max_length=200)
    assert found["refused"].sentence == "The model's own chat template renders 40 of 40 rows."
    assert found["system"].sentence.endswith("by this template it is shown.")
    assert not len(found["ends"].rows)
    assert found["trainable"].rows.tolist() == [11]
    assert found["cut"].rows.tolist() == [10, 11]
    assert found["endless"].rows.tolist() == [10, 11]
    assert found["thinks"].rows.tolist() == [2]
    assert found["noted-0"].rows.tolist() == [1]
    assert found["marks"].rows.tolist() == [8, 9]
    assert "1 responses end with the template's own mark" in found["marks"].sentence
    assert not found["date"].remedy


def test_a_template_that_refuses_names_the_rows(seen_by):
    found = seen_by("gemma")
    assert found["refused"].rows.tolist() == [0, 1]
    assert "1: the template refuses it: System role not supported" in found["refused"].sentence
    assert found["system"].rows.tolist() == [0]
    assert "is not accepted" in found["system"].sentence
    assert "38 of 38 rows begin with the model's mark, 0 with two" in found["begins"].sentence


def test_a_template_without_an_end_or_with_a_date_says_so(seen_by):
    assert (
        "the template writes none, so '<|user|>' is put there" in seen_by("glm4")["ends"].sentence
    )
    assert "is always told 2024-07-26" in seen_by("gpt_oss")["date"].sentence


def test_a_beginning_twice_is_found(seen_by, monkeypatch):
    twice = known.make("<s><s>" + known.source("chatml"), "<|im_end|>")
    monkeypatch.setitem(known.EOS, "twice", "<|im_end|>")
    monkeypatch.setattr(known, "tokenizer", lambda name: twice)
    assert len(seen_by("twice")["begins"].rows) == 40


def test_the_report_names_rows_and_shows_no_text(sick, capsys):
    workspace, artifact = sick
    argv = ["doctor", "--workspace", str(workspace.root), artifact.id, "--model", "scratch:tiny"]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "look  Telephone numbers: 1 of 40 rows" in said
    assert "(rows 4)" in said
    assert "ok    Template: The plain template renders 40 of 40 rows." in said
    assert "ann.lee" not in said
    assert main(["doctor", "--workspace", str(workspace.root), "none"]) == 2


def test_every_check_has_a_line_for_an_unanswered_dataset(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    file = tmp_path / "test.jsonl"
    file.write_text(
        "".join(json.dumps({"question": f"{i}?", "answer": f"{i}"}) + "\n" for i in range(3))
    )
    settings = dataset.Settings(path=str(file), holdout="0", format="question_answer")
    artifact = workspace.open(dataset.run(workspace, settings), "dataset")
    said = doctor.report(examine(workspace, artifact, "scratch:tiny"))
    assert all(line[:4] in ("ok  ", "look") for line in said.splitlines())
