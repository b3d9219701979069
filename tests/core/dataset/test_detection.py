"""Which format a table has, and how sure that is."""

import pytest

from core.dataset.detection import UnclearColumns, detect
from core.dataset.examples import parse as parse_rows
from core.dataset.mapping import given
from core.dataset.readers import Rows
from core.dataset.settings import Settings, read_columns
from tests.core.dataset.conftest import parse

QA = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def look(row, **named):
    return detect(list(row), "auto", named, {name: [cell] for name, cell in row.items()})


def test_named_columns():
    row = {"a": "a", "q": "q", "instruction": "other", "output": "x"}
    assert parse(row, prompt="q", response="a") == ("columns", QA)
    assert parse(row, response="a")[1][0]["content"] == "other"
    assert parse({"text": "t"}, response="text") == (
        "columns",
        [{"role": "assistant", "content": "t"}],
    )


def test_names_of_columns_are_tolerant_of_case():
    named = given("", {"prompt": "findings", "response": "Impression "}, ["FINDINGS", "IMPRESSION"])
    assert named == {"prompt": "FINDINGS", "response": "IMPRESSION"}
    with pytest.raises(ValueError, match="may be any of 'A', 'a'"):
        given("", {"prompt": " a"}, ["A", "a"])


def test_numbers_for_answers_are_a_test_and_words_are_replies():
    numbers, words = ({"instruction": "q", "answer": a} for a in ("1,024", "Paris"))
    assert look(numbers).test_only
    assert look(numbers).parts == {"prompt": "instruction", "answer": "answer"}
    assert look(words).parts == {"prompt": "instruction", "response": "answer"}
    assert look(words).certainty == "likely"
    assert look({"question": "q", "answer": 4}).parts == {
        "prompt": "question",
        "response": "answer",
    }
    assert look(words, answer="answer").test_only


@pytest.mark.parametrize(
    ("row", "certainty", "left_out"),
    [
        ({"instruction": "q", "output": "a", "n": 1}, "sure", ("n",)),
        ({"findings": "q", "impression": "a", "study_id": 3}, "likely", ("study_id",)),
        ({"source": "q", "target": "a"}, "guess", ()),
        ({"question": "q", "choices": ["x"], "answer": 0, "subject": "s"}, "likely", ("subject",)),
        ({"dialog": ["q", "a"], "act": [1]}, "likely", ("act",)),
        ({"question": "q", "answer": "a", "options": 4}, "sure", ("options",)),
    ],
)
def test_what_is_left_out_is_named_with_how_sure_the_reading_is(row, certainty, left_out):
    reading = look(row)
    assert (reading.certainty, reading.left_out) == (certainty, left_out)


def test_a_column_plays_one_part():
    assert look({"task": "q", "solution": "a"}).parts == {"prompt": "task", "response": "solution"}
    row = {"instruction": "q", "output": "a", "context": "c"}
    assert look(row, prompt="context").parts == {"prompt": "context", "response": "output"}


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"foo": "x", "bar": "y"}, "'foo', 'bar'; name two of them with --prompt-column"),
        ({"prompt": "x"}, "no usable column"),
        ({"text": "Once upon a time"}, "'text' is the only one, .* no conversations"),
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, "--format preference"),
        ({"a": QA, "b": QA}, "'a', 'b' each hold conversations; .* --map conversation=a"),
    ],
)
def test_no_clear_reading(row, match):
    with pytest.raises(UnclearColumns, match=match) as e:
        look(row)
    assert "--" not in e.value.what


def test_a_format_that_does_not_fit():
    with pytest.raises(UnclearColumns, match="--format messages does not fit"):
        detect(["prompt", "completion"], "messages", {})
    with pytest.raises(
        ValueError, match="--response-column 'x': no such column; there are 'prompt'"
    ):
        given("", {"response": "x"}, ["prompt"])


def test_accepted_answers_as_squad_has_them():
    row = {"question": "q", "answers": {"text": ["a", "b"], "answer_start": [1, 9]}, "context": "c"}
    asked = [{"role": "user", "content": "q\n\nc"}]
    assert parse(row)[1] == [*asked, {"role": "assistant", "content": "a"}]
    trivia = {"question": "q", "answer": {"value": "a", "aliases": ["A"]}, "context": "c"}
    assert parse(trivia)[1] == [*asked, {"role": "assistant", "content": "a"}]
    none = {**row, "answers": '{"text": [], "answer_start": []}'}
    assert parse(none)[1] == [*asked, {"role": "assistant", "content": ""}]


def test_the_letter_of_the_right_choice_is_a_reply():
    row = {"question": "q", "options": ["A)x", "B)y"], "rationale": "r", "correct": "B"}
    assert parse(row)[1] == [
        {"role": "user", "content": "q\n\nA)x\nB)y"},
        {"role": "assistant", "content": "B"},
    ]
    assert look(row).left_out == ("rationale",)
    with pytest.raises(UnclearColumns):
        look({"question": "q", "correct": True})


@pytest.mark.parametrize(
    ("answers", "labels"), [([1, 2, 3], "123"), ([0, 1, 2], "012"), ([1, 2, 1], "012")]
)
def test_choices_are_numbered_as_the_answers_count_them(answers, labels):
    rows = [{"question": "q", "choices": list("xyz"), "answer": a} for a in answers]
    sample = {name: [row[name] for row in rows] for name in rows[0]}
    for named in ({}, given("prompt={question} {choices}", {}, list(sample))):
        reading = detect(list(sample), "auto", named, sample)
        found = parse_rows(Rows(sample, range(3), "index", []), reading.format, reading.parts)
        said = found.rows[0][1][0]["content"]
        assert [line[0] for line in said.removeprefix("q").split()[::2]] == list(labels)


