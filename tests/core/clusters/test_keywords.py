import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clusters.keywords import keywords, sampled


def test_keywords_set_clusters_apart_and_are_plain_words():
    texts = pd.Series(
        [
            "<script>alert(1)</script> apple apple",
            "apple & pear",
            "river 42 river",
            "the river\0 [x](y)",
        ]
    )
    names = keywords(texts, np.array([0, 0, 1, 1], np.int32))
    assert names[0].startswith("apple")
    assert names[1].startswith("river")
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz ·") for name in names)
    assert keywords(pd.Series(["1 + 1", "2"]), np.array([0, 1], np.int32)) == ["", ""]
    assert keywords(pd.Series(["42", "pear"]), np.array([0, 1], np.int32)) == ["", "pear"]


def test_keywords_count_whole_words_of_three_letters_in_any_script():
    texts = pd.Series(["ab abc1 x_yz Größe größe", "don't 3rd слово СЛОВО ok", "the and of"])
    assert keywords(texts, np.arange(3, dtype=np.int32)) == ["größe", "слово · don", ""]


@given(st.lists(st.integers(-1, 4), max_size=60), st.integers(1, 8))
def test_names_need_only_the_sampled_rows(labels, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.clusters.keywords.NAME_SAMPLE", most)
        labels = np.array(labels, np.int32)
        texts = pd.Series([f"word{'abc'[i % 3] * 3} item" for i in range(len(labels))], dtype=str)
        rows = sampled(labels)
        assert len(set(rows)) == len(rows)
        assert set(labels[rows]) == set(labels[labels >= 0])
        sizes = np.bincount(labels[rows], minlength=1)
        assert (sizes < 2 * most).all()
        names = keywords(texts, labels)
        if len(rows) and labels[rows].max() == labels.max():
            assert keywords(texts.iloc[rows].reset_index(drop=True), labels[rows]) == names


def test_clusters_of_the_same_words_get_those_that_tell_them_apart():
    sort, tom = "sort sort list list number number ", "tom sisters "
    texts = pd.Series([tom * 9] * 40 + [sort] * 70 + [sort + tom] * 30 + [sort] * 100)
    labels = np.repeat(np.array([0, 1, 2, 3], np.int32), [40, 60, 40, 100])
    assert keywords(texts, labels) == [
        "sisters · tom",
        "list · number · sort",
        "list · sisters · tom",  # 30 of its 40 texts have both
        "list · number · sort",
    ]
    fewer = texts.where(~texts.index.isin(range(110, 131)), sort)
    assert keywords(fewer, labels)[2] == "list · number · sort"
