"""The pages' style in the one HTML file there is, so that no page is drawn without it first.

What `st.html` carries comes with a part of Streamlit's script that a slow machine takes seconds to
read; until then leading pictures would have the height of a line and jump when it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.charts import scheme
from dashboard.frame import widgets

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOADING = f"""<style>
body {{background: {scheme.PAPERS[0]}; color: #5a606b}}
@media (prefers-color-scheme: dark) {{
  body {{background: {scheme.PAPERS[1]}; color: #a3a8b4}}
}}
#root:empty::before, [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"]:not(
    :has([data-testid="stHeading"], [data-testid="stAlert"], [data-testid="stException"],
    [data-testid="stMarkdown"], [data-testid="stButton"], [data-testid="stPopover"],
    [data-testid="stSkeleton"], [data-testid="stAppSkeleton"]))::before {{
  content: "Opening S2L Studio…"; display: block; padding-top: 40vh; text-align: center;
  font-family: "Source Sans", system-ui, sans-serif}}
</style>"""
"""What is seen before there is a page."""
STYLE = (LOADING + widgets.STYLE + scheme.STYLE).encode()
ROOT = b'<div id="root">'
"""Where the page is drawn: the style stands after Streamlit's own and before a page's, since of
rules that are as specific the last wins."""
NOT_PAGES = ("/_stcore/", "/media/", "/static/", "/component/", "/vendor/")


class FirstStyle:
    """ASGI middleware that puts the style into the page that the server gives for every address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; put the style into the answer where it is a page."""
        accepts = dict(scope.get("headers", ())).get(b"accept", b"")
        if scope["type"] != "http" or b"text/html" not in accepts or _is_other(scope["path"]):
            return await self.app(scope, receive, send)
        whole = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
        kept = [(name, value) for name, value in scope["headers"] if name not in whole]
        held: list[Message] = []
        parts: list[bytes] = []

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                body = b"".join(parts).replace(ROOT, STYLE + ROOT, 1)
                await send({**held[0], "headers": _headers(held[0]["headers"], len(body))})
                await send({"type": "http.response.body", "body": body})

        await self.app({**scope, "headers": kept}, receive, answer)


def _is_other(path: str) -> bool:
    return any(part in path for part in NOT_PAGES)


def _headers(given: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of the longer body, which is not the file's any more."""
    changed = (b"content-length", b"etag", b"last-modified", b"accept-ranges")
    kept = [(name, value) for name, value in given if name.lower() not in changed]
    return [*kept, (b"content-length", str(length).encode())]
