"""What is odd about rows, said with the first of each kind."""

from core.model.remarks import FILLED, Remarks, by_reason, named, remedy


def test_rows_are_grouped_by_why_the_commonest_first():
    reasons = {4: "no reply", 1: "two systems", 9: "no reply"}
    assert by_reason(reasons) == [("no reply", [4, 9]), ("two systems", [1])]


def test_each_kind_is_said_with_its_rows_and_the_denominator():
    remarks = Remarks({3: "no reply", 5: "no reply", 8: "odd"}, {"read only": [1]}, "</s>")
    first, second, third, last = remarks.sentences(1200)
    assert first == "2 of 1,200 rows are skipped (rows 3, 5): no reply"
    assert second == "1 of 1,200 rows is skipped (row 8): odd"
    assert third == "1 of 1,200 rows (row 1): read only"
    assert "'</s>' is put there" in last
    assert remarks.facts(1200) == {"remarks": [first, second, third, last]}
    assert Remarks().facts(5) == {}


def test_many_rows_are_named_by_their_first():
    assert named(range(1000, 1100)).endswith(" and more")
    assert named([7]) == "row 7"


def test_a_row_that_was_cut_has_another_remedy():
    assert remedy(FILLED.format(512)) == "raise --max-length"
    assert "--template" in remedy("two systems")
