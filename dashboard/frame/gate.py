"""Who may talk to the server: the dashboard's own pages, opened at an address it is known by.

Streamlit lets a page of any port of this machine, and of the machine's own addresses, open its
websocket. Here a request passes only when it comes to a name of this server (else a foreign name
that leads here could read it) and, where the browser says which page sent it, from that same
origin. A websocket must say so. What is refused is told why. Nothing may frame the dashboard, and
its pages reach nothing but their own server.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import streamlit as st

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGINS = "S2L_ORIGIN"
"""Addresses people open the dashboard at, as `https://studio.example.org`; commas between."""
KEY, KEY_HEADER = "S2L_PROXY_KEY", b"x-s2l-key"
"""What a proxy in front sends with every request, so that none passes beside it."""
ALIVE = "/_stcore/health"
"""What watches over servers asks for, by whatever name; it tells nothing but that one runs."""
HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Streamlit's and Plotly's own
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Gate:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and put the headers on its answer."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        why = refusal(scope)
        if why and scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, value)
                    for name, value in message.get("headers", [])
                    if name.lower().decode("latin-1") not in HEADERS
                    and not name.lower().startswith(b"access-control-")
                ]
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": kept + own}
            await send(message)

        if why:
            start = {"type": "http.response.start", "status": 403}
            await answer({**start, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
            return await send({"type": "http.response.body", "body": f"{why}\n".encode()})
        await self.app(scope, receive, answer)


def refusal(scope: Scope) -> str:
    """Say why a request may not pass; empty where it may."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    named = os.environ.get(ORIGINS, "").replace(",", " ").split()
    if scope["type"] == "http" and scope["path"].endswith(ALIVE) and origin is None:
        return ""
    key = os.environ.get(KEY, "")
    if key and not hmac.compare_digest(key.encode(), headers.get(KEY_HEADER, "").encode("latin-1")):
        return "This server is reached through its proxy alone"
    asked = _split(f"//{host}")
    if named:
        own = {o for text in named if (o := _origin(_split(text)))}
        known = bool(host) and any(_same(_split(o), asked) for o in own)
    else:
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        own = {_origin(_split(f"{scheme}://{host}"))} - {""}
        known = asked is not None and _is_ours(asked.hostname or "")
    if not known:
        return (
            f"This server is not known as {host[:100] or 'nothing'}; whoever runs it names the "
            f"address that people open in {ORIGINS}, as {ORIGINS}=https://studio.example.org"
        )
    if origin is None and scope["type"] == "http":
        return ""
    if origin is None or _origin(_split(origin)) not in own:
        return f"Only the dashboard's own pages may ask this, not {(origin or 'no page')[:100]}"
    return ""


def _split(url: str) -> SplitResult | None:
    """Take an origin or a host apart; None where there is more, or less, to it."""
    # urlsplit would leave blanks out; `?` and `#` begin what is no part of an origin
    if not re.fullmatch(r"[!\"$->@-~]*", url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        return None
    more = parts.username is not None or parts.path not in ("", "/") or parts.fragment
    return None if more else parts


def _origin(url: SplitResult | None) -> str:
    """Write an origin the one way: no default port, lower case; empty where it is none."""
    if url is None or url.scheme not in ("http", "https") or not url.hostname:
        return ""
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://{url.hostname.rstrip('.')}:{port}"


def _same(own: SplitResult | None, asked: SplitResult | None) -> bool:
    """Say whether a Host header is that of an origin."""
    if own is None or asked is None:
        return False
    return _origin(asked._replace(scheme=own.scheme)) == _origin(own)


def _is_ours(name: str) -> bool:
    """Say whether the server goes by a name where nobody has given it one.

    A name that anybody could point at this machine is none. One that listens to more than this
    machine is also opened at its number or the machine's name.
    """
    name = name.rstrip(".")
    if name == "localhost" or _number(name, loopback=True):
        return True
    address = str(st.get_option("server.address") or "")
    if address == "localhost" or _number(address, loopback=True):
        return False
    machine = socket.gethostname().lower()
    listed = [str(h).lower() for h in st.get_option("server.allowedHosts") or []]
    return (
        name in (address.lower(), machine, f"{machine}.local", *listed)
        or name == str(st.get_option("browser.serverAddress") or "").lower()
        or _number(name)
    )


def _number(name: str, *, loopback: bool = False) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not loopback
