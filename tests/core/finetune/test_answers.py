"""Verdicts on answers: pairs worked out by hand, and every gold of real test sets."""

import json
import pathlib
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.finetune import answers
from core.finetune.answers import MATCHERS, judge, matcher_of

SHARED = pathlib.Path(__file__).parents[4] / "shared" / "data"
real_data = pytest.mark.skipif(not SHARED.exists(), reason="the real data is not here")

PAIRS = [
    ("\\boxed{3.2 \\times 10^5}", "320000", True),
    ("\\boxed{20\\%}", "20\\%", True),
    ("\\boxed{0.2}", "20\\%", False),
    ("(3, 4)", "(4, 3)", False),
    ("\\{1, 2\\}", "\\{2,1\\}", True),
    ("[1,2)", "[1,2]", False),
    ("x = 5 or x = -2", "5, -2", True),
    ("x=-2, x=5", "5,-2", True),
    ("$x = 1$", "x=1", True),
    ("y=1", "x=1", False),
    ("\\pm 2", "2, -2", True),
    ("\\boxed{2x+3}", "y = 2x+3", True),
    ("\\boxed{3+2x}", "y = 2x + 3", True),
    ("\\boxed{10x-14y+22z+8=0}", "5x - 7y + 11z + 4 = 0", True),
    ("5", "5 \\text{ cm}", True),
    ("5 m", "5 \\text{ cm}", False),
    ("\\boxed{15\\text{ cm}^2}", "15\\mbox{ cm}^2", True),
    ("15", "15\\mbox{ cm}^2", True),
    ("\\boxed{1\\frac{4}{5}}", "1\\frac{4}{5}", True),
    ("1.8", "1\\frac{4}{5}", True),
    ("9/5", "1\\frac45", True),
    ("\\boxed{137.5}", "137 \\frac{1}{2}", True),
    ("\\boxed{52_8}", "52_8", True),
    ("\\boxed{52_9}", "52_8", False),
    ("42", "52_8", False),
    ("\\boxed{4210}", "4210_{5}", True),
    ("\\boxed{\\text{even}}", "\\text{even}", True),
    ("even", "\\text{even}", True),
    ("odd", "\\text{even}", False),
    ("None of the above", "N", False),
    ("None of the above", "A", False),
    ("A", "A", True),
    ("The answer is: A", "A", True),
    ("A. because", "A", True),
    ("(a)", "A", True),
    ("B) 12", "B", True),
    ("I think B", "A", False),
    ("I think it is C.", "C", True),
    ("Option D", "D", True),
    ("D is wrong, so the answer is (E)", "E", True),
    ("A man walks", "A", False),
    ("#### 1e999999999", "5", False),
    ("9**9**9", "5", False),
    ("5", "9**9**9", False),
    ("1,234", "1234", True),
    ("1, 234", "1234", True),
    ("12,34", "1234", False),
    ("", "5", False),
    ("5", "", False),
    ("   ", "x", False),
    ("Yes, it is.", "yes", True),
    ("No.", "yes", False),
    ("yes and no", "yes", False),
    ("-5", "5", False),
    ("+5", "5", True),
    ("5.0", "5", True),
    ("5.00", "5", True),
    ("05", "5", True),
    ("3:30", "3:30", True),
    ("3:30 pm", "3:30", False),
    ("\\frac{1}{2}", "0.50", True),
    ("1/2 cup", "1/2", True),
    ("half", "1/2", False),
    ("\\boxed{(-\\infty, 2) \\cup (3, \\infty)}", "(3,\\infty)\\cup(-\\infty,2)", True),
    ("(-\\infty, 2] \\cup (3, \\infty)", "(-\\infty, 2) \\cup (3, \\infty)", False),
    ("x \\in [-2,7]", "[-2,7]", True),
    ("-2 \\le x \\le 7", "x \\in [-2,7]", True),
    ("$-2\\leq x\\leq 7$", "-2 \\le x \\le 7", True),
    ("7 \\ge x \\ge -2", "-2 \\le x \\le 7", True),
    (
        "\\begin{pmatrix} -1/3 \\\\ 2/3 \\end{pmatrix}",
        "\\begin{pmatrix} -\\frac13 \\\\ \\frac23 \\end{pmatrix}",
        True,
    ),
    (
        "\\begin{pmatrix} 2/3 \\\\ -1/3 \\end{pmatrix}",
        "\\begin{pmatrix} -\\frac13 \\\\ \\frac23 \\end{pmatrix}",
        False,
    ),
    ("\\boxed{\\$18.90}", "18.9", True),
    ("18.9 dollars", "\\$18.90", True),
    ("€18.90", "18.9", True),
    ("£5", "5", True),
    ("1 \\pm \\sqrt{19}", "1-\\sqrt{19}, 1+\\sqrt{19}", True),
    ("1+\\sqrt{19}", "1 \\pm \\sqrt{19}", False),
    ("3, 5, 7", "7, 5, 3", True),
    ("3, 5", "3, 5, 7", False),
    ("3 5 7", "3, 5, 7", False),
    ("\\text{Evelyn}", "Evelyn", True),
    ("Evelyn is", "\\text{Evelyn}", False),
    ("The answer is Evelyn.", "\\text{Evelyn}", True),
    ("<think>5</think>6", "6", True),
    ("<think>5</think>6", "5", False),
    ("<think> 5", "5", False),
    ("so 5</think> the answer is 6", "6", True),
    ("The answer is 5.\n\nQuestion: x\nThe answer is 9", "5", True),
    ("The answer is 5.\n\nQ: x\nA: 9", "5", True),
    ("5<|im_end|>\n9", "5", True),
    ("3.14", "\\pi", False),
    ("3.14159265", "\\pi", True),
    ("0.333333", "1/3", True),
    ("0.33", "1/3", False),
    ("1000001", "1000000", False),
    ("\\sqrt{12}", "2\\sqrt{3}", True),
    ("(a+5)(b+2)", "ab+2a+5b+10", True),
    ("ab", "ba", False),
    ("cat", "act", False),
    ("1e3", "1000", True),
    ("1E-3", "0.001", True),
    ("1.5e2 meters", "150", True),
    ("10^3", "1000", True),
    ("2^{10}", "1024", True),
    ("seven", "7", False),
    ("7 apples", "7", True),
    ("7apples", "7", True),
    ("7 apples and 3 pears", "10", False),
    ("There are 7 apples.", "7", True),
    ("The answer is 7 or 8", "7", False),
    ("7 or 8", "7", False),
    ("7, 8", "7", False),
    ("7 and 8", "8", False),
    ("\\boxed{7} or \\boxed{8}", "7", False),
    ("12%", "12", True),
    ("12 percent", "12", True),
    ("0.12", "12", False),
    ("12 %", "12%", True),
    ("\\boxed{\\frac{x}{2}}", "x/2", True),
    ("x/2", "y/2", False),
    ("\\boxed{5^\\circ C}", "5", True),
    ("-3°", "-3", True),
    ("90 degrees", "90^\\circ", True),
    ("\\boxed{\\textbf{(C)}}", "C", True),
    ("\\boxed{\\text{C}}", "(C)", True),
    ("**C**", "C", True),
    ("C: because", "C", True),
    ("Answer: c", "C", True),
    ("(1,2),(3,4)", "(3,4),(1,2)", True),
    ("(1,2)", "1,2", False),
    ("\\{1\\pm\\sqrt{5},-2\\}", "\\{-2, 1+\\sqrt5, 1-\\sqrt5\\}", True),
    ("Paris", "paris", True),
    ("'Paris'", "Paris", True),
    ("Paris, France", "Paris", False),
    ("the Nile", "Nile", True),
    ("Über", "über", True),
    ("новый", "Новый", True),
    ("北京", "北京", True),
    ("北京。", "北京", True),
    ("inf", "\\infty", False),
    ("\\infty", "\\infty", True),
    ("undefined", "\\text{undefined}", True),
    ("5\xa0", "5", True),
    ("5 000", "5000", False),
    ("{5}", "5", True),
    ("__import__('os').system('x')", "5", False),
    ("\\boxed{x_{__class__}}", "5", False),
    ("The total is $5.00.", "5", True),
    ("Total: 5,000.", "5000", True),
    ("so 3*4=12", "12", True),
    ("=12", "12", True),
    ("12.", "12", True),
    ("12!", "12", False),
    ("#### .5", "0.5", True),
    ("#### .5", "5", False),
    ("\\boxed{-.5}", "-1/2", True),
    ("\\boxed{5\\mathrm{~m/s}}", "5", True),
    ("5 km/h", "5 \\text{ km/h}", True),
    ("5 km/h", "5 \\text{ m/s}", False),
    ("5 inches", "5\\text{ in}", True),
    ("1 hour", "1 hours", True),
    ("3x/y", "3", False),
    ("#### 1.5 x 10^3", "1500", True),
    ("\\boxed{x = 2 \\text{ or } x = 3}", "2, 3", True),
    ("\\boxed{2 \\text{ and } 3}", "\\{3, 2\\}", True),
    ("\\boxed{\\emptyset}", "\\varnothing", True),
    ("\\{\\}", "\\emptyset", True),
    ("0", "\\emptyset", False),
    ("Option C is correct", "C", True),
    ("A is wrong", "A", False),
    ("Both A and B", "B", False),
    ("A and B", "A", False),
    ("Answer: (A) and (B)", "A", False),
    ("Answer: A, B", "A", False),
    ("(B), as A is too small", "B", True),
    ("The answer is not A, it is B", "B", True),
    ("The answer is not B", "B", False),
    ("y = 2x + 1", "2x - y = -1", True),
    ("2x - y = -1", "y = 2x + 1", True),
    ("2x - y = 1", "y = 2x + 1", False),
    ("x - 5 = 0", "5", False),
    ("x = 3 - y", "y = 3 - x", True),
    ("costs $.50", "0.5", True),
    ("\uff0d5", "-5", True),
    ("#### \u20145", "-5", True),
    ("3\u00bd", "7/2", True),
    ("\\boxed{x\u00b2}", "x^2", True),
    ("{14 \\over 3}", "14/3", True),
    ("0.\\overline{3}", "1/3", True),
    ("1.2\\overline{45}", "\\frac{137}{110}", True),
    ("0.\\overline{3}", "0.3", False),
    ("5\n###\nQuestion: 6", "5", True),
    ("Paris\n### Question: Lima", "Paris", True),
]


