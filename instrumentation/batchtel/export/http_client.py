"""A client of one OTLP/HTTP endpoint, on urllib3: one attempt a request, with the collector's own reply.

The stock exporters use requests, which brings urllib3 and is slower to import than all else that a request needs.
They count a redirect as success and resend by themselves where a reply was lost (opentelemetry-python 1.40 to 1.45).
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # a look-up of a host imports it, where a fork may come
import math
import os
import select  # noqa: F401  # its own copy is made below
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3

from batchtel.base import pristine
from batchtel.export import http_reply, http_request
from batchtel.export.connection import Connection
from batchtel.export.endpoint import Signal
from batchtel.export.proxy import proxy_of
from batchtel.export.reply import Reply, shown
from batchtel.version import __version__

_LONGEST_ANSWER: Final = 65_536
"""Bytes of an answer that are read."""


_select: Final[Any] = pristine.module("select")


def _is_open(sock: Any) -> bool:
    """Return whether a connection is open: with nothing to read, for an answer is read whole.

    By the interpreter's poll: that of gevent imports its event loop, and eventlet removes it, in the middle of a run.
    """
    if sock is None:
        return False
    poll = _select.poll()
    poll.register(sock, _select.POLLIN)
    return not poll.poll(0)


class _Http(urllib3.connection.HTTPConnection):
    @property
    def is_connected(self) -> bool:
        return _is_open(self.sock)


class _Https(urllib3.connection.HTTPSConnection):
    @property
    def is_connected(self) -> bool:
        return _is_open(self.sock)


class _Pool(urllib3.HTTPConnectionPool):
    """Sends what no mock of the job counts or answers, and no instrumentation: they replace the method of the class."""

    ConnectionCls = _Http
    urlopen = urllib3.HTTPConnectionPool.urlopen


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https
    urlopen = urllib3.HTTPSConnectionPool.urlopen  # type: ignore[assignment]


class _Timeout(urllib3.Timeout):
    """The time of one request, by a clock that no test of the job replaces or stops."""

    def __init__(self, seconds: float) -> None:
        super().__init__(total=seconds)
        self._seconds = seconds
        self._started = math.inf

    def clone(self) -> _Timeout:
        return _Timeout(self._seconds)

    def start_connect(self) -> float:
        self._started = pristine.monotonic()
        return self._started

    def get_connect_duration(self) -> float:
        return max(0.0, pristine.monotonic() - self._started)

    @property
    def read_timeout(self) -> float:
        return max(0.0, self._seconds - self.get_connect_duration())


class HttpClient:
    """Sends requests of one signal to `way.url`; each lasts at most `timeout` seconds.

    Raises:
        OSError: A certificate cannot be read.
    """

    def __init__(self, signal: Signal, way: Connection, timeout: float) -> None:
        self._signal = signal
        self._url, login = _without_login(way.url)
        self._way = way
        self._timeout = _Timeout(timeout)
        self._headers = {
            "user-agent": f"batchtel/{__version__}",
            **_authorization(login or _login_of_netrc(self._url)),
            **http_request.headers(way),
        }
        tls = _tls(way) if self._url.startswith("https:") else {}
        proxy = proxy_of(self._url, way.proxies)
        self._by = f", by the proxy {shown(_without_login(proxy)[0])}" if proxy else ""
        self._pools = _pools(proxy, tls)
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, body: bytes) -> Reply:
        """Send one request, and return what became of it."""
        try:
            response = self._pools.urlopen(
                "POST",
                self._url,
                body=http_request.content(self._way, body),
                headers=self._headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                content = response.read(_LONGEST_ANSWER, decode_content=True)
            finally:
                if not response.closed:
                    # There is more of it, which nothing bounds: the next request connects again.
                    response.close()
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Reply("retry", _cause(error) + self._by)
        reply = http_reply.judged(self._signal, response.status, response.reason or "", response.headers, content)
        return reply._replace(reason=reply.reason + self._by) if reply.reason else reply


def _pools(proxy: str, tls: dict[str, Any]) -> urllib3.PoolManager:
    own: dict[str, Any] = {"num_pools": 1, "maxsize": 1, **tls}
    if not proxy:
        return urllib3.PoolManager(**own)
    address, login = _without_login(proxy)
    if proxy.startswith("socks"):
        if find_spec("socks") is None:
            # Else urllib3 prints a warning of it at each attempt.
            raise ModuleNotFoundError(f"the proxy {shown(address)} needs the package PySocks", name="PySocks")
        from urllib3.contrib.socks import SOCKSProxyManager

        name, password = login or (None, None)
        return SOCKSProxyManager(address, username=name, password=password, **own)
    headers = {f"proxy-{name}": value for name, value in _authorization(login).items()}
    return urllib3.ProxyManager(address, proxy_headers=headers, **own)


def _tls(way: Connection) -> dict[str, Any]:
    """Return how the collector is verified, and by which certificate this process shows who it is."""
    trusted = way.certificate or next((way.bundles[name] for name in way.bundles), "")
    if not trusted:
        import certifi

        trusted = certifi.where()
    for path in filter(None, (trusted, way.client_certificate, way.client_key)):
        os.stat(path)
    kind = "ca_cert_dir" if os.path.isdir(trusted) else "ca_certs"
    own = {"cert_file": way.client_certificate or None, "key_file": way.client_key or None}
    return {"cert_reqs": "CERT_REQUIRED", kind: trusted, **own}


def _without_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the address without name and password, and those, if it has them."""
    address = urlsplit(url)
    login, at, host = address.netloc.rpartition("@")
    name, _, password = login.partition(":")
    return urlunsplit(address._replace(netloc=host)), (unquote(name), unquote(password)) if at else None


def _login_of_netrc(url: str) -> tuple[str, str] | None:
    """Return name and password for the host of `url` by the file of NETRC or ~/.netrc, as requests and curl do."""
    paths = [os.environ["NETRC"]] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    path = next((found for each in paths if os.path.isfile(found := os.path.expanduser(each))), None)
    host = urlsplit(url).hostname
    if path is None or host is None:
        return None
    import netrc

    try:
        entry = netrc.netrc(path).authenticators(host)
    except (netrc.NetrcParseError, OSError):
        return None
    return (entry[0] or entry[1] or "", entry[2] or "") if entry is not None else None


def _authorization(login: tuple[str, str] | None) -> dict[str, str]:
    if login is None:
        return {}
    from base64 import b64encode

    return {"authorization": "Basic " + b64encode(":".join(login).encode()).decode()}


def _cause(error: BaseException) -> str:
    """Return the innermost reason; the texts around it repeat the address, and a proxy's with its password."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        nested = next((arg for arg in inner.args if isinstance(arg, BaseException)), None)
        inner = nested or inner.__cause__
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return "no connection in time"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "no reply in time"
    return "the connection was closed without a reply"
