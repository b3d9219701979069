"""Text from data, people and links reaches markdown through `dashboard.escape.plain` only.

The rule is read off the source: what is interpolated into a label, help or message is written in
the code, is a number that its format shows to be one, or has gone through `plain`.
"""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.test_architecture import FILES

FIRST = {0}
MARKDOWN: dict[str, set[int]] = {
    **dict.fromkeys(
        [
            "markdown",
            "caption",
            "header",
            "subheader",
            "title",
            "error",
            "warning",
            "info",
            "success",
            "toast",
            "badge",
            "write",
            "button",
            "download_button",
            "link_button",
            "page_link",
            "form_submit_button",
            "popover",
            "expander",
            "status",
            "spinner",
            "checkbox",
            "toggle",
            "radio",
            "selectbox",
            "multiselect",
            "slider",
            "select_slider",
            "number_input",
            "text_input",
            "text_area",
            "date_input",
            "time_input",
            "segmented_control",
            "pills",
            "file_uploader",
            "tabs",
            "dialog",
            "feedback",
            "chat_message",
            "color_picker",
        ],
        FIRST,
    ),
    "metric": {0, 1, 2},
    "progress": {1},
    "image": {1},
    **dict.fromkeys(
        ["Column", "NumberColumn", "TextColumn", "ProgressColumn", "ListColumn", "CheckboxColumn"],
        FIRST,
    ),
}
"""Streamlit's elements that read markdown -> which of their arguments, by position."""
NAMED = {"label", "help", "text", "body", "caption", "delta", "value"}
"""Arguments by name that read markdown, where the element is in MARKDOWN."""
NOT_MARKDOWN = {
    "value": {"text_input", "text_area", "number_input", "slider", "toggle", "checkbox", "progress"}
}
OPTIONS = {"radio", "segmented_control", "pills", "tabs"}
"""Elements whose options read markdown (those of a selectbox do not)."""
NUMERIC = re.compile(r"[^%]*[,_]?(\.\d+)?[,bdeEfFgGn%]")
"""Formats that no text has: Python refuses them."""
NUMBERS = {"len", "int", "float", "round", "sum", "duration"}
PASSING = {"list", "dict", "str", "zip", "tuple", "sorted", "next", "max", "min"}
"""Functions whose result holds what they are given."""
PLAIN = {"plain", "plain_words"}
OWN = {"int", "float", "bool", "int | None", "Kind", "Spec"}
"""Annotations of parameters that carry no text of anybody."""


class Found(NamedTuple):
    """A place where a text of anybody could be read as markup."""

    module: str
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.code}"


Wrapper = tuple[str, str]
"""Module and function."""


class Seen(NamedTuple):
    """What is known on the way through a value."""

    nodes: frozenset[int] = frozenset()
    parameters: bool | None = None
    """Whether texts handed to the function are safe; None where its callers are asked later."""


