"""A report as markdown, to paste."""

from core.report.document import (
    Code,
    Command,
    Items,
    Link,
    Paragraph,
    Picture,
    Quoted,
    Report,
    Section,
    Table,
)
from core.report.markdown import render, spans


def test_blocks_become_markdown_and_pictures_their_words():
    blocks = [
        Paragraph(("Rows: ", Command("python -m `core`"), " makes it.")),
        Items([("one",), ("two",)], counted=True),
        Table("t", ("arm", "loss"), [[("s2l",), ("1.5",)]]),
        Table("hidden", ("arm",), [[("s2l",)]], folded=True),
        Picture("k", "t", "<svg/>", ("What it shows.",)),
        Code("python -m core demo"),
    ]
    brief = [Section("s", "Results", blocks)]
    text = render(Report("id", ("Title",), ("It pays.",), (), [], brief))
    assert text.startswith("# Title\n\n**It pays.**\n\n## Results\n\n")
    assert "`python -m 'core'`" in text
    assert "1. one\n2. two" in text
    assert "| arm | loss |\n| --- | --- |\n| s2l | 1.5 |" in text
    assert "hidden" not in text
    assert "<svg" not in text
    assert "What it shows." in text
    assert "```bash\npython -m core demo\n```" in text


def test_peoples_text_is_no_markup_and_becomes_no_link():
    text = spans(("by ", Quoted("<b>*x*</b> http://evil.example www.evil.example @all")))
    assert "<b>" not in text
    assert "http://" not in text
    assert "www.evil" not in text
    assert "@all" not in text
    assert spans((Link("paper", "https://arxiv.org/abs/1"),)) == "[paper](https://arxiv.org/abs/1)"
