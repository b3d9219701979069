"""What a person should know of a dataset's texts before anything is trained on them.

Everything here is counted by DuckDB or by the project's own search for duplicates; no model is
needed. Personal data is found by its form and only ever counted: no text of it is in a finding.
"""

from __future__ import annotations

import collections
import re

import duckdb
import numpy as np

from core.arrays import Ints
from core.dataset.artifact import examples_file
from core.dataset.duplicates import duplicates, near_duplicates
from core.dataset.search import connect
from core.finetune.answers import bare
from core.trajectories.row_checks import Finding
from core.workspace.artifact import Artifact

SCRIPTS = (
    *("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Thai"),
    *("Han", "Hiragana", "Katakana", "Hangul"),
)
EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
PHONE = "|".join(
    (
        r"(^|[\s(:,])\+[1-9]\d{0,2}[ .-]\(?\d{1,4}\)?([ .-]\d{2,8}){1,4}($|\D)",
        r"(^|[\s(:,])\+[1-9]\d{9,13}($|\D)",
        r"\(\d{3}\) ?\d{3}[-. ]\d{4}($|\D)",
        r"(^|[^\d.-])\d{3}[-.]\d{3}[-.]\d{4}($|\D)",
    )
)
ENDS = 10
"""Rows listed as the shortest, and as the longest."""
ROWS = """(select row, prompt, response, coalesce(answer, '') as answer,
    prompt || ' ' || response as text from read_parquet(getvariable('path')))"""
SAME = r"trim(regexp_replace(lower(prompt), '\s+', ' ', 'g'), ' ?.!:')"
"""A question in one spelling; signs stay, for 2 + 2 is not 2 - 2."""
FEW = 2
"""Words in a response up to which the whole of it is its final answer."""


def check_texts(dataset: Artifact) -> list[Finding]:
    """Look at the texts of a dataset; return every check in a fixed order.

    Held-out rows are looked at, too.
    """
    path = examples_file(dataset)
    with connect() as sql:
        sql.execute("set variable path = ?", [str(path)])
        (n,) = sql.execute(f"select count(*) from {ROWS}").fetchone() or (0,)
        findings = [
            _finding(
                "empty",
                "Empty",
                _rows(sql, "trim(prompt) = '' or trim(response) = ''"),
                n,
                "rows have an empty prompt or response.",
                "Exclude them, unless an empty side is meant.",
            ),
            _extreme(sql, "Shortest responses", "asc"),
            _extreme(sql, "Longest responses", "desc"),
            _scripts(sql, n),
            _personal(sql, n, "email", "E-mail addresses", EMAIL),
            _personal(sql, n, "phone", "Telephone numbers", PHONE),
            _noise(sql, n),
        ]
    copies = duplicates(path)
    near = np.setdiff1d(near_duplicates(path, np.arange(n)), copies)
    duplicated = [
        _finding(
            "copies",
            "Exact duplicates",
            copies,
            n,
            "rows have the prompt and the response of an earlier row.",
            "Exclude them; the first of each stays.",
        ),
        _finding(
            "near",
            "Near-duplicates",
            near,
            n,
            "other rows nearly repeat an earlier one: the same words, or 4 in 5 of its five-word "
            "shingles.",
            "Read some: what differs may be what matters. A selection leaves them out with "
            "--dedup near.",
        ),
    ]
    return duplicated + findings


def _finding(name: str, title: str, rows: Ints, n: int, text: str, remedy: str) -> Finding:
    sentence = f"{len(rows):,} of {n:,} {text}"
    return Finding(name, title, rows, sentence, remedy if len(rows) else "")


def _rows(sql: duckdb.DuckDBPyConnection, where: str, *values: str) -> Ints:
    rows = sql.execute(f"select row from {ROWS} where {where} order by row", values).fetchnumpy()
    return np.asarray(rows["row"], np.int64)


def _extreme(sql: duckdb.DuckDBPyConnection, title: str, order: str) -> Finding:
    extremes = sql.execute(
        f"select row, length(response) n from {ROWS} order by n {order}, row limit {ENDS}"
    ).fetchall()
    lengths = [size for _, size in extremes]
    said = f"{min(lengths):,} to {max(lengths):,} characters" if lengths else "no row"
    rows = np.array([row for row, _ in extremes], np.int64)
    return Finding(title.split()[0].lower(), title, rows, f"The {len(rows)} have {said}.", "")


def _scripts(sql: duckdb.DuckDBPyConnection, n: int) -> Finding:
    """Find rows that are written in another script than most."""
    counts = ", ".join(
        rf"length(regexp_replace(text, '\P{{{script}}}', '', 'g')) as {script}"
        for script in SCRIPTS
    )
    odd = sql.execute(  # a text of ASCII alone is Latin
        f"select row, {counts} from {ROWS} where strlen(text) > length(text) order by row"
    ).fetchnumpy()
    rows = np.asarray(odd["row"], np.int64)
    letters = np.stack([np.asarray(odd[script]) for script in SCRIPTS])
    main = np.where(letters.sum(0) > 0, letters.argmax(0), 0)
    total = np.bincount(main, minlength=len(SCRIPTS))
    total[0] += n - len(rows)
    usual = int(total.argmax())
    listed = ", ".join(
        f"{SCRIPTS[i]} {total[i]:,}" for i in np.argsort(-total, kind="stable") if total[i]
    )
    other = rows[main != usual]
    if usual:  # the rows of ASCII are the others
        other = np.setdiff1d(np.arange(n), rows[main == usual])
    return Finding(
        "scripts",
        "Scripts",
        other,
        f"Rows by the script of most of their letters: {listed or 'none'}.",
        f"Are the rows that are not {SCRIPTS[usual]} meant to be here?" if len(other) else "",
    )


def _personal(
    sql: duckdb.DuckDBPyConnection, n: int, name: str, title: str, pattern: str
) -> Finding:
    return _finding(
        name,
        title,
        _rows(sql, "regexp_matches(text, ?)", pattern),
        n,
        f"rows hold what looks like {'an' if title[0] == 'E' else 'a'} "
        f"{title.lower().removesuffix('es' if title[0] == 'E' else 's')}.",
        "A model may repeat what it was trained on: exclude them, or mask them in the file.",
    )


def _noise(sql: duckdb.DuckDBPyConnection, n: int) -> Finding:
    """Find questions whose rows end in different answers, where these can be told."""
    asked = sql.execute(
        f"with q as (select row, response, answer, {SAME} as question from {ROWS}) "
        "select row, question, response, answer from q where question in "
        "(select question from q where question != '' group by 1 having count(*) > 1) order by row"
    ).fetchall()
    groups: dict[str, list[tuple[int, str]]] = collections.defaultdict(list)
    for row, question, response, answer in asked:
        if final := _final(response, answer):
            groups[question].append((row, final))
    noisy = [g for g in groups.values() if len({final for _, final in g}) > 1]
    rows = np.array(sorted(row for g in noisy for row, _ in g), np.int64)
    return _finding(
        "noise",
        "Label noise suspected",
        rows,
        n,
        f"rows ask one of {len(noisy):,} questions that others answer with another final answer.",
        "Read them: at most one of two answers is right, unless several are.",
    )


def _final(response: str, answer: str) -> str:
    """Return the final answer of a row in one spelling, "" where it cannot be told."""
    marked = bare(answer or response)
    if not answer and marked == response and len(response.split()) > FEW:
        return ""
    text = " ".join(marked.lower().split()).strip(" .$")
    number = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    try:
        return f"{float(number):g}"
    except ValueError:
        return text