@pytest.mark.parametrize(("prediction", "gold", "right"), PAIRS)
def test_verdicts(prediction, gold, right):
    assert judge(prediction, gold).right is right


@pytest.mark.parametrize(
    ("gold", "matcher"),
    [
        ("5", "number"),
        ("1,000", "number"),
        ("-3/4", "number"),
        ("5 cm", "number"),
        ("1e-3", "number"),
        ("2x + 3", "maths"),
        ("(1, 2)", "maths"),
        ("6+9i", "maths"),
        ("1, -2", "maths"),
        ("B", "choice"),
        (r"\text{(B)}", "choice"),
        ("Paris", "text"),
        ("12:30", "text"),
        ("the 3 wise men of Gotham", "text"),
    ],
)
def test_each_gold_chooses_its_matcher(gold, matcher):
    assert matcher_of(gold) == matcher


@pytest.mark.parametrize(
    ("prediction", "gold", "extracted", "where", "ran_on"),
    [
        (r"so \boxed{\frac{1}{2}}.", "1/2", r"\frac{1}{2}", "in a box", False),
        (r"\boxed{3", "3", "3", "in a box", False),
        ("3 + 4 = 7\n#### 7", "7", "7", "after ####", False),
        ("#### 72 apples", "72", "72 apples", "after ####", False),
        ("The answer is 18. She has 3.", "18", "18", "after 'answer'", False),
        ("It is 12, not 13.", "13", "13", "last number", False),
        ("I get $x = 4$", "x = 4", "x = 4", "last formula", False),
        ("7", "7", "7", "whole text", False),
        ("none at all", "7", "", "nothing found", False),
        ("#### 5\nQuestion: 2?\n#### 6", "5", "5", "after ####", True),
        ("I think it is (C)", "C", "C", "last letter", False),
    ],
)
def test_what_was_taken_from_where_is_kept(prediction, gold, extracted, where, ran_on):
    verdict = judge(prediction, gold)
    assert (verdict.extracted, verdict.where, verdict.ran_on) == (extracted, where, ran_on)
    assert verdict.right is (extracted != "")


