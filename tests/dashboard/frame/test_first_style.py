"""The style stands in the page itself, so that nothing is drawn without it first."""

import asyncio

import pytest

from dashboard.frame.first_style import STYLE, FirstStyle

PAGE = b'<html><body><div id="root"></div></body></html>'
ACCEPT = (b"accept", b"text/html,*/*")


def ask(path="/", headers=(ACCEPT,), parts=(PAGE,)):
    """Return what the server was asked for, and the headers and body of its answer."""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append([name for name, _ in scope["headers"]])
        given = [(b"content-length", b"5"), (b"etag", b"x"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": given})
        for n, body in enumerate(parts):
            more = n + 1 < len(parts)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers)}
    asyncio.run(FirstStyle(app)(scope, None, send))
    return seen[0], dict(sent[0]["headers"]), b"".join(m["body"] for m in sent[1:])


@pytest.mark.parametrize("path", ["/", "/clusters", "/below/a/prefix/study"])
@pytest.mark.parametrize("parts", [(PAGE,), (PAGE[:30], PAGE[30:])])
def test_every_page_comes_with_its_style_before_what_is_drawn(path, parts):
    asked, headers, body = ask(path, (ACCEPT, (b"if-none-match", b"x")), parts)
    assert body == PAGE.replace(b"<div", STYLE + b"<div")
    assert headers[b"content-length"] == str(len(body)).encode()
    assert b"etag" not in headers
    assert asked == [b"accept"], "an answer of nothing new would have no style"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/media/report.html", (ACCEPT,)),
        ("/_stcore/health", (ACCEPT,)),
        ("/static/js/index.js", (ACCEPT,)),
        ("/", ((b"accept", b"*/*"),)),
    ],
)
def test_what_is_no_page_stays_as_it_is(path, headers):
    _, given, body = ask(path, headers)
    assert body == PAGE
    assert given[b"etag"] == b"x"


def test_the_style_is_whole_before_the_first_script_runs():
    assert STYLE.count(b"<style>") == STYLE.count(b"</style>") == 3
    for part in (b"st-key-lead-", b"st-key-strip-", b"Opening S2L Studio", b"light-dark("):
        assert part in STYLE
