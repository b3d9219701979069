"""One odd row never stops a run and is named; an odd template is refused in one sentence."""

import json
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.jobs import bounds
from core.model import tokens as tokens_module
from core.model.conversation import split_extras
from core.model.pool_texts import PoolTexts
from core.model.templates import renderer
from core.model.token_roles import pieces
from core.model.tokens import tokenize
from core.trajectories.artifact import no_row_left, pool_rows
from core.workspace.store import Workspace
from tests.core.model import chat_tokenizers as known

SYSTEM = {"role": "system", "content": "Be brief."}


def talk(i, *more):
    question = {"role": "user", "content": f"Question {i}?"}
    return [question, {"role": "assistant", "content": f"Answer {i}."}, *more]


def imported(folder, talks):
    """Import conversations, and keep what their turns have beside role and content."""
    workspace = Workspace(folder / "workspace")
    file = folder / "talks.jsonl"
    plain = [split_extras(t)[0] for t in talks]
    file.write_text("".join(json.dumps({"messages": t}) + "\n" for t in plain))
    dataset = workspace.open(load_all(workspace, file), "dataset")
    examples = dataset.path / "examples.parquet"
    table = pq.read_table(examples)
    extras = {json.dumps(split_extras(t)[0]): split_extras(t)[1] for t in talks}
    column = [extras[json.dumps(m)] for m in table.column("messages").to_pylist()]
    if "extras" in table.schema.names:
        table = table.drop(["extras"])
    pq.write_table(table.append_column("extras", pa.array(column, pa.string())), examples)
    return workspace, dataset


def load_all(workspace, file):
    from core import dataset

    return dataset.run(workspace, dataset.Settings(path=str(file), holdout="0"))


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Twenty conversations; Gemma's template takes neither row 3 nor row 7."""
    talks = [talk(i) for i in range(20)]
    talks[3] = [SYSTEM, *talks[3]]
    talks[7] = [{"role": "assistant", "content": "Hello!"}, *talks[7]]
    talks[9] = [talks[9][0], {**talks[9][1], "train": False}]
    return imported(tmp_path_factory.mktemp("odd"), talks)


def test_a_row_that_the_template_refuses_is_skipped_and_named(odd, capsys):
    workspace, dataset = odd
    tokenizer = known.tokenizer("gemma")
    tokens = tokenize(workspace, dataset, tokenizer, "chat")
    said = capsys.readouterr().err
    assert (
        "1 of 20 rows is skipped (row 3): the template refuses it: System role not supported"
        in said
    )
    assert tokens.remarks.refused[7].endswith("Conversation roles must alternate")
    assert tokens.full_lengths()[[3, 7]].tolist() == [0, 0]
    assert tokens.untrained() == {**tokens.remarks.refused, 9: "it has no reply to train on"}
    for r in (0, 8, 19):
        ids, mask = tokens.row(r)
        assert tokenizer.decode(ids[mask]) == f"Answer {r}.<end_of_turn>"
    again = tokenize(workspace, dataset, tokenizer, "chat", 12)
    assert again.remarks == tokens.remarks
    assert "row 3" in capsys.readouterr().err, "said from the cache, too"


def test_flags_say_why_a_row_is_not_trained(odd):
    workspace, dataset = odd
    tokens = tokenize(workspace, dataset, known.tokenizer("gemma"), "chat")
    rows, flags = pool_rows(dataset, tokens, limit=0, seed=0)
    assert sorted(rows) == [r for r in range(20) if r not in (3, 7, 9)]
    assert (flags["flag"][[3, 7, 9]] == "no response token").all()
    assert flags["reason"][3] == "the template refuses it: System role not supported"
    assert flags["reason"][[0, 19]].tolist() == ["", ""]
    cut = tokenize(workspace, dataset, known.tokenizer("gemma"), "chat", 4)
    _, flags = pool_rows(dataset, cut, limit=0, seed=0)
    assert flags["reason"][0] == "its prompt fills all 4 tokens"
    assert str(no_row_left(dataset, cut)).startswith(
        "no row of talks has a response token left within 4 tokens; raise --max-length (17 of 20"
    )


def test_rows_that_are_only_read_in_part_are_noted(odd):
    workspace, dataset = odd
    tokens = tokenize(workspace, dataset, known.tokenizer("chatml"), "chat")
    assert list(tokens.remarks.noted.values()) == [[7]]
    assert not tokens.remarks.refused
    glm = tokenize(workspace, dataset, known.tokenizer("glm4"), "chat")
    assert any("'<|user|>' is put there" in s for s in glm.remarks.sentences(20))
    whole = pd.Series(glm.response_lengths() > 0)
    ended = [glm.row(r)[0][-1] for r in range(20) if whole[r]]
    assert set(ended) == {known.tokenizer("glm4").convert_tokens_to_ids("<|user|>")}


def test_a_dataset_that_a_template_refuses_whole_says_why(tmp_path):
    workspace, dataset = imported(tmp_path, [[SYSTEM, *talk(i)] for i in range(4)])
    tokens = tokenize(workspace, dataset, known.tokenizer("gemma"), "chat")
    assert str(no_row_left(dataset, tokens)).endswith(
        "choose another --template or --model (4 of 4 rows: the template refuses it: System role "
        "not supported)"
    )


