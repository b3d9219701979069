import numpy as np
import pandas as pd

from core.trajectories.artifact import why_left_out


def test_rows_in_no_cluster_are_counted_by_their_reason():
    flags = ["holdout"] * 3 + ["not sampled"] * 5 + ["loss not finite"] + [""] * 4
    table = pd.DataFrame({"flag": pd.Categorical(flags)})
    out = np.array([True] * 9 + [True, True, False, False])
    said = why_left_out(table, out)
    assert said == "5 not in the sample, 3 held out, 2 excluded, 1 loss not finite"
    assert sum(int(part.split()[0]) for part in said.split(", ")) == out.sum()
    assert why_left_out(table, np.zeros(13, bool)) == ""
