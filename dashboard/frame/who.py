"""Who is signed in, and as what: sign-in is optional and set up in Streamlit's secrets file.

`[auth]` names an OpenID provider, as `st.login` wants it; `[roles]` says who may look and who may
work. Without either there is one user, who may do everything, and the server is reached from this
machine alone. A secrets file that cannot be read lets nobody in: it may be the one that says who.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.errors import InputError
from core.workspace import roles
from core.workspace.roles import Person
from dashboard.frame.page_words import plain_words

NOBODY = Person("", "viewer")
CLAIM = "email"
"""What people are known by where [roles] names no other claim."""


class NoRole(InputError):
    """Who signed in is not in [roles], or cannot be told from others."""


def secrets() -> dict[str, Any]:
    """Return Streamlit's secrets; empty where there is no file of them.

    Raises:
        InputError: there is one that cannot be read.
    """
    try:
        return st.secrets.to_dict()
    except FileNotFoundError:  # Streamlit raises the same where one cannot be read
        there = [p for p in st.get_option("secrets.files") if pathlib.Path(p).exists()]
        if there:
            raise InputError(f"{there[0]} cannot be read, so nobody is let in.") from None
        return {}


def role_of(claims: Mapping[str, Any], rules: Mapping[str, Any]) -> Person:
    """Return who somebody is, by what the provider says of them and the rules of [roles].

    An e-mail address counts only where the provider says that it is verified: elsewhere people
    write what they like there.

    Args:
        claims: Of the provider, or of a proxy in front.
        rules: `editors` and `viewers`, lists of names in which * stands for anything, and `claim`,
            the claim that is compared with them.

    Raises:
        NoRole: neither list has them.
    """
    claim = str(rules.get("claim", CLAIM))
    name = str(claims.get(claim) or "").strip()
    if not name:
        raise NoRole(f"The sign-in tells no {claim}; another can be named as claim under [roles].")
    if claim == CLAIM and "is_logged_in" in claims and claims.get("email_verified") is not True:
        raise NoRole(
            f"The provider does not say that {name} is verified, so it could be anybody's; another "
            "claim, such as sub, can be named under [roles]."
        )
    for role, key in (("editor", "editors"), ("viewer", "viewers")):
        listed = rules.get(key, [])
        listed = [listed] if isinstance(listed, str) else listed
        if any(fnmatchcase(name.casefold(), str(text).casefold()) for text in listed):
            return Person(name, "editor" if role == "editor" else "viewer")
    raise NoRole(f"{name} is neither a viewer nor an editor here.")


def person() -> Person:
    """Return who this browser belongs to; whatever is unclear may change nothing."""
    try:
        known = secrets()
        if "auth" not in known and "roles" not in known:
            return _only_user()
        if get_script_run_ctx(suppress_warning=True) is None:  # no browser asks
            return NOBODY
        if "auth" in known and st.user.get("is_logged_in") is not True:
            return NOBODY
        return role_of(st.user.to_dict(), known.get("roles", {}))
    except InputError:
        return NOBODY


def _only_user() -> Person:
    local = roles.of_environment()
    if get_script_run_ctx(suppress_warning=True) is None:
        return local
    user = st.user.get("email") or st.user.get("name")  # by a proxy in front
    return Person(str(user or local.name), "editor")


def may_edit() -> bool:
    """Say whether this browser's user may start, change, export and delete."""
    return roles.person().role == "editor"


def sign_in() -> None:
    """Let in who has a role; show everybody else how, and nothing more."""
    try:
        known = secrets()
        if "auth" in known and st.user.get("is_logged_in") is not True:
            st.header("S2L Studio", anchor=False)
            st.markdown("Sign in to see this workspace.")
            st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
            st.stop()
        if "auth" in known or "roles" in known:
            role_of(st.user.to_dict(), known.get("roles", {}))
    except InputError as e:
        st.header("S2L Studio", anchor=False)
        st.error(f"{plain_words(e)} Ask whoever runs this server.", icon=":material/lock:")
        if isinstance(e, NoRole) and st.user.get("is_logged_in") is True:
            st.button("Sign out", icon=":material/logout:", on_click=st.logout)
        st.stop()


def badge() -> None:
    """Say who is signed in and as what; nothing where nobody signs in."""
    name, role = roles.person()
    if name:
        words = f"{role}: looks, changes nothing" if role == "viewer" else role
        st.caption("Signed in")
        st.text(f"{name} ({words})")
    if st.user.get("is_logged_in") is True:
        st.button("Sign out", type="tertiary", icon=":material/logout:", on_click=st.logout)


def refused(error: Exception) -> bool:
    """Say on the page that a viewer may not do something; other errors are shown as they are."""
    if isinstance(error, roles.NotAllowed):
        st.error(plain_words(error), icon=":material/lock:")
        return True
    return False


roles.known_by(person)
