"""Tables of text: no quote merges rows, nothing is lost without a word."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dataset.readers import batches, head, read
from core.dataset.readers.rows import joined


def read_text(tmp_path, text, name="data.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return read(str(path), "train")


def table(rows):
    return list(zip(*(rows.values(name) for name in rows.columns), strict=True))


def lines_of(n, **others):
    """Return n rows, some of them (named r0, r1, ...) replaced."""
    body = [others.get(f"r{i}", f"Say {i},word {i}") for i in range(n)]
    return "prompt,output\n" + "\n".join(body) + "\n"


@pytest.mark.parametrize(
    ("stray", "where"),
    [
        ({"r5": '"Say 5,word'}, "line 7"),
        ({"r5": '"Say 5,word', "r15": '"Say 15,word'}, "lines 7, 17"),
        ({"r5": 'Say 5,"word', "r6": 'Say 6,"word'}, "lines 7, 8"),
        ({"r5": '"Say 5,word', "r15": '"Say 15, and 16","word, too"'}, "line 7"),
        ({"r19": '"Say 19,word'}, "line 21"),
        ({"r5": '"Say 5" he said,word'}, "line 7"),
        ({f"r{i}": '"Say,word' for i in range(2, 10)}, "lines 4, 5, 6, 7, 8 and 3 more"),
    ],
)
def test_a_stray_quote_is_text_and_swallows_no_line(tmp_path, stray, where):
    found = read_text(tmp_path, lines_of(20, **stray))
    assert len(found.places) == 20
    assert not found.skipped
    assert found.read_as["stray_quotes"] == f"kept as text in {where}"
    assert max(len(cell) for cell in found.values("prompt")) < 20


@pytest.mark.parametrize("last", [6, 9, 19])
def test_quotes_that_may_join_lines_or_not_are_skipped_by_line(tmp_path, last):
    text = lines_of(20, r5='"Say 5,word', **{f"r{last}": f'Say {last}",word'})
    found = read_text(tmp_path, text)
    assert [record["line"] for record in found.skipped] == list(range(7, last + 3))
    assert len(found.places) + len(found.skipped) == 20
    assert {record["reason"] for record in found.skipped} == {"quotes may join lines or not"}


def test_cells_of_several_lines_are_one_cell(tmp_path):
    text = 'prompt,output\n"one, two\nthree","a ""b"""\n"x\n\ny",z\nq,a\n'
    found = read_text(tmp_path, text)
    assert table(found) == [("one, two\nthree", 'a "b"'), ("x\n\ny", "z"), ("q", "a")]
    assert found.places == [2, 4, 7]
    assert found.read_as["longest_cell_lines"] == 3


def test_a_broken_quote_within_a_cell_of_several_lines_makes_no_row(tmp_path):
    text = 'prompt,output\nq,a\n"He left, crying\nand said "no" twice",x\nq,b\n'
    found = read_text(tmp_path, text)
    assert table(found) == [("q", "a"), ("q", "b")]
    assert [(r["line"], r["reason"]) for r in found.skipped] == [
        (3, "stray quote"),
        (4, "stray quote"),
    ]


def test_quotes_after_a_backslash_are_told(tmp_path):
    text = 'prompt,output\n"Say \\"apple\\", now","\\frac{1}{2}"\n"Say \\"b\\"",b\n'
    found = read_text(tmp_path, text)
    assert table(found) == [('Say "apple", now', "\\frac{1}{2}"), ('Say "b"', "b")]
    assert found.read_as["inner_quotes"] == "after a backslash"


def test_excel_columns_without_name_and_cells_are_left_out(tmp_path):
    found = read_text(tmp_path, "prompt;output;;\r\nq;1,5;;\r\n")
    assert list(found.columns) == ["prompt", "output"]
    assert found.read_as["delimiter"] == "semicolon"
    assert found.read_as["empty_columns"] == 2


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("latin-1", "cp1252"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json"])
def test_the_encoding_is_told_and_said(tmp_path, encoding, said, suffix):
    text = "prompt,output\n" + "Où est l'été, à Noël?\n".replace(", ", " ").replace("?", ",ça va\n")
    if suffix != "csv":
        text = '{"prompt": "Où est l\'été à Noël", "output": "ça va"}\n'
        text = f"[{text}]" if suffix == "json" else text
    found = read_text(tmp_path, text, f"data.{suffix}", encoding)
    assert table(found) == [("Où est l'été à Noël", "ça va")]
    assert found.read_as["encoding"] == said


CELL = st.text(
    st.sampled_from("ab ,;\t|\"'\n\\é中") | st.characters(codec="utf-8", exclude_characters="\0"),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(
    cells=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quote=st.sampled_from("\"'"),
    before=st.sampled_from(["", "", "# made by x\n", "#\n# of 2026, by a; b\n\n", "\n\n"]),
)
def test_what_a_writer_quotes_is_read_back(
    tmp_path_factory, cells, delimiter, end, encoding, quote, before
):
    out = io.StringIO()
    out.write(before)
    writer = csv.writer(
        out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL, quotechar=quote
    )
    writer.writerow(["prompt", "output", "source"])
    writer.writerows(cells)
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    rows = read(str(path), "train")
    assert table(rows) == cells
    assert not rows.skipped
    assert table(head(path, 2)) == cells[:2]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("# by a tool, 2026\nprompt,output\na,b\n", ("a", "b")),
        ("#prompt,output\na,b\n", ("a", "b")),
        ("#,prompt,output\n1,a,b\n2,c,d\n", ("1", "a", "b")),
        ("Our questions of 2026\n\nprompt,output\na,b\nc,d\n", ("a", "b")),
        ("prompt,output\n#a,b\nc,d\n", ("#a", "b")),
        ("prompt,output\n'tis, it's\n'a' b,c\n'all',d\n", ("'tis", " it's")),
        ("prompt,output\n'a, b','it\\'s'\n'c','d'\n", ("a, b", "it's")),
    ],
)
def test_what_stands_before_the_header_and_single_quotes(tmp_path, text, cells):
    found = read_text(tmp_path, text)
    assert table(found)[0] == cells
    assert not found.skipped


def test_excels_line_for_the_delimiter_is_no_header(tmp_path):
    found = read_text(tmp_path, "sep=;\r\nprompt;output\r\na;b\r\nc,d;e\r\n")
    assert table(found) == [("a", "b"), ("c,d", "e")]
    assert list(found.places) == [3, 4]


def test_the_first_row_may_be_data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('"a, b, e\nc",d\n"q",w\nx,"y\nz,"v\n')
    found = joined(list(batches(str(path), header=False)))
    assert list(found.columns) == ["column 1", "column 2"]
    assert table(found) == [("a, b, e\nc", "d"), ("q", "w"), ("x", '"y'), ("z", '"v')]
    assert found.places == [1, 3, 4, 5]
    assert found.read_as["stray_quotes"] == "kept as text in lines 4, 5"
    assert head(path, 1, header=False).values("column 2") == ["d"]
