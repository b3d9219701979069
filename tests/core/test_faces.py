"""Faces of packages: names that are imported when they are asked for."""

import sys
import types

import pytest


@pytest.fixture
def face(tmp_path, monkeypatch):
    """A package that offers `run` of a file `run`, and another name."""
    (tmp_path / "shop").mkdir()
    code = "from shop.run import run as run\nfrom shop.till import PRICE as PRICE\nimport json\n"
    (tmp_path / "shop" / "__init__.py").write_text(
        f"from core.faces import lazy\nif False:\n    {code.replace(chr(10), chr(10) + '    ')}\n"
        "lazy(__name__, __file__)\n"
    )
    (tmp_path / "shop" / "run.py").write_text("def run(): return 'ran'\n")
    (tmp_path / "shop" / "till.py").write_text("PRICE = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import shop

    yield shop
    for name in [m for m in sys.modules if m.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_nothing_is_loaded_before_it_is_asked_for(face):
    assert "shop.till" not in sys.modules
    assert face.PRICE == 3
    assert "shop.till" in sys.modules


def test_a_function_is_offered_though_a_file_has_its_name(face):
    import shop.run

    assert isinstance(sys.modules["shop.run"], types.ModuleType)
    assert shop.run() == "ran"


def test_other_names_are_refused_and_none_is_changed(face):
    assert {"run", "PRICE"} <= set(dir(face))
    assert "json" not in dir(face)
    with pytest.raises(AttributeError, match="shop offers no json"):
        face.json  # noqa: B018
    with pytest.raises(AttributeError, match=r"change shop\.till"):
        face.PRICE = 4
