"""Faces: the few names that a package offers, each imported when it is first asked for.

So `python -m core list` loads no engine, and a package can offer a function `run` from a file of
the same name: importing that file does not put the module in the function's place.
"""

from __future__ import annotations

import ast
import importlib
import pathlib
import sys
import types
from typing import Any


def lazy(package: str, file: str) -> None:
    """Let a package offer the names that its `__init__.py` imports for type checkers.

    Args:
        package: Its `__name__`.
        file: Its `__file__`; read for the imports from the package's own modules.
    """
    homes = {
        alias.name: node.module
        for node in ast.walk(ast.parse(pathlib.Path(file).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}.")
        for alias in node.names
    }

    class Face(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name not in homes:
                raise AttributeError(f"{package} offers no {name}")
            return getattr(importlib.import_module(str(homes[name])), name)

        def __setattr__(self, name: str, value: object) -> None:
            if name not in homes:
                super().__setattr__(name, value)
            elif not isinstance(value, types.ModuleType):
                raise AttributeError(f"{package} only offers {name}; change {homes[name]}")

        def __dir__(self) -> list[str]:
            return sorted({*super().__dir__(), *homes})

    sys.modules[package].__class__ = Face