def test_a_list_of_texts_is_a_conversation_only_by_the_name_of_its_column():
    assert look({"conversations": ["q", "a"]}).certainty == "likely"
    assert look({"conversations": [{"from": "human", "value": "q"}]}).certainty == "sure"


def test_a_first_row_taken_for_names_is_suspected():
    cells: dict[str, list[str]] = {"Say apple": ["Say river"], "apple": ["river"]}
    table = Rows(cells, [2], "line", [], {"delimiter": "comma"})
    with pytest.raises(UnclearColumns, match="--no-header where that is the first row"):
        read_columns(table, Settings(path="x"))


ENDINGS = {"ctx": "A man", "endings": ["sits", "runs"], "label": "1", "ind": 3}
DRUGS = {"question": "Which?", "opa": "x", "opb": "y", "opc": "z", "opd": None, "cop": 1}


@pytest.mark.parametrize(
    ("row", "form", "prompt", "reply"),
    [
        (ENDINGS, "question_answer", "A man\n\n0. sits\n1. runs", "1"),
        (DRUGS, "options", "Which?\n\n0. x\n1. y\n2. z", "1"),
        ({"goal": "Do", "sol1": "x", "sol2": "y", "label": 0}, "options", "Do\n\n0. x\n1. y", "0"),
        (
            {"sentence": "It _", "option1": "x", "option2": "y", "answer": "2"},
            *("options", "It _\n\n1. x\n2. y", "2"),
        ),
        (
            {"question": "Q", "a": "x", "b": "y", "answer": "B"},
            *("options", "Q\n\nA. x\nB. y", "B"),
        ),
        ({"question": "Q", "a": "x", "b": "y", "answer": "long"}, "question_answer", "Q", "long"),
        (
            {
                "inputs": [1, 2],
                "targets": [3],
                "inputs_pretokenized": "Q",
                "targets_pretokenized": "R",
            },
            *("two_columns", "Q", "R"),
        ),
        (
            {"question": "Q", "support": "S", "correct_answer": "R", "distractor1": "D"},
            *("question_answer", "Q\n\nS", "R"),
        ),
        ({"prompt": "def f", "canonical_solution": "R"}, "prompt_completion", "def f", "R"),
        (
            {"question": "Q", "context": {"contexts": ["S", "T"]}, "answer": "R"},
            *("question_answer", "Q\n\nS\n\nT", "R"),
        ),
    ],
)
def test_shapes_of_public_data(row, form, prompt, reply):
    found, turns = parse(row)
    assert (found, [turn["content"] for turn in turns]) == (form, [prompt, reply])


@pytest.mark.parametrize(
    ("row", "mapped", "said"),
    [
        (
            {"translation": {"de": "Hallo", "en": "Hello"}},
            "prompt=translation.de\nresponse=translation.en",
            ["Hallo", "Hello"],
        ),
        (
            {"prompt": "Q", "answers": [{"answer": "R", "rank": 1}]},
            "prompt={prompt}\nresponse=answers.0.answer",
            ["Q", "R"],
        ),
        (
            {
                "question": "Q",
                "context": {"contexts": ["S", "T"]},
                "long_answer": "R",
                "final": "yes",
            },
            "prompt={context.contexts}\\n\\n{question}\nresponse=long_answer",
            ["S\n\nT\n\nQ", "R"],
        ),
        (
            {
                "document": {"title": "D", "tokens": {"token": ["a", "b"], "is_html": [True]}},
                "question": {"text": "Q", "tokens": ["Q"]},
                "annotations": {
                    "long_answer": [{"start_token": 4}],
                    "short_answers": [{"start_token": [2], "text": ["R"]}],
                    "yes_no_answer": [-1],
                },
            },
            "prompt={question.text}\nresponse=annotations.short_answers.0.text.0",
            ["Q", "R"],
        ),
        ({"instruction": "Q", "instances": [{"input": "", "output": "R"}]}, None, ["Q", "R"]),
    ],
)
def test_what_is_not_clear_is_refused_with_the_mapping_that_reads_it(row, mapped, said):
    table = Rows({name: [cell] for name, cell in row.items()}, [0], "index", [])
    with pytest.raises(UnclearColumns) as refused:
        read_columns(table, Settings(path="x"))
    if mapped is None:
        mapped = "prompt={instruction}\nresponse=instances.0.output"
    response = mapped.rpartition("\n")[2]
    assert "--map prompt='" in str(refused.value)
    assert response in str(refused.value)
    assert mapped.partition("\n")[0].partition("=")[2] in str(refused.value)
    reading = read_columns(table, Settings(path="x", map=mapped))
    (_, turns, _) = parse_rows(table, reading.format, reading.parts).rows[0]
    assert [turn["content"] for turn in turns] == said


def test_a_key_that_no_cell_has_is_named():
    table = Rows({"translation": [{"de": "Hallo"}]}, [0], "index", [])
    with pytest.raises(ValueError, match=r"'translation.fr': no cell of 'translation' has"):
        read_columns(
            table, Settings(path="x", map="prompt=translation.fr\nresponse=translation.de")
        )


def test_a_name_that_is_only_digits_is_named_like_any_other():
    with pytest.raises(UnclearColumns, match="'response=3'"):
        look({"\u0661": "a text", "\u0662": "another", "3": "one more"})
