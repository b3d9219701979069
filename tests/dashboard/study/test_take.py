"""What is taken away of a study."""

import io

import pandas as pd

from dashboard.study.take import as_csv


def test_no_spreadsheet_computes_a_text():
    odd = ["=1+1", "+1", "-a", "@x", "\t=1", "s2l", "a=1", "a\r=1"]
    table = pd.DataFrame({"arm": odd, "loss": [-0.5] * len(odd)})
    again = pd.read_csv(io.StringIO(as_csv(table), newline=""))
    assert again["arm"].tolist() == [*(f"'{text}" for text in odd[:5]), "s2l", "a=1", "a =1"]
    assert again["loss"].tolist() == [-0.5] * len(odd)
