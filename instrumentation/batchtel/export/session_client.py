"""A client of one OTLP/HTTP endpoint, on a `requests.Session` that a credential provider makes."""

from __future__ import annotations

from typing import Any

from batchtel.export import http_reply, http_request
from batchtel.export.endpoint import Endpoint
from batchtel.export.reply import Reply


class SessionClient:
    """Sends requests of one signal by the session, which has its own credentials."""

    def __init__(self, endpoint: Endpoint, session: Any, timeout: float) -> None:
        way = endpoint.connection
        self._signal = endpoint.signal
        self._way = way
        self._headers = http_request.headers(way)
        self._timeout = timeout
        self._session = session
        # What the variables name, as the stock exporters set it.
        session.verify = way.certificate or True
        if way.client_certificate:
            session.cert = (way.client_certificate, way.client_key) if way.client_key else way.client_certificate

    def send(self, body: bytes) -> Reply:
        """Send one request, and return what became of it."""
        try:
            found = self._session.post(
                self._way.url,
                data=http_request.content(self._way, body),
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except OSError as error:
            return Reply("retry", f"the session of the credential provider has failed: {type(error).__name__}")
        return http_reply.judged(self._signal, found.status_code, found.reason or "", found.headers, found.content)
