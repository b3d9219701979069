import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from core.model import tokenizers as loading
from core.model import tokens
from core.model.pool_texts import pool_texts
from core.model.templates import render_spans, renderer
from core.model.token_roles import pieces
from core.model.tokens import Tokens, batches, encode, pad


@pytest.fixture(scope="module")
def tokenizer(finished):
    dataset = finished.workspace.open(finished.dataset)
    return loading.train_tokenizer(pool_texts(dataset, "scratch:tiny"), 400)


@pytest.fixture(scope="module")
def whole(finished, tokenizer):
    return tokens.tokenize(
        finished.workspace, finished.workspace.open(finished.dataset), tokenizer, "plain"
    )


def test_every_row_decodes_to_its_text(finished, whole, tokenizer):
    dataset = finished.workspace.open(finished.dataset)
    examples = pd.read_parquet(dataset.path / "examples.parquet")
    assert len(whole) == len(examples)
    for r in (0, 100, len(examples) - 3):
        ids, mask = whole.row(r)
        prompt, response = examples.loc[r, ["prompt", "response"]]
        assert tokenizer.decode(ids) == f"Q: {prompt}\nA:{response}<|end|>"
        assert tokenizer.decode(ids[mask]) == f"{response}<|end|>"


def test_a_straddling_token_counts_as_response(tokenizer):
    def glued(messages, opened):  # the space before the answer belongs to the prompt
        text = "".join("x" + m["content"] for m in messages)
        return text + ("x" if opened else "")

    talk = [{"role": "user", "content": "Is"}, {"role": "assistant", "content": "es"}]
    made = loading.train_tokenizer(["xes"] * 50, 300)
    ids, [(a, b)] = encode(made, glued, [talk], "glued")[0]
    assert "xes" in [made.decode([i]) for i in ids], "the token this test is about"
    assert made.decode(ids[a:b]) == "xes"


def test_the_cut_is_a_view(whole):
    short = whole.cut(12)
    assert short.ids is whole.ids
    assert short.lengths().max() == 12
    assert (short.full_lengths() == whole.full_lengths()).all()
    for t in (whole, short):
        counted = [t.row(r)[1].sum() for r in range(len(t))]
        assert t.response_lengths().tolist() == counted
    long = int(np.argmax(whole.full_lengths()))
    assert short.response_lengths()[long] == 0  # its answer lies behind the cut


def test_the_first_token_is_never_a_response_token():
    t = Tokens(
        np.arange(5, dtype=np.uint32),
        np.array([0, 3, 5]),
        np.array([[0, 3], [1, 2]]),
        np.array([0, 1, 2]),
        10,
    )
    assert t.row(0)[1].tolist() == [False, True, True]
    assert t.response_lengths().tolist() == [2, 1]
    ids, mask = pad(t, np.array([1, 0]), pad_id=9)
    assert ids.tolist() == [[3, 4, 9], [0, 1, 2]]
    assert mask.tolist() == [[False, True, False], [False, True, True]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200))
def test_batches_hold_every_row_once_within_the_budget(lengths, budget):
    lengths = np.array(lengths)
    rows = np.random.default_rng(0).permutation(len(lengths))
    parts = list(batches(lengths, rows, budget))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    for part in parts:
        assert len(part) == 1 or len(part) * lengths[part].max() <= budget


def test_the_cache_is_written_once_and_keyed_by_all_that_changes_tokens(
    finished, whole, tokenizer, monkeypatch
):
    dataset = finished.workspace.open(finished.dataset)
    folder = finished.workspace.cache / "tokens"
    before = {p.name for p in folder.iterdir()}
    assert not any(name.startswith(".") for name in before)

    with monkeypatch.context() as patch:
        patch.setattr(tokens, "_write", lambda *args: pytest.fail("written again"))
        again = tokens.tokenize(finished.workspace, dataset, tokenizer, "plain", 12)
    assert (again.ids == whole.ids).all()
    assert again.max_length == 12
    tokens.tokenize(finished.workspace, dataset, tokenizer, "alpaca")
    assert len(list(folder.iterdir())) == len(before) + 1
    eos = tokenizer.eos_token
    try:  # the same vocabulary with another end-of-text token is another text
        tokenizer.eos_token = "A"
        tokens.tokenize(finished.workspace, dataset, tokenizer, "plain")
    finally:
        tokenizer.eos_token = eos
    assert len(list(folder.iterdir())) == len(before) + 2


def test_a_failed_write_leaves_no_cache(finished, tokenizer):
    dataset = finished.workspace.open(finished.dataset)
    broken = dataclasses.replace(dataset, path=dataset.path / "nowhere")
    broken = dataclasses.replace(broken, manifest={**dataset.manifest, "id": "other"})
    before = {p.name for p in (finished.workspace.cache / "tokens").iterdir()}
    with pytest.raises(FileNotFoundError):
        tokens.tokenize(finished.workspace, broken, tokenizer, "plain")
    assert {p.name for p in (finished.workspace.cache / "tokens").iterdir()} == before


def test_pieces_are_the_tokens_that_training_sees(finished, whole, tokenizer):
    dataset = finished.workspace.open(finished.dataset)
    talks = pd.read_parquet(dataset.path / "examples.parquet", columns=["messages"])["messages"]
    render = renderer("plain", tokenizer)
    for r in (0, 50, len(talks) - 1):
        ids, mask = whole.row(r)
        made = pieces(tokenizer, render, [dict(m) for m in talks[r]], "plain")
        assert [p.text for p in made] == [tokenizer.decode([i]) for i in ids]
        assert [p.role == "trained" for p in made] == mask.tolist()
        short = pieces(tokenizer, render, [dict(m) for m in talks[r]], "plain", 5)
        assert [p.role == "cut" for p in short] == [i >= 5 for i in range(len(ids))]


@given(st.text(min_size=1), st.text(min_size=1))
def test_pieces_lose_no_character(tokenizer, question, answer):
    talk = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    render = renderer("plain", tokenizer)
    text, [(a, b)] = render_spans(render, talk, "plain")
    made = pieces(tokenizer, render, talk, "plain")
    assert "".join(p.text for p in made) == text
    trained = "".join(p.text for p in made if p.role == "trained")
    assert trained.endswith(text[a:b])  # a token across the border is trained whole


def by_all_offsets(encoding, char_spans):
    chars = np.array(encoding.offsets).reshape(-1, 2)
    spans = []
    for a, b in char_spans:
        first = int(np.searchsorted(chars[:, 1], a, "right"))
        last = int(np.searchsorted(chars[:, 0], b, "left"))
        spans.append((first, max(first, last)))
    return spans


@pytest.fixture(scope="module")
def splitters(tokenizer):
    """Return byte-level tokens, and words without the white space between them."""
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0, "a": 1, "\u00e9": 2}, "?"))
    words.normalizer = tokenizers.normalizers.NFC()
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return tokenizer.backend_tokenizer, words


@given(st.text("a\u00e9e\u0301 \n7\U0001f642", max_size=12), st.data())
def test_a_span_is_found_without_listing_every_token(splitters, text, data):
    places = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=4).map(sorted))
    spans = list(itertools.pairwise(places))[::2]
    for splitter in splitters:
        encoding = splitter.encode(text, add_special_tokens=False)
        assert tokens.token_spans(encoding, spans) == by_all_offsets(encoding, spans)
