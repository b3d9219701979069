"""Near-duplicates as --dedup near judged them at first."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset.minhash import near_duplicates

LINE = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def test_the_later_of_two_like_rows_goes_in_the_order_asked_for(tmp_path):
    prompts = [LINE, f"{LINE} fifteen", "something else entirely, said in other words", "short"]
    path = tmp_path / "examples.parquet"
    pq.write_table(pa.table({"row": range(4), "prompt": prompts, "response": [""] * 4}), path)
    assert near_duplicates(path, np.array([0, 1, 2, 3])).tolist() == [1]
    assert near_duplicates(path, np.array([3, 1, 0])).tolist() == [0]
    assert near_duplicates(path, np.array([0, 2])).tolist() == []
