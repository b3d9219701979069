"""Each format holds the rows as they are, or refuses them in a sentence."""

import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import selection
from core.dataset.examples import to_examples
from core.dataset.readers import Rows
from core.export import writers
from core.export.writers import Example
from tests.core.conftest import write_export
from tests.core.export.conftest import TURNS, chosen_rows, load

role = st.sampled_from(["user", "assistant", "system", "tool"])
turn = st.fixed_dictionaries({"role": role, "content": st.text(st.characters(codec="utf-8"))})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(turn, min_size=1, max_size=6), st.sampled_from(TURNS))
def test_any_turns_survive_both_forms(turns, form):
    shape = {"messages": writers.messages, "sharegpt": writers.sharegpt}[form]
    line = json.loads(json.dumps(shape(Example(0, "x", "s", "", turns)), ensure_ascii=False))
    cells = {name: [value] for name, value in line.items()}
    column = "messages" if form == "messages" else "conversations"
    found, _ = to_examples(Rows(cells, [0], "index", []), form, {"chat": column})
    replies = [t["content"] for t in turns if t["role"] == "assistant"]
    usable = replies and replies[-1].strip()  # else an import sets the row aside
    assert found.messages == ([turns] if usable else [])


@given(st.lists(role, min_size=1, max_size=4))
def test_alpaca_takes_one_question_and_answer_and_refuses_the_rest(roles):
    turns = [{"role": r, "content": f"{i}"} for i, r in enumerate(roles)]
    example = Example(7, "x", "s", "", turns)
    if roles in (["user", "assistant"], ["system", "user", "assistant"]):
        made = writers.alpaca(example)
        assert [made["instruction"], made["output"]] == [t["content"] for t in turns[-2:]]
        assert made["system"] == ("0" if len(turns) == 3 else "")
    else:
        with pytest.raises(ValueError, match=r"row 7 has the turns .*: use --format messages"):
            writers.alpaca(example)


def test_turns_that_alpaca_cannot_hold_leave_nothing(talks, tmp_path):
    workspace, _, chosen = talks
    for out in ("x.jsonl", "folder"):
        with pytest.raises(ValueError, match="alpaca holds one question and one answer"):
            write_export(workspace, chosen, tmp_path / out, format="alpaca")
    assert not list(tmp_path.iterdir())


def test_ids_are_one_a_line_and_hash_to_the_manifests_sum(talks, tmp_path):
    workspace, _, chosen = talks
    out = write_export(workspace, chosen, tmp_path / "ids.txt", format="ids")
    ids = out.read_text().splitlines()
    assert ids == chosen_rows(workspace, chosen)["id"].tolist()
    assert selection.ids_sha256(ids) == workspace.open(chosen).summary["ids_sha256"]


def test_an_id_of_two_lines_is_refused_as_a_line(tmp_path):
    rows = [{"id": f"a\n{i}", "question": "q", "answer": f"{i}"} for i in range(5)]
    workspace, _, chosen = load(tmp_path, rows)
    with pytest.raises(ValueError, match="has a line break; use --format jsonl"):
        write_export(workspace, chosen, tmp_path / "ids.txt", format="ids")


def test_rows_are_read_a_batch_at_a_time(tmp_path):
    """The most that arrow holds hardly grows with the rows."""
    peaks = []
    for n in (25_000, 75_000):  # row groups have 20,000
        root = tmp_path / f"{n}"
        root.mkdir()
        rows = [{"question": f"{i} " + "word " * 20, "answer": f"{i}"} for i in range(n)]
        workspace, _, chosen = load(root, rows)
        artifact = workspace.open(chosen)
        before, peak, count = pa.total_allocated_bytes(), 0, 0
        for table in writers.tables(artifact, "original.parquet"):
            count += len(table)
            peak = max(peak, pa.total_allocated_bytes() - before)
        assert count == n * 0.4
        peaks.append(peak)
    assert peaks[1] < 1.3 * peaks[0], peaks
