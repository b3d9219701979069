"""Who may talk to the server: its own pages, at a name it is known by; nobody frames it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.frame import gate
from dashboard.frame.gate import Gate

OWN, HOST = "http://127.0.0.1:8501", "127.0.0.1:8501"


def ask(kind="websocket", host=HOST, origin: str | None = OWN, path="/_stcore/stream", scheme=""):
    """Return what a request gets through a gate: its messages, and whether it passed."""
    headers = [(b"host", host.encode("latin-1"))]
    headers += [(b"origin", origin.encode("latin-1"))] if origin is not None else []
    scheme = scheme or {"websocket": "ws", "http": "http"}[kind]
    scope = {"type": kind, "path": path, "headers": headers, "scheme": scheme, "method": "GET"}
    sent, passed = [], []

    async def app(scope, receive, send):
        passed.append(True)
        start = {"type": "http.response.start", "status": 200}
        own = [(b"Access-Control-Allow-Origin", b"*"), (b"x-frame-options", b"SAMEORIGIN")]
        await send({**start, "headers": [*own, (b"content-type", b"text/html")]})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(Gate(app)(scope, receive, send))
    return sent, bool(passed)


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        (HOST, OWN, True),
        ("localhost:8501", "http://localhost:8501", True),
        ("[::1]:8501", "http://[::1]:8501", True),
        ("LOCALHOST.:8501", "http://localhost:8501", True),
        ("127.0.0.1", "http://127.0.0.1:80", True),
        (HOST, "http://127.0.0.1:9999", False),
        (HOST, "http://127.0.0.1", False),
        (HOST, "http://localhost:8501", False),
        (HOST, "https://127.0.0.1:8501", False),
        (HOST, "http://evil.test", False),
        (HOST, "null", False),
        (HOST, "", False),
        (HOST, None, False),
        (HOST, f"{OWN}@evil.test", False),
        (HOST, f"{OWN}.evil.test", False),
        (HOST, f"http://user@{HOST}", False),
        (HOST, "http://127.0.0.1:99999999", False),
        ("evil.test:8501", "http://evil.test:8501", False),
        ("127.0.0.1.evil.test:8501", "http://127.0.0.1.evil.test:8501", False),
        ("192.168.0.7:8501", "http://192.168.0.7:8501", False),
        ("", OWN, False),
    ],
)
def test_a_websocket_opens_from_the_page_of_this_very_server(host, origin, passes):
    sent, passed = ask(host=host, origin=origin)
    assert passed is passes
    assert passed or [m["type"] for m in sent] == ["websocket.close"]


@given(st.text(st.characters(max_codepoint=255), max_size=20))
def test_no_other_origin_opens_it(text):
    assert not ask(origin=text)[1]
    assert ask(origin=OWN + text)[1] is (text in ("", "/"))
    assert not ask(host=HOST + (text or "x"), origin=OWN)[1]


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("studio.example.org", "https://studio.example.org", True),
        ("studio.example.org:443", "https://studio.example.org", True),
        ("other.test:8443", "https://other.test:8443", True),
        ("studio.example.org", "http://studio.example.org", False),
        ("studio.example.org", "https://other.test:8443", True),
        ("studio.example.org", "https://evil.test", False),
        (HOST, OWN, False),
        ("evil.test", "https://studio.example.org", False),
    ],
)
def test_a_server_behind_a_proxy_is_told_its_addresses(monkeypatch, host, origin, passes):
    monkeypatch.setenv(gate.ORIGINS, "https://Studio.example.org/, https://other.test:8443")
    assert ask(host=host, origin=origin)[1] is passes


def test_a_server_on_the_network_goes_by_numbers_and_the_machines_name(monkeypatch):
    monkeypatch.setattr(gate.socket, "gethostname", lambda: "Lab7")
    options = {"server.address": "0.0.0.0", "server.allowedHosts": ["lab.example.org"]}
    monkeypatch.setattr(gate.st, "get_option", options.get)
    for name in ("192.168.0.7", "[fd00::7]", "lab7", "lab7.local", "lab.example.org", "localhost"):
        assert ask(host=f"{name}:8501", origin=f"http://{name}:8501")[1], name
    assert not ask(host="rebound.test:8501", origin="http://rebound.test:8501")[1]


def test_pages_may_be_linked_to_but_not_read_or_framed_from_elsewhere():
    sent, passed = ask("http", origin=None, path="/")
    headers = dict(sent[0]["headers"])
    assert passed
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
    assert headers[b"content-type"] == b"text/html"
    assert not [name for name in headers if name.lower().startswith(b"access-control")]
    for host, origin in ((HOST, "http://localhost:3000"), ("evil.test", None)):
        sent, passed = ask("http", host=host, origin=origin, path="/media/1.json")
        assert not passed
        assert sent[0]["status"] == 403
        assert dict(sent[0]["headers"])[b"x-frame-options"] == b"DENY"
        assert sent[1]["body"].strip()
    assert gate.ORIGINS.encode() in sent[1]["body"]


def test_who_watches_over_servers_may_ask_by_any_name():
    assert ask("http", host="10.0.0.4:8501", origin=None, path="/_stcore/health")[1]
    assert not ask("http", host="10.0.0.4:8501", origin="http://evil.test", path=gate.ALIVE)[1]