class Source:
    """The dashboard's functions, and which of their parameters end in markdown."""

    def __init__(self, files: dict[str, str]) -> None:
        self.trees = {module: ast.parse(text) for module, text in files.items()}
        self.wrappers: dict[Wrapper, set[str]] = {}
        self.functions: dict[Wrapper, ast.FunctionDef] = {}
        self.imports: dict[str, dict[str, str]] = {}
        for module, tree in self.trees.items():
            self.imports[module] = {}
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        full = f"{node.module}.{alias.name}"
                        self.imports[module][alias.asname or alias.name] = full
                elif isinstance(node, ast.FunctionDef):
                    self.functions[module, node.name] = node
                for child in ast.iter_child_nodes(node):
                    child.above = node  # type: ignore[attr-defined]

    def found(self) -> list[Found]:
        """Return every place that breaks the rule; wrappers are learned until none is new."""
        while True:
            known = {key: set(names) for key, names in self.wrappers.items()}
            out = [f for module in self.trees for f in self._of(module)]
            if known == self.wrappers:
                return sorted(set(out))

    def _of(self, module: str) -> list[Found]:
        out = []
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Call):
                for value in self._read(module, node):
                    if not self.safe(module, value):
                        out.append(Found(module, value.lineno, ast.unparse(value)))
        return out

    def _read(self, module: str, call: ast.Call) -> list[ast.expr]:
        """Return the arguments of a call that are read as markdown."""
        target = self._target(module, call.func)
        if target in self.wrappers:
            given = self.functions[target].args
            rest = given.vararg.arg if given.vararg else ""
            names = [a.arg for a in given.args] + [rest] * len(call.args)
            pairs = [(k.arg, k.value) for k in call.keywords] + [
                *zip(names, call.args, strict=False)
            ]
            return [value for name, value in pairs if name in self.wrappers[target]]
        if not isinstance(call.func, ast.Attribute) or target in self.functions:
            return []
        element = call.func.attr
        ours = self._ours(module, call.func)
        if ours or element not in MARKDOWN or (element == "write" and not _is_st(call.func)):
            return []
        out = [a for i, a in enumerate(call.args) if i in MARKDOWN[element]]
        for word in call.keywords:
            if word.arg in NAMED and element not in NOT_MARKDOWN.get(word.arg, ()):
                out.append(word.value)
        if element in OPTIONS:
            shown = [k.value for k in call.keywords if k.arg == "format_func"]
            out += shown or call.args[1:2]
        return out

    def _ours(self, module: str, func: ast.Attribute) -> bool:
        """Say whether a name is looked up in a module of ours, not in a Streamlit container."""
        root = func.value
        full = self.imports[module].get(root.id, "") if isinstance(root, ast.Name) else ""
        return full.startswith(("core.", "dashboard."))

    def _target(self, module: str, func: ast.expr) -> Wrapper:
        """Return the function of ours that is called."""
        if isinstance(func, ast.Name):
            full = self.imports[module].get(func.id, f"{module}.{func.id}")
        elif isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            full = f"{self.imports[module].get(func.value.id, '?')}.{func.attr}"
        else:
            return ("", "")
        head, _, tail = full.rpartition(".")
        return head, tail

    def safe(self, module: str, value: ast.AST, seen: Seen = Seen()) -> bool:  # noqa: B008
        """Say whether no text of anybody can be in a value."""
        if id(value) in seen.nodes:
            return True  # a name made from itself: the other parts decide
        seen = seen._replace(nodes=seen.nodes | {id(value)})

        def all_safe(parts: list[ast.expr]) -> bool:
            return all(self.safe(module, part, seen) for part in parts)

        match value:
            case ast.Constant():
                return True
            case ast.JoinedStr():
                return all_safe([v for v in value.values if isinstance(v, ast.FormattedValue)])
            case ast.FormattedValue():
                spec = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
                return bool(NUMERIC.fullmatch(spec)) or self.safe(module, value.value, seen)
            case ast.IfExp():
                return all_safe([value.body, value.orelse])
            case ast.BoolOp():
                return all_safe(value.values)
            case ast.BinOp(op=ast.Sub() | ast.Div() | ast.FloorDiv()):
                return True  # no text has these
            case ast.BinOp():
                return all_safe([value.left, value.right])
            case ast.List() | ast.Tuple() | ast.Set():
                return all_safe(value.elts)
            case ast.Dict():
                return all_safe([v for v in value.values if v])
            case ast.Starred() | ast.Attribute() | ast.Subscript():
                if isinstance(value, ast.Attribute) and value.attr.isupper():
                    return True
                return self.safe(module, value.value, seen)
            case ast.Lambda():
                return self.safe(module, value.body, seen)
            case ast.GeneratorExp() | ast.ListComp():
                return self.safe(module, value.elt, seen)
            case ast.DictComp():
                return self.safe(module, value.value, seen)
            case ast.Call():
                return self._call(module, value, seen)
            case ast.Name():
                return self._name(module, value, seen)
        return False

    def _call(self, module: str, call: ast.Call, seen: Seen) -> bool:
        func = call.func
        name = func.id if isinstance(func, ast.Name) else ""
        if name in PLAIN | NUMBERS:
            return True
        if name == "map":
            return isinstance(call.args[0], ast.Name) and call.args[0].id in PLAIN | NUMBERS
        if name in PASSING:
            return all(self.safe(module, a, seen) for a in call.args)
        if isinstance(func, ast.Attribute):
            if func.attr in ("join", "replace"):
                return all(self.safe(module, a, seen) for a in [func.value, *call.args])
            if func.attr == "keys":
                return self._keys(module, func.value, seen)
            if func.attr in ("items", "values", "get", "lower"):
                return self.safe(module, func.value, seen)
        target = self._target(module, func)
        if target in self.functions:
            within = self.functions[target]
            returned = [n.value for n in ast.walk(within) if isinstance(n, ast.Return) and n.value]
            given = [*call.args, *(k.value for k in call.keywords)]
            alone, fed = seen._replace(parameters=False), seen._replace(parameters=True)
            return bool(returned) and (
                all(self.safe(target[0], v, alone) for v in returned)
                or (
                    all(self.safe(target[0], v, fed) for v in returned)
                    and all(self.safe(module, a, seen) for a in given)
                )
            )
        return False

    def _keys(self, module: str, value: ast.expr, seen: Seen) -> bool:
        """Say whether no text of anybody is a key of a dictionary."""
        if isinstance(value, ast.Dict):
            return all(key is not None and self.safe(module, key, seen) for key in value.keys)
        if isinstance(value, ast.Name) and not value.id.isupper():
            given = self._given(value)
            return bool(given) and all(
                isinstance(v, ast.Dict) and self._keys(module, v, seen) for v in given
            )
        return self.safe(module, value, seen)

    def _given(self, name: ast.Name) -> list[ast.AST]:
        """Return what a name is made from in the innermost scope that makes it."""
        scope: ast.AST | None = name
        while scope is not None:
            scope = getattr(scope, "above", None)
            if isinstance(scope, ast.FunctionDef | ast.Module) and (
                given := self._assigned(name.id, scope)
            ):
                return given
        return []

    def _name(self, module: str, name: ast.Name, seen: Seen) -> bool:
        if name.id.isupper() or name.id in ("duration", "len") or name.id in PLAIN:
            return True
        scope: ast.AST | None = name
        while scope is not None:
            scope = getattr(scope, "above", None)
            if isinstance(scope, ast.FunctionDef | ast.Module):
                if given := self._assigned(name.id, scope):
                    return all(self.safe(module, v, seen) for v in given)
                if isinstance(scope, ast.FunctionDef):
                    kind = _annotation(name.id, scope)
                    if kind in OWN:
                        return True
                    if "str" in kind and seen.parameters is None:
                        self.wrappers.setdefault((module, scope.name), set()).add(name.id)
                        return True
                    if kind:
                        return bool(seen.parameters) and "str" in kind
        return False

    def _assigned(self, name: str, scope: ast.AST) -> list[ast.AST]:
        """Return what a name is made from in a scope, each part that it can be."""
        out: list[ast.AST] = []
        for node in _own_nodes(scope):
            pairs: list[tuple[ast.expr, ast.expr]] = []
            match node:
                case ast.Assign():
                    pairs = [(t, node.value) for t in node.targets]
                case ast.AugAssign() | ast.AnnAssign() | ast.NamedExpr() if node.value:
                    pairs = [(node.target, node.value)]
                case ast.For() | ast.comprehension():
                    pairs = [(node.target, ast.Starred(node.iter))]
                case ast.Call(func=ast.Attribute(value=ast.Name(id=id), attr="append" | "extend")):
                    out += node.args if id == name else []
            for target, value in pairs:
                out += _bound(name, target, value)
        return out


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in a scope, not in the functions inside it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef):
            yield from _own_nodes(child)


