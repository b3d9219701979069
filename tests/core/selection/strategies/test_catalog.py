"""The catalog of strategies, and the page of the docs that shows it."""

import pathlib

from core.selection.strategies.catalog import STRATEGIES, as_markdown, having
from core.workspace.files import ROOT

PAGE = pathlib.Path(ROOT) / "docs" / "strategies.md"
FENCE = ("<!-- strategies -->\n", "<!-- /strategies -->\n")


def test_the_table_of_the_docs_is_the_catalog():
    """After a change of the catalog: `make docs`."""
    table = PAGE.read_text(encoding="utf-8").split(FENCE[0])[1].split(FENCE[1])[0]
    assert table == as_markdown()


def test_a_row_is_found_by_what_stands_in_it():
    assert having(size="pool") == ["full"]
    assert having(switches=True, quotas=False) == ["s2l_per_source"]
    assert having(needs="dataset", seeded=False) == ["full", "scores"]
    assert set(having(size="budget")) | set(having(size="matched")) == STRATEGIES.keys() - {"full"}


def test_titles_tell_the_strategies_apart():
    assert len({row.title for row in STRATEGIES.values()}) == len(STRATEGIES)
    assert all(row.sentence.endswith(".") for row in STRATEGIES.values())
