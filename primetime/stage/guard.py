"""Who may ask the stage for what. Wraps the application; app.py says which paths are open.

Any page in any browser can send requests to this machine's loopback, and a name of somebody else's can be made to
resolve to it. So a request must name the address that the stage was started at (Host), must not come from another
site's page (Origin, Sec-Fetch-Site), and, but for what is open, must know the token.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """`hosts`: what may stand in Host, `127.0.0.1:8300`; `open_paths`: what needs no token."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], token: str, open_paths: Collection[str]) -> None:
        self._app, self._hosts, self._token = app, {host.lower() for host in hosts}, token
        self._open = set(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        status, why = self.refusal(scope)
        if why:
            await PlainTextResponse(f"{why}\n", status)(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)

    def refusal(self, scope: Scope) -> tuple[int, str]:
        """The status and the sentence that refuse a request; none for one that may pass."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return 421, "This is a stage of primetime: open it at the address that it printed"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return 403, "A page of another site may not ask the stage for anything"
        reads_open = scope["path"] in self._open and scope["method"] in SAFE
        if not reads_open and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "A page of another site may not ask the stage for anything"
        if scope["path"] in self._open:
            if not reads_open and origin is None:
                return 403, "Only the stage's own pages may send this: there is no Origin"
            return 200, ""
        if not secrets.compare_digest(given(scope, headers).encode(), self._token.encode()):
            return 401, "The token is missing or of another stage: open the address that `primetime stage` printed"
        return 200, ""


def given(scope: Scope, headers: Headers) -> str:
    """The token of a request. In the query only for reading: an EventSource cannot set a header."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token
    if scope["method"] in SAFE:
        return parse_qs(str(scope["query_string"], "latin-1")).get("token", [""])[0]
    return ""
