"""Names of who speaks."""

import pytest

from core.dataset.roles import role_of


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("human", "user"),
        (" GPT ", "assistant"),
        ("System Prompt", "system"),
        ("tool-response", "tool"),
        ("function_call", "assistant"),
        ("narrator", None),
    ],
)
def test_a_name_has_its_role_whatever_its_case(name, role):
    assert role_of(name) == role
