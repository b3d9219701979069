"""What clusters of the same words are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clusters.distinct_names import ENDS, FORGOTTEN, LENGTHS, PACES, distinct

EARLY, LATE, REST = "learned early", "learned late", "learned with the rest"


@pytest.mark.parametrize(
    ("names", "behaviours", "losses", "expected"),
    [
        (["a · b · c", "d"], [EARLY, LATE], [1, 2], ["a · b · c", "d"]),
        (
            ["a · b", "b · a"],
            [EARLY, LATE],
            [1, 1],
            ["a · b · learned early", "b · a · learned late"],
        ),
        (["a"] * 2, [EARLY, REST], [1, 1], ["a · learned early", "a · usual pace"]),
        (["a · b"] * 2, [f"{EARLY}, ends high", EARLY], [2, 1], ["a · b · ends high", "a · b"]),
        (
            ["a"] * 3,
            [f"{EARLY}, short answers", EARLY, f"{EARLY}, long answers, forgotten again"],
            [1, 1, 1],
            ["a · short answers", "a", "a · long answers"],
        ),
        (["a"] * 2, [f"{LATE}, forgotten again", LATE], [1, 1], ["a · forgotten again", "a"]),
        (["a"] * 2, [LATE, LATE], [1, 2], ["a · ends lower", "a · ends higher"]),
        (
            ["a"] * 3,
            [LATE, EARLY, LATE],
            [1, 1, 2],
            ["a · learned late, lower", "a · learned early", "a · late, higher"],
        ),
        (["a"] * 3, [LATE] * 3, [1, 2, 3], ["a · loss 1.00", "a · loss 2.00", "a · loss 3.00"]),
        (["a"] * 2, [LATE] * 2, [0.002, 0.001], ["a · 2", "a · 1"]),
        (
            ["sister · brother"] * 2,
            [EARLY, LATE],
            [1, 2],
            ["sister · learned early", "sister · learned late"],
        ),
        (
            ["sisters"] * 2 + ["x"],
            [EARLY] * 3,
            [0.004, 0.003, 1],
            ["sisters · 2", "sisters · 1", "x"],
        ),
        (
            ["sisters"] * 3,
            [EARLY, EARLY, LATE],
            [0.004, 0.003, 1],
            ["sisters · early, 2", "sisters · early, 1", "sisters · learned late"],
        ),
        (["z" * 40] * 2, [EARLY, LATE], [1, 2], ["learned early", "learned late"]),
        (["", ""], [EARLY, LATE], [0.1, 0.2], ["learned early", "learned late"]),
        ([""], [EARLY], [0.1], ["loss 0.10"]),
    ],
)
def test_clusters_of_the_same_words_are_told_apart_by_how_they_were_learned(
    names, behaviours, losses, expected
):
    assert distinct(names, behaviours, losses) == expected


parts = st.tuples(
    st.sampled_from([*PACES, REST]),
    st.sampled_from(["", *ENDS]),
    st.sampled_from(["", *FORGOTTEN]),
    st.sampled_from(["", *LENGTHS]),
).map(lambda words: ", ".join(filter(None, words)))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "a", "a · b · c", "b · a", "long" * 8, "late · early"]),
            parts,
            st.floats(0, 3),
        ),
        max_size=30,
    )
)
def test_no_two_clusters_are_called_the_same_and_none_has_no_name(clusters):
    names, behaviours, losses = ([c[i] for c in clusters] for i in range(3))
    made = distinct(names, behaviours, losses)
    assert len(set(made)) == len(made)
    assert all(made)
    assert made == distinct(names, behaviours, losses)
