"""What stands before the pages: who may read them, and what a browser may do with them."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    # Nothing from elsewhere, no inline script or style: hostile text that got into a page as markup could do nothing.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses whoever may not read, and adds the headers for browsers to every answer, also that about an error.

    With a token each request needs it, as the password of HTTP Basic, which a browser asks for, or as a bearer token.
    Without one, which is for loopback, a request needs a host name of loopback: otherwise a page of the internet whose
    name points to 127.0.0.1 could read this one (DNS rebinding).

    Args:
        app: what answers.
        token: the token; None without one.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("pages are read-only: GET or HEAD\n", 405, {"Allow": "GET, HEAD"})
        if self._token is None:
            host = headers.get("host", "")
            if not is_loopback(_name(host)):
                return PlainTextResponse(f"{host!r} is no address of loopback; use http://127.0.0.1\n", 421)
        elif not hmac.compare_digest(_given(headers.get("authorization", "")), self._token.encode()):
            ask = {"WWW-Authenticate": 'Basic realm="batchtel: any user, the token as password", charset="UTF-8"'}
            return PlainTextResponse("the token is missing or wrong\n", 401, ask)
        return None


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is one of this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _name(host: str) -> str:
    """Return the host of a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _given(authorization: str) -> bytes:
    """Return the token that a request has, b"" without one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
