"""What the edits amount to, at any place of the log."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import edits
from tests.core.edits.conftest import NOTHING, K, N, Place, plain


def test_without_a_log_nothing_is_edited(place):
    found = place.read()
    assert plain(found) == NOTHING
    assert (found.position, found.undo, found.redo, found.rows_at) == (0, "", "", 0)
    assert not place.log.parent.exists()


def test_what_each_edit_does(place):
    place.do("exclude", [5, 3, 3], why="duplicates", user="ann")
    place.do("pin", [7, 8])
    place.do("note", [7], "look at this")
    place.do("note_cluster", 2, "odd ones")
    found = place.do("name", 2, "long division")
    assert plain(found) == plain(place.read())
    assert plain(found) == (
        [3, 5],
        [7, 8],
        {7: "look at this"},
        {place.clusters: {2: "long division"}},
        {place.clusters: {2: "odd ones"}},
    )
    found = place.do("include", range(10))
    found = place.do("unpin", range(8))
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([], [8])
    place.do("note", range(10), "")
    place.do("note_cluster", 2, "")
    found = place.do("name", 2, "")
    assert plain(found) == ([], [8], {}, {}, {})
    assert found.position == 10


def test_a_row_is_never_both_excluded_and_pinned(place):
    place.do("exclude", [1, 2, 3])
    found = place.do("pin", [3, 4])
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([1, 2], [3, 4])
    found = place.do("exclude", [4, 5])
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([1, 2, 4, 5], [3])
    place.do("undo")
    found = place.do("undo")
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([1, 2, 3], [])


def test_what_would_be_undone_and_redone_is_said(place):
    assert place.do("exclude", [1]).undo == "exclude 1 row"
    assert place.do("exclude", range(100), why="duplicates").undo == "exclude 99 rows (duplicates)"
    assert place.do("note", [1, 2], "odd").undo == "note on 2 rows (odd)"
    assert place.do("note", [1], "odd\n" * 50).undo == f"note on 1 row ({'odd ' * 14}…)"
    place.do("undo")
    assert place.do("name", 3, "sums").undo == "name cluster 3 (sums)"
    found = place.do("undo")
    assert (found.undo, found.redo) == ("note on 2 rows (odd)", "name cluster 3 (sums)")
    found = place.do("note_cluster", 1, "hm")
    assert (found.undo, found.redo) == ("note on cluster 1 (hm)", "")
    with pytest.raises(ValueError, match="nothing to redo"):
        place.do("redo")
    for _ in range(4):
        found = place.do("undo")
    assert (found.undo, found.redo) == ("", "exclude 1 row")
    before = place.log.read_bytes()
    with pytest.raises(ValueError, match="nothing to undo"):
        place.do("undo")
    assert place.log.read_bytes() == before


def test_the_first_entries_mean_the_same_for_ever(place):
    states = [plain(place.read())]
    for op, args in (("exclude", ([1, 2],)), ("pin", ([1],)), ("undo", ()), ("note", ([4], "x"))):
        states.append(plain(place.do(op, *args)))
    assert [plain(place.read(n)) for n in range(5)] == states
    with pytest.raises(ValueError, match=r"5 edits are wanted, but .* has 4"):
        place.read(5)


def test_the_position_of_the_rows_is_left_alone_by_notes_and_taken_back_by_an_undo(place):
    def at(op, *args):
        found = place.do(op, *args)
        assert plain(place.read(found.rows_at))[:2] == plain(found)[:2]
        return found.rows_at

    assert at("name", 1, "a") == 0
    assert at("exclude", [1]) == 2
    assert at("note", [1], "b") == 2
    assert at("pin", [3]) == 4
    assert at("undo") == 2
    assert at("undo") == 2
    assert at("undo") == 0
    assert at("redo") == 2
    assert at("include", [1]) == 0, "nothing excluded or pinned: as before any edit"


@pytest.mark.parametrize(
    ("op", "args", "words"),
    [
        ("exclude", ([0, N],), f"there is no row {N}; the dataset has rows 0 to {N - 1}"),
        ("pin", ([-1],), "there is no row -1"),
        ("name", (K, "x"), f"there is no cluster {K}; .* has 0 to {K - 1}"),
        ("note_cluster", (-1, "x"), "there is no cluster -1"),
    ],
)
def test_what_is_not_there_cannot_be_edited(place, op, args, words):
    with pytest.raises(ValueError, match=words):
        place.do(op, *args)
    assert place.read().position == 0


TEXT = st.sampled_from(["", "a", "b\nc", "\u2028 \r \udc80 ž"])
ROWS = st.lists(st.integers(0, N - 1), max_size=100)
EDIT = st.one_of(
    st.tuples(st.sampled_from(["exclude", "include", "pin", "unpin"]), ROWS),
    st.tuples(st.just("note"), ROWS, TEXT),
    st.tuples(st.sampled_from(["name", "note_cluster"]), st.integers(0, K - 1), TEXT),
    st.tuples(st.sampled_from(["undo", "redo"])),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(EDIT, max_size=12))
def test_undoing_all_is_empty_and_redoing_all_is_the_same_state(tmp_path_factory, wanted):
    place = Place(tmp_path_factory.mktemp("edits"))
    model = [NOTHING]  # states that undo goes back to, the last one now
    ahead = []  # states that redo goes on to
    for op, *args in wanted:
        if op in ("undo", "redo"):
            source, target = (model, ahead) if op == "undo" else (ahead, model)
            if len(source) <= (op == "undo"):
                with pytest.raises(ValueError, match="nothing to"):
                    place.do(op)
                continue
            target.append(source.pop())
            found = place.do(op)
        else:
            before = place.read().position
            found = place.do(op, *args)
            if found.position > before:
                model.append(plain(found))
                ahead = []
        assert plain(found) == plain(place.read()) == model[-1]
        assert not set(found.excluded) & set(found.pinned)
        at = place.read(found.rows_at)
        assert plain(at)[:2] == plain(found)[:2]
        assert at.rows_at == found.rows_at
        assert (bool(found.undo), bool(found.redo)) == (len(model) > 1, bool(ahead))
    for state in reversed(model[:-1]):
        assert plain(place.do("undo")) == state
    assert plain(place.read()) == NOTHING
    for state in [*model[1:], *reversed(ahead)]:
        assert plain(place.do("redo")) == state


def test_the_state_as_text(place):
    place.do("exclude", [3, 17, *range(100, 121)])
    place.do("note", [4, 5], "odd")
    place.do("name", 2, "sums")
    assert edits.as_text(place.do("undo")).splitlines() == [
        "edits: 4",
        "excluded: 23 rows 3,17,100-120",
        "pinned: 0 rows",
        "note 'odd': 2 rows 4-5",
        "to undo: note on 2 rows (odd)",
        "to redo: name cluster 2 (sums)",
    ]
