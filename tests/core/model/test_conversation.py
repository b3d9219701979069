"""What a turn has beside its text survives the store."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from core.model.conversation import (
    conversations,
    is_trained,
    join_extras,
    split_extras,
    stored_columns,
    tools_of,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXT},
    optional={
        "train": st.just(False),
        "reasoning_content": TEXT,
        "tool_calls": st.lists(st.dictionaries(TEXT, TEXT | st.none(), max_size=2), max_size=2),
        "name": TEXT,
    },
)


@given(st.lists(st.lists(TURN, max_size=4), min_size=1, max_size=4))
def test_turns_come_back_as_they_were(rows):
    kept = [split_extras(turns) for turns in rows]
    assert [join_extras(*row) for row in kept] == rows
    table = pa.table(
        {
            "messages": pa.array(
                [plain for plain, _ in kept],
                pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())])),
            ),
            "extras": pa.array([extras for _, extras in kept], pa.large_string()),
        }
    )
    assert conversations(table) == rows
    assert [extras is None for _, extras in kept] == [
        all(turn.keys() == {"role", "content"} for turn in turns) for turns in rows
    ]


def test_a_store_of_before_has_no_extras():
    turns = [{"role": "user", "content": "hi"}]
    table = pa.table({"messages": [turns], "row": [0]})
    assert stored_columns(table.column_names) == ["messages"]
    assert conversations(table) == [turns]


def test_which_turns_are_learnt_and_what_tools_there_are():
    assert is_trained({"role": "assistant", "content": "a"})
    assert not is_trained({"role": "assistant", "content": "a", "train": False})
    assert not is_trained({"role": "user", "content": "a"})
    assert tools_of([{"role": "user", "content": "", "tools": [{"name": "f"}]}]) == [{"name": "f"}]
    assert tools_of([]) is None
