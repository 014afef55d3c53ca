"""What a response over HTTP means: the request was accepted, is to be sent again, or was refused for good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError

from batchtel.base import pristine
from batchtel.export import messages
from batchtel.export.endpoint import Signal
from batchtel.export.reply import Reply, accepted, shown
from batchtel.redact.patterns import Redaction

_TEXT: Final = 4096
"""Bytes of a text that are looked at."""

_MISDIRECTED: Final = (401, 403, 404, 405, 407)
"""Statuses of wrong credentials and wrong addresses: a setting cures them, and what was sent is fine."""


def judged(signal: Signal, status: int, reason: str, headers: Mapping[str, str], content: bytes) -> Reply:
    """Judge one response: only 2xx is success (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response).

    The names of `headers` are found in upper and lower case.
    """
    if 200 <= status < 300:
        return _success(signal, status, headers, content)
    if 300 <= status < 400:
        return Reply("retry", _redirect(status, headers), retry_after(headers))
    line = _status(status, reason, headers, content)
    if status in (408, 429) or status >= 500:
        return Reply("retry", line, retry_after(headers))
    return Reply("refused", line, is_misdirected=status in _MISDIRECTED)


def _success(signal: Signal, status: int, headers: Mapping[str, str], content: bytes) -> Reply:
    """Judge a response of 2xx, which a login page, a proxy or any web server gives as well as a receiver of OTLP.

    A receiver answers with an ExportServiceResponse in its content type; where that is empty, as it is where all was
    accepted, some leave out the content type.
    """
    given = headers.get("Content-Type") or ""
    kind = given.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            from google.protobuf.json_format import Parse

            content = Parse(content, messages.response(signal, b"")).SerializeToString()
        elif kind and "protobuf" not in kind:
            raise DecodeError(kind)
        return accepted(signal, content)
    except Exception:
        # Of JSON or protobuf. Not for good: a page of a proxy goes away, and an address can be corrected.
        what = shown(kind) or "no content type"
        return Reply("retry", f"HTTP {status} with {what}, no reply of an OTLP receiver: something else answers there")


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a Retry-After header asks to wait, given as a number or as a date; else 0."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - pristine.time()
        except ValueError:
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _redirect(status: int, headers: Mapping[str, str]) -> str:
    # The host alone: the rest of a login page's address may hold a token.
    host = shown(urlsplit(headers.get("Location", "")).hostname or "") or "nowhere"
    return f"HTTP {status}, a redirect to {host}, which is not followed: something else answers there"


def _status(status: int, reason: str, headers: Mapping[str, str], content: bytes) -> str:
    """Return the status, and the message in the body: a google.rpc.Status, as OTLP asks, or the text of a proxy."""
    line, kind = f"HTTP {status} {shown(reason)}".strip(), headers.get("Content-Type") or "text/plain"
    if "protobuf" not in kind:
        is_text = kind.startswith(("text/plain", "application/json"))
        # Before it is cut: half a secret looks like none.
        text = shown(Redaction().text(content[:_TEXT].decode("utf-8", "replace"))) if is_text else ""
        return f"{line}: {text}" if text else line
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    try:
        message = shown(Status.FromString(content).message)
    except DecodeError:
        return line
    return f"{line}: {message}" if message else line
