"""The ends of what a job wrote."""

import json

from core.jobs.files import PROGRESS
from core.jobs.tails import last_record, newest_records, tail_log


def record(step):
    return json.dumps({"stage": "train", "step": step, "total": 9, "time": 1.0}) + "\n"


def test_the_newest_whole_record_counts_and_a_torn_one_does_not(tmp_path):
    path = tmp_path / PROGRESS
    assert last_record(path) == {}
    path.write_text(record(1) + record(2) + '{"stage": "tra')
    assert last_record(path)["step"] == 2
    assert [r["step"] for r in newest_records(tmp_path)] == [1, 2]
    path.write_text("".join(map(record, range(500))))
    few = [r["step"] for r in newest_records(tmp_path, 300)]
    assert few == list(range(500))[-len(few) :]
    assert 0 < len(few) < 10


def test_of_a_redrawn_line_the_last_state_is_shown(tmp_path):
    assert tail_log(tmp_path, 5) == ""
    (tmp_path / "log").write_bytes(b"one\r\ntwo\n10%\r50%\r100%\n\n\xff\n")
    assert tail_log(tmp_path, 2) == "\n\ufffd"
    assert tail_log(tmp_path, 9) == "one\ntwo\n100%\n\n\ufffd"
