"""Which three examples a story follows, and what is shown of their texts."""

import numpy as np

from dashboard.story.noticed import followed
from dashboard.story.texts import text_of

CURVES = np.array(
    [
        [6.0, 0.5, 0.4, 0.4, 0.3],  # at once
        [6.0, 4.0, 4.0, 1.0, 0.2],  # late
        [6.0, 5.0, 5.0, 5.0, 5.0],  # never
        [6.0, 3.0, 2.0, 1.5, 1.0],
        [np.nan, 0.0, 0.0, 0.0, 0.0],  # not measured
    ],
    np.float32,
)


def test_the_three_that_are_followed():
    assert followed(CURVES, True).tolist() == [0, 1, 2]
    assert followed(CURVES[:, 1:], False).tolist() == [4, 1, 2]


def test_too_few_recordings_follow_nobody():
    assert followed(CURVES[:, :2], True).tolist() == [-1, -1, -1]
    assert followed(CURVES[4:], True).tolist() == [-1, -1, -1]


def test_texts_are_hidden_by_their_shape():
    example = {"prompt": "Ann is 7", "response": "yes"}
    assert text_of(example, masked=False) == "Ann is 7\n→ yes"
    assert text_of(example, masked=True) == "▒▒▒ ▒▒ ▒\n→ ▒▒▒"