def _is_st(func: ast.Attribute) -> bool:
    return isinstance(func.value, ast.Name) and func.value.id == "st"


def _annotation(name: str, function: ast.FunctionDef) -> str:
    """Return how a parameter is annotated; empty if there is none of the name."""
    given = function.args
    known = [*given.args, *given.kwonlyargs, *([given.vararg] if given.vararg else [])]
    for argument in known:
        if argument.arg == name:
            return ast.unparse(argument.annotation) if argument.annotation else "?"
    return ""


def _bound(name: str, target: ast.expr, value: ast.expr) -> list[ast.AST]:
    """Return the values that a target gives to a name."""
    if isinstance(target, ast.Name):
        return [value] if target.id == name else []
    if not isinstance(target, ast.Tuple):
        return []
    places = len(target.elts)
    rows: list[list[ast.expr]] = [[value] * places]
    match value:
        case ast.Tuple() | ast.List() if len(value.elts) == places:
            rows = [value.elts]
        case ast.Starred(value=ast.Tuple(elts=items) | ast.List(elts=items)):
            rows = [getattr(item, "elts", [item] * places) for item in items]
        case ast.Starred(value=ast.Call(func=ast.Attribute(value=of, attr="items"))):
            rows = [[ast.Call(ast.Attribute(of, "keys"), [], []), ast.Starred(of)]]
        case ast.Starred(value=ast.Call(func=ast.Name(id="zip"), args=parts)):
            rows = [[ast.Starred(part) for part in parts]]
        case ast.Starred(value=ast.Call(func=ast.Name(id="enumerate"), args=[part, *_])):
            rows = [[ast.Constant(0), ast.Starred(part)]]
    return [
        v
        for row in rows
        for t, r in zip(target.elts, row, strict=False)
        for v in _bound(name, t, r)
    ]


