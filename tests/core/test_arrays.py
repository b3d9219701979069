import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arrays import by_id, write_array
from core.workspace.files import ROOT


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=30))
def test_ids_are_in_the_order_of_python_and_equal_ones_stay_as_they_stand(ids):
    expected = sorted(range(len(ids)), key=ids.__getitem__)
    assert by_id(np.array(ids, object)).tolist() == expected


@pytest.mark.parametrize("room", [0, 64, 128, 200, 1000])
def test_an_array_that_the_disk_cuts_short_is_no_written_array(tmp_path, room):
    code = (
        "import pathlib, resource, sys, numpy as np; from core.arrays import write_array;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}));"
        "write_array(pathlib.Path(sys.argv[1]), np.arange(300))"
    )
    path = tmp_path / "a.npy"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, cwd=ROOT)
    assert b"OSError" in done.stderr
    write_array(path, np.arange(300))
    assert np.load(path).tolist() == list(range(300))


def test_arrays_are_written_in_no_other_way():
    for path in (ROOT / "core").rglob("*.py"):
        if path.name != "arrays.py":
            assert "np.save(" not in path.read_text(), path
