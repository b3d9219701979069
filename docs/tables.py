"""Write the tables of the docs that show what stands in the code: `make docs`."""

import pathlib

from core.selection.strategies.catalog import as_markdown

page = pathlib.Path(__file__).with_name("strategies.md")
before, rest = page.read_text(encoding="utf-8").split("<!-- strategies -->\n")
after = rest.split("<!-- /strategies -->\n")[1]
table = f"<!-- strategies -->\n{as_markdown()}<!-- /strategies -->\n"
page.write_text(before + table + after, encoding="utf-8")
