"""Whether an endpoint accepts OTLP from here: connection, TLS, protocol, authentication, each with its own fix."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from batchtel.export.delivery import Delivery
from batchtel.export.endpoint import GRPC, Endpoint
from batchtel.export.reply import Reply
from batchtel_stack.doctor.finding import Finding

CHECK: Final = "endpoint"
TIMEOUT: Final = 5.0
"""Seconds for one connection or one reply."""

_CA: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_CLIENT: Final = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY")


def reach(endpoints: Sequence[Endpoint]) -> Iterator[Finding]:
    """Yield one finding for each signal's endpoint; equal ones are reported once."""
    reported = set()
    for endpoint in endpoints:
        finding = _reach(endpoint)
        if (finding.kind, finding.message) not in reported:
            reported.add((finding.kind, finding.message))
            yield finding


def _reach(endpoint: Endpoint) -> Finding:
    address = urlsplit(endpoint.url)
    host, port = address.hostname or "", address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((host, port), timeout=TIMEOUT).close()
    except UnicodeError:
        # Python's error for a name with an empty part, or with one of more than 63 characters.
        message = f"{endpoint.shown} names no host: a part of {host} is empty or too long"
        return Finding(CHECK, "input", message, "correct the name in OTEL_EXPORTER_OTLP_ENDPOINT")
    except OSError as error:
        return _unreachable(endpoint, host, port, error)
    problem = _transport(endpoint, host, port)
    if problem is not None:
        return problem
    reply = Delivery(endpoint, TIMEOUT).send_encoded(b"")
    if reply.verdict == "delivered":
        return Finding(CHECK, "ok", f"{endpoint.shown} accepts {endpoint.protocol}")
    return _refused(endpoint, reply)


def _unreachable(endpoint: Endpoint, host: str, port: int, error: OSError) -> Finding:
    if isinstance(error, socket.gaierror):
        fix = (
            f"the name {host} cannot be resolved here: correct OTEL_EXPORTER_OTLP_ENDPOINT, or the DNS of this machine"
        )
    elif isinstance(error, ConnectionRefusedError):
        fix = f"nothing listens on {host}:{port}: start the collector (here: batchtel stack up), or correct the port"
    else:
        fix = f"let connections to {host}:{port} through (firewall, network policy), or correct the address"
    reason = error.strerror or str(error) or type(error).__name__
    return Finding(CHECK, "unreachable", f"{endpoint.shown} cannot be reached: {reason}", fix)


def _transport(endpoint: Endpoint, host: str, port: int) -> Finding | None:
    """Return the problem with TLS or protocol, None if there is none."""
    if endpoint.url.startswith("https://"):
        return _tls(endpoint, host, port)
    if _speaks_tls(host, port):
        fix = f"write https: {endpoint.shown.replace('http://', 'https://', 1)}"
        return Finding(CHECK, "unreachable", f"{endpoint.shown} speaks TLS, and the address is http", fix)
    explained = endpoint.diagnose(TIMEOUT)
    if explained:
        message, _, fix = explained.partition(": ")
        return Finding(CHECK, "unreachable", message, fix)
    return None


def _speaks_tls(host: str, port: int) -> bool:
    asking = ssl.create_default_context()
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    try:
        with closing(socket.create_connection((host, port), timeout=TIMEOUT)) as connection:
            asking.wrap_socket(connection, server_hostname=host).close()
    except (OSError, ValueError):
        return False
    return True


def _tls(endpoint: Endpoint, host: str, port: int) -> Finding | None:
    try:
        context = ssl.create_default_context(cafile=os.environ.get(_CA) or None)
    except OSError as error:
        message = f"{_CA}={os.environ[_CA]} cannot be read: {error.strerror or error}"
        return Finding(CHECK, "input", message, f"name a file with the CA's certificate in PEM: export {_CA}=FILE")
    context.set_alpn_protocols(["h2"] if endpoint.protocol == GRPC else ["http/1.1"])
    try:
        if all(os.environ.get(name) for name in _CLIENT):
            context.load_cert_chain(*(os.environ[name] for name in _CLIENT))
        connection = socket.create_connection((host, port), timeout=TIMEOUT)
        with closing(connection), context.wrap_socket(connection, server_hostname=host) as secured:
            _wait_for_alert(secured)
    except ssl.SSLError as error:
        return _tls_failure(endpoint, error)
    except OSError as error:
        return Finding(CHECK, "unreachable", f"{endpoint.shown} ends the TLS handshake: {error}", "look at its log")
    return None


