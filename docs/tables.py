"""Write the tables of the docs that show what stands in the code: `make docs`."""

import pathlib

from core.model import architectures
from core.selection.strategies import catalog


def write(name: str, table: str) -> None:
    """Put a table between the marks of the page of its name."""
    page = pathlib.Path(__file__).with_name(f"{name}.md")
    before, rest = page.read_text(encoding="utf-8").split(f"<!-- {name} -->\n")
    after = rest.split(f"<!-- /{name} -->\n")[1]
    table = f"<!-- {name} -->\n{table}<!-- /{name} -->\n"
    page.write_text(before + table + after, encoding="utf-8")


write("strategies", catalog.as_markdown())
write("models", architectures.as_markdown())
