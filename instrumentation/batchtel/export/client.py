"""The client of an endpoint: imported when it is needed, and built with the settings that were read."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Final, Protocol

from batchtel.base import native
from batchtel.export import messages
from batchtel.export.credential_provider import provided
from batchtel.export.endpoint import Endpoint
from batchtel.export.reply import Reply

_importing = native.Lock()


class Client(Protocol):
    """Sends the requests of one signal."""

    def send(self, body: bytes) -> Reply:
        """Send one request, and return what became of it."""


def build(endpoint: Endpoint, timeout: float) -> Client:
    """Build the client of an endpoint.

    Only the protocol in use is imported: grpcio costs 59 ms of start-up and 12 MB.

    Raises:
        OSError: A certificate cannot be read.
        RuntimeError: The credential provider that a variable names is not installed.
    """
    with _importing:
        _load(endpoint)
        way = endpoint.connection
        own = provided(endpoint) if way.has_provider else None
        if endpoint.is_grpc:
            from batchtel.export.grpc_client import GrpcClient

            with quiet_grpc():
                credentials = None if way.is_insecure else own or way.credentials()
                return GrpcClient(endpoint.signal, endpoint.url, way, timeout, credentials)
        if own is not None:
            from batchtel.export.session_client import SessionClient

            return SessionClient(endpoint, own, timeout)
        from batchtel.export.http_client import HttpClient

        return HttpClient(endpoint.signal, way, timeout)


def load(endpoint: Endpoint) -> None:
    """Import the client, and all that it needs to send and to spool."""
    with _importing:
        _load(endpoint)


def _load(endpoint: Endpoint) -> None:
    messages.load(endpoint.signal)
    with quiet_grpc() if endpoint.is_grpc else contextlib.nullcontext():
        importlib.import_module("batchtel.export." + ("grpc_client" if endpoint.is_grpc else "http_client"))


_has_imported_grpc = False


@contextlib.contextmanager
def quiet_grpc() -> Iterator[None]:
    """Let gRPC write nothing to stderr, unless the job uses it itself or has chosen: it logs forks and TLS.

    Its C code reads the variable once; `os.environ`, which the job may look at, stays as it is.
    """
    global _has_imported_grpc
    variable = "GRPC_VERBOSITY"
    if variable in os.environ or ("grpc" in sys.modules and not _has_imported_grpc):
        yield
        return
    _has_imported_grpc = True
    os.putenv(variable, "NONE")
    try:
        yield
    finally:
        os.unsetenv(variable)


_FORK_PATIENCE: Final = 10.0
"""Longest time that a fork waits for an import; it lasts 0.1 to 0.5 s, and lasted over 2 s on a machine at load 10."""


def _before_fork() -> None:
    # A child that is forked while our thread imports urllib3 can never import it: the module's lock stays held.
    global _held
    _held = _importing.acquire(timeout=_FORK_PATIENCE)


def _after_fork() -> None:
    if _held:
        _importing.release()


def _after_fork_in_child() -> None:
    global _importing
    _importing = native.Lock()


_held = False
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
