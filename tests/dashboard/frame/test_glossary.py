"""One glossary: in the code, in the docs, and beside the titles of pages."""

import pathlib

from dashboard.frame import glossary, state, widgets

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "glossary.md"


def test_the_docs_say_what_the_pages_say():
    assert DOCS.read_text() == glossary.page()


def test_every_page_explains_its_words_and_every_word_is_one_sentence():
    assert len(widgets.TERMS) == len(state.PAGES)
    for words in widgets.TERMS.values():
        shown = glossary.help_for(*words)
        assert all(glossary.WORDS[word] in shown for word in words)
    assert all(meaning.endswith(".") for meaning in glossary.WORDS.values())
