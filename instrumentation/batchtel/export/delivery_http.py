"""The replies of an OTLP/HTTP endpoint, read by a `requests.Session` that the stock exporters are given.

Relied on: the exporters accept `session=`, send by `session.post` or `session.request`, and retry nothing but a
ConnectionError and the statuses they get to see (1.40 to 1.45).
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # with netrc: requests imports them in the first request, where a fork may come
import math
import netrc  # noqa: F401
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # undocumented; requests uses it

import requests
from google.protobuf.message import DecodeError
from requests.utils import address_in_network, is_ipv4_address, is_valid_cidr

from batchtel.export.connection import Connection
from batchtel.export.reply import Listener, Reply, shown

_MISDIRECTED: Final = (401, 403, 404, 405, 407)
"""Statuses of wrong credentials and wrong addresses: a setting cures them, and what was sent is fine."""


class HttpListener(Listener):
    """Reads the replies of one signal's requests over HTTP."""

    def read(self, response: requests.Response) -> None:
        """Judge one response: only 2xx is success (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response)."""
        status = response.status_code
        if 200 <= status < 300:
            answer = self.response()
            try:
                answer.ParseFromString(response.content)
            except DecodeError:
                # A proxy's page of 200: the collector may have the request, or not.
                answer.Clear()
            self.accepted(answer)
        elif 300 <= status < 400:
            self.reply = Reply("retry", _redirect(response), retry_after(response))
        elif status in (408, 429) or status >= 500:
            self.reply = Reply("retry", _status(response), retry_after(response))
        else:
            self.reply = Reply("refused", _status(response), is_misdirected=status in _MISDIRECTED)


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends what no mock of the job counts or answers: `responses` replaces the method of the class above."""

    send = requests.adapters.HTTPAdapter.send


class Session(requests.Session):
    """Sends each request once, follows no redirect, and reports every outcome to its listener."""

    # requests-mock replaces the method of the class above.
    get_adapter = requests.Session.get_adapter

    def __init__(self, listener: HttpListener, way: Connection, unwanted: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.mount("https://", _Adapter())
        self.mount("http://", _Adapter())
        self._listener = listener
        self._unwanted = unwanted
        bundle = way.certificate or next((way.bundles[name] for name in way.bundles), "")
        key, certificate = way.client_key, way.client_certificate
        self._way = {
            "verify": bundle or True,
            "cert": (certificate, key) if certificate and key else certificate or None,
            "proxies": proxies_for(way.url, way.proxies),
        }

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return what was read when the run began, instead of what the environment has now."""
        return {**self._way, "stream": stream or False}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send `request`, or the request that replaces it.

        Raises:
            requests.RequestException: For everything but 2xx; no kind of it that the exporters retry.
        """
        if self._listener.replacement is not None:
            request.headers.pop("Content-Encoding", None)
            request.prepare_body(self._listener.replacement.SerializeToString(), None)
        for name in self._unwanted:
            request.headers.pop(name, None)
        try:
            response = super().send(request, **{**kwargs, **self._way, "allow_redirects": False})
        except requests.RequestException as error:
            self._listener.reply = Reply("retry", _cause(error))
            raise requests.RequestException(_cause(error)) from None
        self._listener.read(response)
        assert self._listener.reply is not None
        if self._listener.reply.verdict != "delivered":
            raise requests.RequestException(self._listener.reply.reason)
        return response


def proxies_for(url: str, proxies: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy for `url`, by its scheme, as requests finds it in the environment; nothing where it needs none.

    Its own function puts `no_proxy` into the environment of the process while it looks.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    proxy = proxies.get(address.scheme) or proxies.get("all")
    without = [entry.strip() for entry in proxies.get("no", "").split(",") if entry.strip()]
    if not proxy or proxy_bypass_environment(address.netloc.rpartition("@")[2], dict(proxies)):
        return {}
    if is_ipv4_address(host):
        for entry in without:
            if entry == host or (is_valid_cidr(entry) and address_in_network(host, entry)):
                return {}
    return {address.scheme: proxy}


def retry_after(response: requests.Response) -> float:
    """Return the seconds that a Retry-After header asks to wait, given as a number or as a date; else 0."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _redirect(response: requests.Response) -> str:
    # The host alone: the rest of a login page's address may hold a token.
    host = shown(urlsplit(response.headers.get("Location", "")).hostname or "") or "nowhere"
    return f"HTTP {response.status_code}, a redirect to {host}, which is not followed: something else answers there"


def _status(response: requests.Response) -> str:
    """Return the status, and the collector's message in the body: a google.rpc.Status, as OTLP asks."""
    line = f"HTTP {response.status_code} {shown(response.reason or '')}".strip()
    if "protobuf" not in response.headers.get("Content-Type", ""):
        return line
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    try:
        message = shown(Status.FromString(response.content).message)
    except DecodeError:
        return line
    return f"{line}: {message}" if message else line


def _cause(error: BaseException) -> str:
    """Return the innermost reason; the texts around it repeat the address, and a proxy's with its password."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        nested = next((arg for arg in inner.args if isinstance(arg, BaseException)), None)
        inner = getattr(inner, "reason", None) if isinstance(getattr(inner, "reason", None), BaseException) else nested
    return {"ReadTimeout": "no reply in time", "ConnectTimeout": "no connection in time"}.get(
        type(error).__name__, "the connection was closed without a reply"
    )