def test_what_a_model_runs_on_to_counts_only_as_it_is():
    said = "#### 5\nQuestion: What is 3 + 3?\nAnswer: 6\n#### 6"
    assert judge(said, "5").right
    assert not judge(said, "6").right
    assert judge(said, "6", first_answer_only=False).right
    own = "#### 5\n[INST] and 3 + 3?\n#### 6"
    assert judge(own, "5", stops=("[INST]",)).right
    assert not judge(own, "5").right


def test_a_gold_that_is_a_solution_is_what_its_mark_says():
    assert judge("7", "3 + 4 = 7\n#### 7").right
    assert judge(r"\boxed{\frac12}", r"We get \boxed{0.5}.").right


def test_an_item_names_its_own_matcher():
    assert judge("it is BLUE-42!", r"BLUE-\d+", item={"verifier": "regex"}).right
    assert judge("it is blue", r"BLUE-\d+", item={"verifier": "regex"}).where == "nothing found"
    assert "broken" in judge("x", "(", matcher="regex").where
    assert "too long" in judge("a" * 40 + "!", r"(a|aa)+$", matcher="regex").where


@pytest.mark.parametrize(
    "text",
    [
        "#### 1e999999999",
        "9**9**9",
        "9^{9^{9^{9}}}",
        "1e-999999999",
        "9" * 100_000,
        r"\boxed{" + "{" * 5_000,
        r"\boxed{" + "(" * 900 + ")" * 900 + "}",
        r"\frac{" * 200 + "1" + "}{2}" * 200,
        "170!!!!!!",
        "1" * 390 + "^" + "9" * 390,
        "-" * 900 + "1",
        "a" * 50_000 + "=" * 50_000,
        "$" * 39_999,
        "<think>" * 5_000,
        r"\sqrt" * 190 + "2",
        "answer " * 5_000,
        "answer is " * 4_000,
        "\n" * 40_000,
        "\n#" * 20_000,
        r"\(" * 20_000,
        r"\[" * 20_000,
        r"\text{" * 6_000,
        "1," * 20_000,
        "1 and " * 160,
        "__import__('os').system('true')",
    ],
    ids=lambda text: text[:12],
)
def test_nothing_hangs_and_nothing_is_run(text):
    began = time.process_time()
    for gold in ("5", "x^2", "(1, 2)", "B", "Paris"):
        assert not judge(text, gold).right
        judge("5", text)
    assert time.process_time() - began < 5  # ten verdicts, each far below a second


