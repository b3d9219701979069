import numpy as np
import pytest

from core.training.watch import load_looks
from core.workspace.files import append_jsonl
from dashboard.finetune import curves


def test_looks_stand_at_their_steps_beside_the_logged_ones(tmp_path):
    for step, loss in ((1, 4.0), (3, 2.0)):
        line = {"step": step, "loss": loss, "lr": 0.1, "tokens/s": 9, "memory": 2**20}
        append_jsonl(tmp_path / "metrics.jsonl", line)
    for step, loss in ((0, 5.0), (3, 2.5)):
        append_jsonl(tmp_path / "looks.jsonl", {"step": step, "loss": loss, "answers": []})
    frame = curves.read(tmp_path)
    assert frame["step"].tolist() == [0, 1, 3]
    np.testing.assert_array_equal(frame["loss"], [np.nan, 4, 2])
    np.testing.assert_array_equal(frame["held_out"], [5, np.nan, 2.5])
    assert "grad_norm" not in frame, "what no file says is not drawn"


def test_runs_of_earlier_versions_have_steps_losses_and_rates(tmp_path):
    append_jsonl(tmp_path / "metrics.jsonl", {"step": 1, "loss": 3.0, "lr": 0.1})
    frame = curves.read(tmp_path)
    assert list(frame) == ["step", "loss", "lr", "held_out"]
    assert frame["held_out"].isna().all()
    assert load_looks(tmp_path) == []


def test_a_run_without_a_line_is_empty(tmp_path):
    assert list(curves.read(tmp_path)) == ["step", "loss", "held_out"]
    assert not len(curves.read(tmp_path))


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ({"1": "maths · s2l 11% → tiny"}, ["maths · s2l 11% → tiny"]),
        ({"1": "maths · s2l → tiny", "2": "maths · full → tiny"}, ["s2l → tiny", "full → tiny"]),
        ({"1": "a b", "2": "a"}, ["a b", "a"]),
        ({"x-0001": "a · b", "x-0002": "a · b"}, ["b 0001", "b 0002"]),
        ({"x-0001": "a", "x-0002": "a", "3": "c"}, ["a 0001", "a 0002", "c"]),
    ],
)
def test_runs_drawn_together_are_named_by_what_tells_them_apart(names, short):
    assert list(curves.short_names(names).values()) == short
