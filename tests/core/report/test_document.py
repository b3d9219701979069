"""Spans of a report: every number says where it was read."""

import numpy as np
import pytest

from core.report.document import fact, missing, pointer, worked_out


class Made:
    """As much of an artifact as a number needs."""

    id = "study_1"
    manifest = {"summary": {"rows": 1234, "a/b~": 0.5}}  # noqa: RUF012


def test_a_fact_points_into_the_manifest():
    assert fact(Made, "summary", "rows") == ("1,234", "1234", "study_1#/summary/rows")
    number = fact(Made, "summary", "a/b~", form="{:.1f}".format)
    assert number == ("0.5", "0.5", "study_1#/summary/a~1b~0")
    with pytest.raises(KeyError):
        fact(Made, "summary", "columns")


def test_what_is_worked_out_names_its_file_and_is_plain():
    number = worked_out(Made, "table.parquet", "runs", np.int64(7))
    assert number == ("7", "7", "study_1#table.parquet:runs")


def test_pointers_escape_as_rfc_6901_has_it():
    assert pointer("", "a/b", "m~n") == "//a~1b/m~0n"


def test_what_is_missing_comes_with_its_command():
    assert missing("No study.", "python -m core study").spans[2].text == "python -m core study"
