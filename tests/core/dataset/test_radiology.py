"""Findings and impressions out of reports; all of them invented."""

import json

import numpy as np
import pandas as pd
import pytest

from core.clusters.keywords import name
from core.dataset.privacy import HIDDEN, is_private
from core.dataset.radiology import INSTRUCTION, read, sections
from core.dataset.readers import SkippedRow
from core.dataset.run import Settings, examples, run
from core.evaluations.shapes import clinical
from core.workspace.files import read_jsonl

REPORT = """[**2151-8-1**] 10:02 AM
 CHEST (PA & LAT)                                   Clip # [**Number 100**]
 REASON: cough
______________________________________________________________________________
 UNDERLYING MEDICAL CONDITION:
  made-up person with cough
______________________________________________________________________________
                                 FINAL REPORT
 INDICATION:  Cough.

 FINDINGS:  The heart is of normal size.
 The lungs are clear.

 IMPRESSION:  No sign of
 pneumonia.

                                DR. [**Made Up**]
"""

ROW = {"CATEGORY": "Radiology", "DESCRIPTION": "CHEST (PA & LAT)", "ISERROR": "", "TEXT": REPORT}


def test_a_report_gives_its_findings_and_its_impression():
    item = clinical(ROW)
    assert item.question == f"{INSTRUCTION}\n\nThe heart is of normal size. The lungs are clear."
    assert item.answer == item.solution == "No sign of pneumonia."
    assert (item.source, item.measure) == ("CHEST (PA & LAT)", "text")


def test_a_table_of_the_two_columns_is_taken_as_it_is():
    item = clinical({"findings": "Heart normal.", "impression": "All normal."})
    assert (item.question, item.answer) == (f"{INSTRUCTION}\n\nHeart normal.", "All normal.")
    assert item.source == "radiology"


def test_an_addendum_corrects_and_headings_with_more_words_count():
    report = "CHEST FINDINGS: one two\nIMPRESSION: old one\nIMPRESSION: new two\nCONCLUSION:\n"
    found = sections(report)
    assert (found["findings"], found["impression"]) == ("one two", "new two")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"CATEGORY": "ECG", "TEXT": REPORT}, "no radiology report"),
        ({"CATEGORY": "Radiology", "TEXT": REPORT, "ISERROR": "1"}, "marked as an error"),
        ({"TEXT": REPORT.replace("FINDINGS", "Findings")}, "no findings"),
        ({"TEXT": REPORT.split("IMPRESSION")[0]}, "no impression"),
        ({"findings": "Heart normal.", "impression": None}, "no impression"),
        ({}, "no findings"),
    ],
)
def test_what_is_no_pair_has_a_reason(row, why):
    with pytest.raises(SkippedRow, match=why):
        read({name.lower(): cell for name, cell in row.items()})


def test_a_private_table_of_notes_is_imported_and_its_texts_stand_nowhere_else(
    bare, tmp_path, capsys
):
    rows = [{**ROW, "TEXT": REPORT.replace("heart", f"ZEBRA{i}")} for i in range(3)]
    rows.append({**ROW, "CATEGORY": "ECG", "TEXT": "ZEBRA rhythm"})
    pd.DataFrame(rows).to_csv(tmp_path / "NOTEEVENTS.csv", index=False)
    wanted = Settings(path=str(tmp_path / "NOTEEVENTS.csv"), format="radiology", private=True)
    made = bare.open(run(bare, wanted), "dataset")
    assert is_private(made)
    table = examples(made)
    assert table["prompt"].str.contains("ZEBRA").all()
    assert table["response"].tolist() == ["No sign of pneumonia."] * 3
    assert made.summary["set_aside"] == {"no radiology report": 1}
    assert [r["preview"] for r in read_jsonl(made.path / "set_aside.jsonl")] == [HIDDEN]
    assert "ZEBRA" not in json.dumps(made.manifest) + capsys.readouterr().err
    assert name(made, table["id"].to_numpy(), np.array([0, 1, 1], np.int32)) == ["", ""]
