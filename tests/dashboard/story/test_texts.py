"""Texts of a story are short, and say where they go on."""

from dashboard.story.texts import text_of


def test_a_long_prompt_leaves_room_for_the_response_and_both_say_where_they_go_on():
    long = {"prompt": "word " * 200, "response": "answer " * 100}
    text = text_of(long, masked=False, longest=120, lines=6)
    assert len(text) < 150
    assert text.count(" …") == 2
    assert "\n→ answer" in text
    whole = text_of({"prompt": "What is 1 + 1?", "response": "2"}, masked=False)
    assert whole == "What is 1 + 1?\n→ 2"


def test_many_lines_are_cut_and_a_masked_text_shows_its_shape_only():
    example = {"prompt": "\n".join("abcdefgh"), "response": "yes\nno\nyes\nno"}
    text = text_of(example, masked=True, lines=6)
    assert text.count("\n") < 7
    assert not any(c.isalnum() for c in text)