def found(files: dict[str, str]) -> list[str]:
    return [str(f) for f in Source(files).found()]


DASHBOARD = {
    module: path.read_text()
    for module, path in FILES.items()
    if module.startswith(("dashboard", "pages"))
}


def test_text_of_others_is_made_plain():
    assert found(DASHBOARD) == []


@pytest.mark.parametrize(
    "line",
    [
        "st.markdown(name)",
        "st.caption(f'Kept as {made.name}')",
        "left.button(f'Open {e}')",
        "st.text_input('Name', help=made.name)",
        "st.tabs([a.name for a in made])",
        "st.radio('Which', names, format_func=lambda id: known[id])",
        "st.segmented_control('Only', list(names))",
        "st.metric('Rows', found['text'])",
        "st.progress(0.5, text=job.title)",
        "st.column_config.NumberColumn(made.name)",
        "words = 'Kept'\nif made:\n    words = made.name\nst.caption(words)",
        "said = []\nsaid.append(made.name)\nst.error('; '.join(said))",
        "for word, n in made.counts:\n    st.caption(f'{word} {n:,}')",
        "st.caption(shown(made.name))\ndef shown(text: str) -> str:\n    return f'As {text}'",
        "def say(text: str):\n    st.caption(text)\nsay(made.name)",
        "def say(*pairs: tuple[str, str]):\n    for a, b in pairs:\n        st.metric(a, b)\n"
        "say(('Name', made.name))",
        "def say(made: Artifact):\n    st.caption(made.name)",
        "try:\n    made = 1\nexcept ValueError as e:\n    st.error(str(e))",
        "st.caption(plain(made.name) + made.id)",
        "st.caption(f'{made.name!r:>20}')",
        "st.caption(job_card.plain(made.name))",
    ],
)
def test_a_text_of_others_is_seen(line):
    assert found({"pages.new": line})


@pytest.mark.parametrize(
    "line",
    [
        "st.caption(f'Kept as {plain(made.name)}, {made.rows:,} rows, {made.share:.1%}')",
        "st.selectbox('Which', names)",
        "st.text(made.name)",
        "st.code(made.name, language=None)",
        "st.text_input('Name', made.name)",
        "words = 'one' if made else 'more'\nst.caption(f'{words} of {len(made)}')",
        "for label, icon in (('Undo', 'undo'), ('Redo', 'redo')):\n    st.button(label, icon=icon)",
        "st.caption(SENTENCES[view])",
        "st.radio('Which', TABS, format_func=lambda name: TITLES[name].title)",
        "def say(text: str):\n    st.caption(text)\nsay('Nothing yet')",
        "st.caption(', '.join(plain(name) for name in names))",
        "low, high = map(duration, found)\nst.caption(f'{low} to {high}')",
    ],
)
def test_what_is_ours_may_be_markdown(line):
    assert found({"pages.new": line}) == []
