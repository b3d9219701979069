"""Findings and impressions out of reports; all of them invented."""

import pytest

from core.dataset.readers import SkippedRow
from core.evaluations.radiology import INSTRUCTION, findings, sections

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


def test_a_report_gives_its_findings_and_its_impression():
    row = {
        "CATEGORY": "Radiology",
        "DESCRIPTION": "CHEST (PA & LAT)",
        "ISERROR": "",
        "TEXT": REPORT,
    }
    item = findings(row)
    assert item.question == f"{INSTRUCTION}\n\nThe heart is of normal size. The lungs are clear."
    assert item.answer == item.solution == "No sign of pneumonia."
    assert (item.source, item.measure) == ("CHEST (PA & LAT)", "text")


def test_a_table_of_the_two_columns_is_taken_as_it_is():
    item = findings({"findings": "Heart normal.", "impression": "All normal."})
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
        findings(row)
