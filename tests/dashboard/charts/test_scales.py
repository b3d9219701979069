import numpy as np
import pandas as pd

from dashboard.charts import scales, theme


def test_twenty_names_have_colours_of_their_own_and_the_others_share_grey():
    values = pd.Series(np.repeat([f"s{i:02}" for i in range(25)], np.arange(25, 0, -1)))
    found = scales.categories(values)
    assert found.names == {i: f"s{i:02}" for i in range(20)} | {-1: "5 others"}
    assert (found.codes == np.where(values < "s20", values.str[1:].astype(int), -1)).all()
    assert len(set(found.colours)) == 20
    assert found.colours[3] == theme.source_colours(f"s{i:02}" for i in range(20))["s03"]


def test_few_names_leave_no_others():
    assert scales.categories(pd.Series(["b", "a", "b"])).names == {0: "b", 1: "a"}
