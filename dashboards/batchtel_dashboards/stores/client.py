"""HTTP GET with the errors that all stores have in common."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import urllib3

from batchtel.redact.addresses import shown
from batchtel_dashboards.stores.errors import StoreError

TIMEOUT: Final = 30.0
"""Seconds for one answer, and for each wait within it."""


PAUSE: Final = 10.0
"""Seconds for which a store that has not answered in time is not queried again."""

_LATE: Final = "no answer in time"


@dataclass(frozen=True)
class Access:
    """Credentials for a store: headers with token and tenant, and the files of TLS."""

    headers: Mapping[str, str] = field(default_factory=dict)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class Client:
    """The query API of one store at `url`; errors name it by `product`, and its address without credentials."""

    product: str

    def __init__(self, url: str, access: Access | None = None) -> None:
        access = access or Access()
        self.url = url.rstrip("/")
        self.shown = shown(self.url)
        self._silent_until = 0.0
        self._pool = urllib3.PoolManager(
            timeout=TIMEOUT,
            maxsize=8,
            retries=False,
            headers=dict(access.headers),
            ca_certs=access.ca,
            cert_file=access.certificate,
            key_file=access.key,
        )

    def get(self, path: str, fields: Mapping[str, object]) -> bytes | None:
        """Return the body of an answer with status 200, or None for 404.

        Raises:
            StoreError: No answer, or another status.
        """
        # Bytes of a command line that are no UTF-8 are in no store: names are recorded with a question mark.
        if (left := self._silent_until - time.monotonic()) > 0:
            raise StoreError(
                f"{self.product} does not answer at {self.shown}{path}: {_LATE}; the next try is in {left:.0f} s"
            )
        texts = {key: str(value).encode(errors="replace").decode() for key, value in fields.items()}
        try:
            answer = self._pool.request("GET", self.url + path, fields=texts, preload_content=False)
            data = _read(answer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            why = reason(error)
            if why == _LATE:
                # A page, or a command, has several queries: it must not wait for each of them.
                self._silent_until = time.monotonic() + PAUSE
            raise StoreError(
                f"{self.product} does not answer at {self.shown}{path}: {why}. Is it running? batchtel stack status"
            ) from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            text = " ".join(data.decode(errors="replace").split())[:500]
            query = "; ".join(f"{key}={value}" for key, value in texts.items())
            raise StoreError(f"{self.product} answers {answer.status} at {self.shown}{path}: {text} (query: {query})")
        return data

    def document(self, path: str, fields: Mapping[str, object]) -> Any:
        """Return the JSON of an answer with status 200, or None for 404.

        Raises:
            StoreError: As `get`, or the answer is not JSON.
        """
        body = self.get(path, fields)
        return None if body is None else self.parsed(body, path)

    def parsed(self, body: bytes, path: str) -> Any:
        """Return the value of a JSON text that `path` answered.

        Raises:
            StoreError: It is not JSON.
        """
        try:
            # Stores keep bytes that are not UTF-8 unchanged; one such record must not hide the others.
            return json.loads(body.decode(errors="replace"))
        except ValueError as error:
            raise StoreError(
                f"{self.product} answers something that is not JSON at {self.shown}{path}: {error}. "
                f"Is this address that of {self.product}?"
            ) from error

    def found(self, path: str, fields: Mapping[str, object], *keys: str) -> Any:
        """Return the value below `keys` in the JSON of an answer.

        Raises:
            StoreError: As `document`, or there is no such value: another program answers.
        """
        content = self.document(path, fields)
        answer = "404" if content is None else "unexpected JSON"
        try:
            for key in keys:
                content = content[key]
        except (KeyError, TypeError):
            raise self.another(answer, path) from None
        return content

    def another(self, answer: str, path: str) -> StoreError:
        """Return the error for an answer that this product never returns."""
        return StoreError(
            f"{self.product} answers {answer} at {self.shown}{path}. Is this address that of {self.product}?"
        )

    def require_whole(self, query: str, count: int, limit: int) -> None:
        """Raise StoreError when an answer is as long as its limit: it may be incomplete."""
        if count >= limit:
            raise StoreError(f"{self.product} has {limit} results or more for {query}; query a shorter time or one run")


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Return the body of an answer; TimeoutError if it is not whole in time, however slowly it comes."""
    parts, until = [], time.monotonic() + TIMEOUT
    try:
        while part := answer.read1(1 << 20):
            parts.append(part)
            if time.monotonic() > until:
                answer.close()
                raise TimeoutError
    finally:
        answer.release_conn()
    return b"".join(parts)


def quoted(text: str) -> str:
    """Return text in double quotes as PromQL, LogQL, TraceQL and LogsQL read it: a quote in it changes no query."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def reason(error: Exception) -> str:
    """Return why a request has failed, without the names of Python's objects and without credentials."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, urllib3.exceptions.LocationParseError):
            # It quotes the host and port, where a `/` in a password makes a piece of that the port.
            return "its host or port is wrong"
        # The error of a connection that is refused is one of a timeout, too.
        if isinstance(cause, (urllib3.exceptions.TimeoutError, TimeoutError)) and not isinstance(
            cause, urllib3.exceptions.NewConnectionError
        ):
            return _LATE
        if isinstance(cause, http.client.RemoteDisconnected | http.client.IncompleteRead):
            return "it has closed the connection"
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError):
            return cause.strerror[:1].lower() + cause.strerror[1:]
        inner = [one for one in cause.args if isinstance(one, BaseException)]
        cause = cause.__cause__ or cause.__context__ or (inner[0] if inner else None)
    return shown(re.sub(r"^\w+\(.*?\): ", "", str(error)))