@given(st.text(max_size=60), st.text(max_size=30))
@example("\x00", "\ud800")
def test_any_two_texts_have_a_verdict(prediction, gold):
    verdict = judge(prediction, gold)
    assert verdict.matcher in MATCHERS
    assert not (verdict.right and not gold.strip())


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_a_number_is_right_however_it_is_written(n, d):
    for written in (f"{n}", f"{n:,}", f"{n}.0", rf"\boxed{{{n}}}", f"#### {n}", f"It is {n}."):
        assert judge(written, str(n)).right
        assert not judge(written, str(n + 1)).right
    assert judge(rf"\frac{{{n}}}{{{d}}}", f"{n}/{d}").right
    assert not judge(rf"\frac{{{n}}}{{{d}}}", f"{n + 1}/{d}").right


def test_the_tasks_own_verifier():
    import reasoning_gym

    item = reasoning_gym.create_dataset("number_sorting", size=1, seed=0)[0]
    entry = {
        "verifier": "reasoning-gym",
        "task": "number_sorting",
        "prompt": item["question"],
        "answer": item["answer"],
        "metadata": json.dumps(item["metadata"], default=str),
    }
    assert judge(item["answer"] + "\n", item["answer"], item=entry).right
    for nonsense in ("", "no", "[", "['1'", "\x00", "9" * 5000, "__import__('os')"):
        assert not judge(nonsense, item["answer"], item=entry).right


@real_data
def test_the_golden_verdicts():
    rows = [json.loads(line) for line in (SHARED / "answers_golden.jsonl").open()]
    assert len(rows) >= 90
    assert [r for r in rows if judge(r["prediction"], r["gold"]).right is not r["right"]] == []


@real_data
@pytest.mark.parametrize("file", ["eval_gsm8k", "eval_math500", "eval_svamp"])
def test_every_gold_is_itself_and_no_other(file):
    rows = [json.loads(line) for line in (SHARED / f"{file}.jsonl").open()]
    golds = sorted({row["answer"] for row in rows})
    for gold in golds:
        assert judge(rf"\boxed{{{gold}}}", gold).right, gold
        assert judge(gold, gold).right, gold
    wrong = [
        r["answer"] for r in rows if "output" in r and not judge(r["output"], r["answer"]).right
    ]
    assert wrong == []  # the worked solutions
    read = [answers.understand(gold) for gold in golds]
    alike = {
        (a, b)
        for i, a in enumerate(golds)
        for j, b in enumerate(golds[:i])
        if answers.same(read[i], read[j])
    }
    assert {tuple(sorted(map(face_value, pair))) for pair in alike} <= SAME_BY_POLICY


SAME_BY_POLICY = {
    ("-2,1", "1,-2"),  # lists are not ordered
    ("40", "40_9"),  # a base counts where both name one
    (r"\frac{1}{4}", r"\frac{1}{4}"),
    ("5", "x=5"),
    *((n, n) for n in ("10080", "120", "15", "30", "36", "90", r"2\sqrt{5}")),
}
"""Currency, degrees and units aside."""


def face_value(gold):
    for mark in ("^\\circ", "\\$", "\\!", ",\\!", "\\mbox{ cm}^2", " "):
        gold = gold.replace(mark, "")
    return gold.replace("10,080", "10080").replace(r"\frac14", r"\frac{1}{4}")