def _wait_for_alert(secured: ssl.SSLSocket) -> None:
    # In TLS 1.3 the alert about a missing client certificate arrives after the handshake; no other data does.
    secured.settimeout(0.5)
    with suppress(TimeoutError):
        secured.recv(1)


def _tls_failure(endpoint: Endpoint, error: ssl.SSLError) -> Finding:
    reason = getattr(error, "verify_message", "") or (error.reason or str(error)).replace("_", " ").lower()
    text = reason.lower()
    if "wrong version number" in text or "record layer" in text or "http request" in text:
        fix = f"write http: {endpoint.shown.replace('https://', 'http://', 1)}; or turn TLS on in the collector"
        return Finding(CHECK, "unreachable", f"{endpoint.shown} speaks plaintext, and the address is https", fix)
    if "expired" in text or "not yet valid" in text:
        fix = "renew the collector's certificate; if it is valid, correct the clock of this machine"
    elif "mismatch" in text or "not valid for" in text:
        fix = "use a name that is in the certificate, or issue one for this name"
    elif "certificate required" in text or "bad certificate" in text or "handshake failure" in text:
        fix = f"set a client certificate: export {_CLIENT[0]}=FILE {_CLIENT[1]}=FILE"
    else:
        fix = f"name the CA that has signed the collector's certificate: export {_CA}=FILE"
    return Finding(CHECK, "unreachable", f"TLS to {endpoint.shown} fails: {reason}", fix)


def _refused(endpoint: Endpoint, reply: Reply) -> Finding:
    """Return the finding for an answer that is not a success."""
    text = reply.reason
    message = f"{endpoint.shown} refuses {endpoint.signal}: {text}"
    host = urlsplit(endpoint.url).hostname or ""
    proxy = getproxies().get(urlsplit(endpoint.url).scheme)
    if proxy is not None and not proxy_bypass(host):
        # Not the collector's answer: the connection above, which uses no proxy, was accepted.
        return Finding(
            CHECK, "unreachable", message, f"a proxy is set for it: export NO_PROXY={host}, or repair the proxy"
        )
    for signs, fix in _ANSWERS:
        if any(sign in text for sign in signs):
            return Finding(CHECK, "unreachable", message, fix)
    return Finding(CHECK, "unreachable", message, "look at the collector's log (here: batchtel stack logs collector)")


_ANSWERS: Final = (
    (
        ("HTTP 401", "UNAUTHENTICATED"),
        'send the token that the collector requires: export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20TOKEN"',
    ),
    (("HTTP 403", "PERMISSION_DENIED"), "use credentials that may write, in OTEL_EXPORTER_OTLP_HEADERS"),
    (
        ("closed without a reply",),
        "if this is the gRPC port (usually 4317): export OTEL_EXPORTER_OTLP_PROTOCOL=grpc; else look at its log",
    ),
    (
        ("status: 404", "status: 415"),
        "if this is the HTTP port (usually 4318): export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    ),
    (
        ("HTTP 404", "HTTP 405", "UNIMPLEMENTED"),
        "write scheme, host and port only, without /v1/traces: OTEL_EXPORTER_OTLP_ENDPOINT=http://host:4318",
    ),
    (
        ("HTTP 30", "no reply of an OTLP receiver"),
        "a proxy or a login page answers there: set NO_PROXY, or correct the address",
    ),
    (("HTTP 413", "RESOURCE_EXHAUSTED"), "raise the size limit of the proxy before the collector (8 MiB are enough)"),
    (("HTTP 429", "HTTP 503", "UNAVAILABLE"), "the collector is overloaded or starting: raise memory_limit"),
    (("HTTP 502", "HTTP 504"), "a proxy answers, but not the collector behind it: start that"),
    (("no reply in time", "DEADLINE_EXCEEDED"), "the server accepts connections and never answers: restart it"),
)
"""Signs in a reply -> what to do."""
