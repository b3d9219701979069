"""In which encoding a text is: by its byte order mark, as UTF-8, or as charset-normalizer says.

Text that is UTF-8 but for a few lines stays UTF-8, and those lines are skipped; where no line with
other letters is UTF-8, the whole is in an older encoding.
"""

from __future__ import annotations

import codecs
import io
from typing import TextIO

from core.dataset.readers.sources import Source

CHUNK = 1 << 20
SAMPLE = 1 << 16
"""Bytes of lines with other letters by which an older encoding is told."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order mark -> encoding; UTF-32 first, since its mark begins with that of UTF-16."""
OLDER = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "koi8_r",
]
"""Encodings that are not UTF-8 and may be told; the single-byte ones as Windows has them."""

LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")


def encoding_of(source: Source, *, whole: bool, damaged: float) -> str:
    """Return the encoding of a text file, "" if it is no text.

    Args:
        whole: Whether to look at all of it, rather than at its beginning.
        damaged: Share of the lines up to which those that are not UTF-8 are damaged ones, rather
            than a sign of an older encoding.
    """
    with source.open() as f:
        head = f.read(CHUNK if whole else 4 * SAMPLE)
        for mark, name in MARKS.items():
            if head.startswith(mark):
                return name
        if b"\0" in head[:SAMPLE]:
            return _without_mark(head[:SAMPLE])
        n_right, n_wrong, n_lines, wrong = 0, 0, 0, b""
        rest = b""
        chunk = head
        while chunk:
            if b"\0" in chunk:
                return ""
            n_lines += chunk.count(b"\n")
            if not chunk.isascii():
                lines = (rest + chunk).splitlines(keepends=True)
                rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
                if len(rest) > 4 * CHUNK:  # a line without end
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    if not line.isascii():
                        if _is_utf8(line):
                            n_right += 1
                            continue
                        n_wrong += 1
                        if len(wrong) < SAMPLE:
                            wrong += line
            else:
                rest = b""
            chunk = f.read(CHUNK) if whole else b""
        if rest and not rest.isascii():
            if _is_utf8(rest) or not whole:
                n_right += 1
            else:
                n_wrong, wrong = n_wrong + 1, wrong + rest
    older = not n_right and n_wrong >= damaged * max(n_lines, 1)
    return _older(wrong) if wrong and older else "utf-8"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_mark(head: bytes) -> str:
    """Tell UTF-16 by where the zero bytes of its Latin letters, digits and spaces stand."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) * 20 < len(head):
        return ""
    text = head.decode(name, "replace")[:-1]
    return name if text and all(c.isprintable() or c in "\t\r\n" for c in text) else ""


def _older(wrong: bytes) -> str:
    """Tell an older encoding by its letters; western Europe's unless another fits better."""
    from charset_normalizer import from_bytes

    by_encoding = {m.encoding: m for m in from_bytes(wrong, cp_isolation=OLDER, threshold=0.5)}
    if not by_encoding:
        return "cp1252"
    best = next(iter(by_encoding.values()))
    western = by_encoding.get("cp1252")
    as_good = western and (
        western.chaos <= best.chaos + 0.05 and western.coherence >= best.coherence - 0.05
    )
    same = wrong.decode("cp1252", "replace") == wrong.decode(best.encoding, "replace")
    return "cp1252" if best.encoding in LATIN and (as_good or same) else best.encoding


def text_of(source: Source, encoding: str, newline: str) -> TextIO:
    """Open a text file; bytes that do not decode become lone surrogates, in UTF-16 U+FFFD."""
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return io.TextIOWrapper(source.open(), encoding, errors, newline=newline)


def undecoded(text: str) -> bool:
    """Return whether some bytes of a text are not in its encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
