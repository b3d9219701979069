"""What a person says that the columns mean."""

import pytest
from hypothesis import assume
from hypothesis import given as examples
from hypothesis import strategies as st

from core import dataset
from core.dataset import mapping
from core.settings import from_argv, to_argv

CELLS = {"context": "c", "question": "q", "empty": "", "n": 3, "list": ["x", "y"]}


def fill(written, cells=CELLS, answer=None):
    return mapping.template(written, list(cells)).fill(cells, answer)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"{context}\n\n{question}", "c\n\nq"),
        ("{context}\n\n{question}", "c\n\nq"),
        (r"Read: {context}\n{n}", "Read: c\n3"),
        (r"{empty}\n\n{question}", "q"),
        (r"Facts: {empty}\n\n{question}\n\nAnswer:", "q\n\nAnswer:"),
        (r"{context} {empty}\n\n\n{question}", "c \n\n\nq"),
        (r"{{{question}}} \\n", "{q} \\n"),
        ("{QUESTION}", "q"),
        (r"{question}\n\n{list}", "q\n\nA. x\nB. y"),
    ],
)
def test_templates(written, text):
    assert fill(written) == text


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ("prompt", "takes PART=COLUMN"),
        ("promt=question", "is prompt meant"),
        ("prompt=question\nprompt=n", "names prompt twice"),
        ("id={n}", "id is one column, without braces"),
        ("conversation=list\nresponse=n", "give one of the two"),
    ],
)
def test_a_wrong_mapping_is_refused_before_any_data_is_read(declared, match):
    with pytest.raises(ValueError, match=match):
        dataset.Settings(path="x", map=declared)


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ("prompt={absent}", "'absent': no such column; there are 'context'"),
        ("prompt={question", "brace without its other"),
        ("response=absent", "--map response= 'absent': no such column"),
    ],
)
def test_a_mapping_that_does_not_fit_the_data(declared, match):
    with pytest.raises(ValueError, match=match):
        mapping.given(declared, {}, list(CELLS))
    with pytest.raises(ValueError, match="--map and --prompt-column both"):
        mapping.given("prompt=n", {"prompt": "n"}, list(CELLS))


@examples(st.text(), st.sampled_from(mapping.TEXTS))
def test_any_text_is_a_template_of_itself(said, part):
    """Braces and backslashes are written twice; what the page writes is read back."""
    assume("\n\n" not in said and "\r\n" not in said)
    written = said.replace("\\", r"\\").replace("{", "{{").replace("}", "}}")
    declared = mapping.lines(mapping.write({part: written + "{n}"}))
    assert mapping.template(declared[part], ["n"]).fill({"n": 3}) == said + "3"


def test_the_flag_is_given_once_a_part():
    argv = ["--path", "x", "--map", r"prompt={a}\n\n{b}", "--map", "response=c"]
    settings = from_argv(dataset.Settings, argv)
    assert settings.map == "prompt={a}\\n\\n{b}\nresponse=c"
    assert to_argv(settings) == argv
    real = from_argv(dataset.Settings, ["--path", "x", "--map", "prompt={a}\n\n{b}"])
    assert real.map == r"prompt={a}\n\n{b}"


def test_an_import_by_a_mapping(load):
    rows = [{"ctx": f"c{i}", "q": f"q{i}", "a": "yes", "who": "w", "key": i} for i in range(3)]
    declared = "prompt={ctx}\\n\\n{q}\nresponse=A\nsource=who\nid=key\nsystem=Be {who}."
    artifact = load(rows, map=declared)
    frame = dataset.examples(artifact)
    assert frame["messages"][1] == [
        {"role": "system", "content": "Be w."},
        {"role": "user", "content": "c1\n\nq1"},
        {"role": "assistant", "content": "yes"},
    ]
    assert (frame["id"].tolist(), set(frame["source"])) == (["0", "1", "2"], {"w"})
    assert artifact.config["map"] == declared
    assert artifact.summary["columns"]["prompt"] == r"{ctx}\n\n{q}"
    assert artifact.summary["left_out"] == []
    again = load(rows, map=artifact.config["map"])
    assert again.summary["fingerprint"] == artifact.summary["fingerprint"]


def test_a_conversation_by_a_mapping(load):
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows = [{"chosen": talk, "rejected": talk, "part": p} for p in ("train", "test")]
    frame = dataset.examples(load(rows, map="conversation=chosen\nsplit=part"))
    assert frame["messages"][0] == talk
    assert frame["split"].tolist() == ["pool", "holdout"]
