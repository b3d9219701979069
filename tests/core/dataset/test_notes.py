"""What the first rows hold and nothing is made of is said."""

import pytest

from core.dataset import Settings
from core.dataset.readers import Rows
from core.dataset.settings import read_columns

TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def noted(*rows):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    table = Rows(columns, range(len(rows)), "index", [])
    return read_columns(table, Settings(path="x")).notes


@pytest.mark.parametrize(
    ("turn", "keys"),
    [
        ({"weight": 0, "name": "x", "tool_call_id": "1", "reasoning": "r"}, ""),
        ({"mask": True}, "mask"),
        ({"mask": None}, ""),
        ({"masked": 1, "at": 3, "Role": "x"}, "masked, at"),
        ({f"k{i}": 1 for i in range(10)}, "k0, k1, k2, k3, k4, k5, k6, k7 and 2 more"),
    ],
)
def test_keys_of_turns_that_are_not_read(turn, keys):
    said = noted({"messages": TALK}, {"messages": [TALK[0], {**TALK[1], **turn}]})
    assert said == ((f"keys of turns that are not read: {keys}",) if keys else ())


def test_marks_beside_the_turns():
    (said,) = noted({"messages": TALK, "loss_mask": [0, 1], "scores": [3, 4], "one": [1]})
    assert said.startswith("loss_mask has a 0 or 1 for each turn: it is not read")
    assert not noted({"messages": TALK, "loss_mask": [0, 1]}, {"messages": TALK, "loss_mask": [1]})


@pytest.mark.parametrize(("cells", "told"), [([True, False], True), (["a", "b"], False)])
def test_judgements_of_replies(cells, told):
    rows = [{"prompt": "q", "completion": "a", "label": cell} for cell in cells]
    said = noted(*rows)
    assert len(said) == told
    assert all("label is true or false" in one for one in said)