def test_a_trimmed_models_texts_leave_such_rows_out(odd):
    _, dataset = odd
    from core.model import pool_texts as module

    tokenizer = known.tokenizer("gemma")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.tokenizers, "load_tokenizer", lambda spec: tokenizer)
        texts = module.pool_texts(dataset, "shrink:gemma:2:trim")
        assert isinstance(texts, PoolTexts)
        assert [bool(t) for t in texts].count(False) == 2


def test_the_cache_is_of_this_dataset_tokenizer_and_template(odd, tmp_path):
    workspace, dataset = odd
    folder = workspace.cache / "tokens"

    def made():
        return {path.name for path in folder.iterdir()}

    tokenizer = known.make(known.source("chatml"), "<|im_end|>")
    tokenize(workspace, dataset, tokenizer, "chat")
    before = made()
    tokenize(workspace, dataset, known.make(known.source("chatml"), "<|im_end|>"), "chat", 9)
    assert made() == before, "the same again, seen through another length"
    tokenizer.chat_template = known.source("chatml").replace("<|im_end|>", "<|im_end|> ")
    first = tokenize(workspace, dataset, tokenizer, "chat")
    assert len(made()) == len(before) + 1
    tokenizer.chat_template = known.source("chatml")
    tokenizer.add_tokens(["Question"])
    second = tokenize(workspace, dataset, tokenizer, "chat")
    assert len(made()) == len(before) + 2
    assert len(first.ids) != len(second.ids)
    other, changed = imported(tmp_path, [talk(i + 1) for i in range(20)])
    assert changed.id != dataset.id
    assert (tokenize(other, changed, tokenizer, "chat").ids != second.ids[0]).any()


def test_a_template_that_asks_for_the_date_gives_the_same_tokens_any_day(odd, monkeypatch):
    workspace, dataset = odd
    tokenizer = known.tokenizer("gpt_oss")
    tokens = tokenize(workspace, dataset, tokenizer, "chat")
    assert "Current date: 2024-07-26" in tokenizer.decode(tokens.row(0)[0])
    before = len(list((workspace.cache / "tokens").iterdir()))
    monkeypatch.setattr(tokens_module, "TODAY", "another day")
    tokenize(workspace, dataset, tokenizer, "chat")
    assert len(list((workspace.cache / "tokens").iterdir())) == before + 1


PIECE = "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for %}", "cannot be read"),
        (PIECE + "{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        (PIECE + "{{ messages.append(1) }}", "unsafe"),
        (PIECE + "{% for i in range(10 ** 9) %}{% endfor %}", "fails on a question"),
        (PIECE + "{{ 9 ** (9 ** 9) }}", "a power of"),
        (PIECE + "{{ 'a' * 10 ** 9 }}", "repeats a text without end"),
        (PIECE + "{{ 1 / 0 }}", "division by zero"),
        (PIECE + "{{ raise_exception('no') }}", "the template refuses it: no"),
        (PIECE + "{% set f = f %}{{ nothing.at.all }}", "undefined"),
        ("nothing", "leaves answers out"),
        (PIECE + "{{ '%0999999999d' % 3 }}", "more than 0.5 GiB"),
        (PIECE + "{{ 'a'.center(10 ** 10) }}", "more than 0.5 GiB"),
        (PIECE + "{{ '{:>9999999999}'.format(3) }}", "more than 0.5 GiB"),
        (PIECE + "{{ [1] | batch(10 ** 9, 0) | list }}", "more than 0.5 GiB"),
        (
            PIECE + "{% set n = namespace(t='ab') %}"
            "{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
            "more than 0.5 GiB",
        ),
    ],
)
def test_a_template_that_is_none_is_refused_in_one_sentence(template, words):
    with pytest.raises(InputError, match=words) as refused:
        renderer("chat", known.make(template, "</s>"))
    assert "\n" not in str(refused.value)
    assert "--template alpaca or plain" in str(refused.value)


def test_a_template_that_does_not_end_is_stopped(monkeypatch):
    monkeypatch.setattr(bounds, "SECONDS", 0.3)
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    began = time.monotonic()
    with pytest.raises(InputError, match="has not rendered a conversation after 0 s"):
        renderer("chat", known.make(PIECE + loop, "</s>"))
    assert time.monotonic() - began < 5


def test_pieces_show_what_is_only_read(odd):
    tokenizer = known.tokenizer("chatml")
    render = renderer("chat", tokenizer)
    made = pieces(tokenizer, render, [*talk(1), *talk(2)], "chat")
    assert "".join(p.text for p in made if p.role == "trained") == (
        "Answer 1.<|im_end|>Answer 2.<|im_end|>"
    )
    marked = [*talk(1), *talk(2)]
    marked[1] = {**marked[1], "train": False}
    made = pieces(tokenizer, render, marked, "chat")
    assert "".join(p.text for p in made if p.role == "trained") == "Answer 2.<|im_end|>"
    assert np.mean([p.role == "trained" for p in made]) < 0.5
