"""An upload is known by its content, and its name is only a name."""

import errno
import io
import os
import pathlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.workspace.files import sha256_file
from dashboard.frame import uploads

ROWS = b'{"question": "1 + 1?", "answer": "2"}\n'


def store(root, name, content=ROWS):
    return uploads.store(root, name, io.BytesIO(content))


def files(root):
    return sorted(p for p in root.rglob("*") if p.is_file())


def test_two_files_of_one_name_and_size_are_two_files(tmp_path):
    first = store(tmp_path, "week.jsonl", b'{"a": 1}\n')
    second = store(tmp_path, "week.jsonl", b'{"a": 2}\n')
    assert first.read_bytes() == b'{"a": 1}\n'
    assert second.read_bytes() == b'{"a": 2}\n'
    assert first.name == second.name == "week.jsonl"


def test_the_same_content_is_stored_once(tmp_path):
    first = store(tmp_path, "week.jsonl")
    assert store(tmp_path, "week.jsonl") == first
    assert files(tmp_path) == [first]
    other = store(tmp_path, "again.jsonl")
    assert other.name == "again.jsonl"
    assert first.samefile(other)


def test_a_stored_file_that_somebody_changed_is_not_taken_for_the_upload(tmp_path):
    first = store(tmp_path, "week.jsonl")
    first.write_bytes(ROWS.replace(b"2", b"3"))
    assert store(tmp_path, "week.jsonl").read_bytes() == ROWS
    first.write_bytes(ROWS.replace(b"2", b"3"))
    assert store(tmp_path, "other.jsonl").read_bytes() == ROWS


def test_the_folder_is_named_by_the_content(tmp_path):
    path = store(tmp_path, "week.jsonl")
    assert sha256_file(path).startswith(path.parent.name)
    assert len(path.parent.name) == 32


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a" * 250 + ".jsonl", "a" * 194 + ".jsonl"),
        ("a" * 250 + ".JSONL.gz", "a" * 191 + ".JSONL.gz"),
        ("ü" * 200 + ".csv", "ü" * 98 + ".csv"),
        ("a." + "b" * 300, "a." + "b" * 198),
        ("../../etc/passwd.json", "passwd.json"),
        ("..\\..\\boot.csv", "boot.csv"),
        ("..", "upload"),
        (".", "upload"),
        ("/", "upload"),
        ("", "upload"),
        (".hidden.csv", "hidden.csv"),
        (".jsonl", "upload.jsonl"),
        ("...csv", "upload.csv"),
        ("a\x00b\n.csv", "ab.csv"),
        ("invoice\u202egpj.csv", "invoicegpj.csv"),
        ("Größe 数据 😀.csv", "Größe 数据 😀.csv"),
        ("-rf --path=x.csv", "-rf --path=x.csv"),
        ("**bold** ![i](http://x/y).csv", "y).csv"),
        ("$x$ :red[a] *b*.csv", "$x$ :red[a] *b*.csv"),
        ("a\ud800.csv", "a.csv"),
        ("~root.csv", "~root.csv"),
    ],
)
def test_names_are_kept_as_far_as_a_disk_can(tmp_path, name, kept):
    path = store(tmp_path, name)
    assert path.name == kept
    assert path.parent.parent == tmp_path
    assert path.read_bytes() == ROWS


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_name_is_one_plain_short_part_of_a_path(name):
    kept = uploads.file_name(name)
    assert pathlib.PurePath(kept).name == kept
    assert 0 < len(kept.encode()) <= uploads.LONGEST
    assert not kept.startswith(".")
    assert not {unicodedata.category(c)[0] for c in kept} & {"C"}
    assert len(kept.splitlines()) == 1
    assert uploads.file_name(kept) == kept


def test_large_uploads_are_read_in_blocks(tmp_path):
    class Counted(io.BytesIO):
        most = 0

        def read(self, size=-1):
            assert size > 0, "all at once"
            self.most = max(self.most, size)
            return super().read(size)

    content = os.urandom(3 * uploads.BLOCK + 1)
    file = Counted(content)
    file.read(10)  # somebody looked into it before
    path = uploads.store(tmp_path, "big.jsonl", file)
    assert path.read_bytes() == content
    assert file.most == uploads.BLOCK


def test_a_full_disk_leaves_nothing(tmp_path):
    class Full(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().read(4)

    with pytest.raises(OSError, match="No space"):
        uploads.store(tmp_path, "a.jsonl", Full(ROWS))
    assert files(tmp_path) == []


def test_a_disk_without_hard_links_stores_it_twice(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    first = store(tmp_path, "a.jsonl")
    monkeypatch.setattr(os, "link", refuse)
    second = store(tmp_path, "b.jsonl")
    assert second.read_bytes() == first.read_bytes() == ROWS
