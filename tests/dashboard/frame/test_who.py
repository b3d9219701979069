"""Who is signed in, and as what: whatever is unclear changes nothing."""

import ast

import pytest
from streamlit.testing.v1 import AppTest

from core.workspace import roles
from core.workspace.files import ROOT
from dashboard.escape import plain
from dashboard.frame import who

RULES = {"editors": ["ed@lab.test", "*@Core.test"], "viewers": "*@lab.test"}
SIGNED_IN = {"is_logged_in": True, "email_verified": True}


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "ed@lab.test"}, "editor"),
        ({"email": "ED@Lab.test "}, "editor"),
        ({"email": "any@core.test"}, "editor"),
        ({"email": "vera@lab.test"}, "viewer"),
        ({"email": "eve@evil.test"}, ""),
        ({"email": "ed@lab.test.evil.test"}, ""),
        ({"email": "xed@lab.test"}, "viewer"),
        ({"email": "ed@lab.test", "email_verified": False}, ""),
        ({"email": "ed@lab.test", "email_verified": "true"}, ""),
        ({"email": "ed@lab.test", "email_verified": None}, ""),
        ({"email": ""}, ""),
        ({"email": None, "name": "ed@lab.test"}, ""),
        ({}, ""),
    ],
)
def test_a_role_is_of_a_verified_address_that_the_rules_name(claims, role):
    if role:
        assert who.role_of({**SIGNED_IN, **claims}, RULES).role == role
    else:
        with pytest.raises(who.NoRole):
            who.role_of({**SIGNED_IN, **claims}, RULES)


def test_another_claim_can_be_named_and_without_rules_nobody_has_a_role():
    assert who.role_of({**SIGNED_IN, "sub": "a7"}, {"claim": "sub", "editors": ["a7"]}).name == "a7"
    assert who.role_of({"name": "ana"}, {"claim": "name", "viewers": ["*"]}) == ("ana", "viewer")
    with pytest.raises(who.NoRole, match="neither a viewer nor an editor"):
        who.role_of({**SIGNED_IN, "email": "ed@lab.test"}, {})


def opened(monkeypatch, path, text) -> AppTest:
    from streamlit.runtime.secrets import secrets_singleton

    monkeypatch.setattr(secrets_singleton, "_secrets", None)
    path.write_text(text)
    option = who.st.get_option
    files = [str(path)]
    monkeypatch.setattr(
        "streamlit.config.get_option", lambda k: files if k == "secrets.files" else option(k)
    )
    monkeypatch.setattr(
        who.st, "get_option", lambda k: files if k == "secrets.files" else option(k)
    )

    def page():
        import streamlit as st

        from core.workspace import roles
        from dashboard.frame import who

        who.sign_in()
        st.text(f"{roles.person()}")

    return AppTest.from_function(page).run()


def test_a_secrets_file_that_is_broken_lets_nobody_in(monkeypatch, tmp_path):
    at = opened(monkeypatch, tmp_path / "secrets.toml", "[auth\nclient_id = 1\n")
    assert plain("cannot be read, so nobody is let in") in at.error[0].value
    assert not at.text
    assert who.person() == who.NOBODY


def test_sign_in_that_is_set_up_shows_nothing_before(monkeypatch, tmp_path):
    at = opened(monkeypatch, tmp_path / "secrets.toml", '[auth]\nclient_id = "1"\n')
    assert [b.label for b in at.button] == ["Sign in"]
    assert not at.text
    assert who.person() == who.NOBODY


def test_without_configuration_there_is_one_user_who_may_do_everything(monkeypatch, tmp_path):
    at = opened(monkeypatch, tmp_path / "secrets.toml", "")
    assert at.text[0].value == str(roles.Person("test@example.com", "editor"))  # AppTest's own


def test_what_leaves_by_a_download_goes_through_the_one_function_that_asks():
    used = [
        str(path.relative_to(ROOT))
        for folder in ("dashboard", "pages")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "download_button"
    ]
    assert set(used) == {"dashboard/frame/widgets.py"}


def test_a_viewers_page_holds_nothing_of_a_download(monkeypatch):
    monkeypatch.setattr(roles, "_ask", [lambda: roles.Person("vera", "viewer")])

    def page():
        from dashboard.frame import widgets

        widgets.download("Take it", "the whole file", file_name="f.txt")

    at = AppTest.from_function(page).run()
    (taken,) = at.get("download_button")
    assert taken.proto.disabled
    assert not at.exception
