"""Delivery of requests to one endpoint: encoded here, sent once, with the collector's own reply.

When to try again is decided in one place, by batchtel.export.outbox.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from batchtel.base import kept_modules
from batchtel.base.guard import LOGGER, lack
from batchtel.base.values import text_of
from batchtel.export import client
from batchtel.export.reply import Reply, shown

if TYPE_CHECKING:
    from batchtel.export.endpoint import Endpoint

LARGEST: Final = 64 * 2**20
"""Bytes of a request before compression; more no collector accepts by default, nor does the SDK's exporter send."""


class Delivery:
    """Delivery to one endpoint; its client is built at the first request."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._client: client.Client | None = None

    def send(self, encode: Callable[[], bytes]) -> Reply:
        """Send the request that `encode` returns once, and return what became of it."""
        try:
            with ExporterLog():
                body = encode()
        except Exception as error:
            if lack(error):
                # Of a package or of memory: nothing is wrong with what was recorded.
                return Reply("retry", _reason(error))
            return Reply("refused", f"it cannot be encoded: {_reason(error)}", is_unsent=True)
        return self.send_encoded(body)

    def send_encoded(self, body: bytes) -> Reply:
        """Send an ExportServiceRequest of the signal once, and return what became of it."""
        if self._endpoint.problem:
            return Reply("retry", self._endpoint.problem)
        if len(body) > LARGEST:
            return Reply("refused", f"it is too large: {len(body)} bytes, of {LARGEST}", is_unsent=True)
        with ExporterLog():
            try:
                return self._prepared().send(body)
            except Exception as error:
                # Of a missing CA file, or a host that is no host, the collector has refused nothing.
                return Reply("retry", _reason(error))

    def load(self) -> None:
        """Import what the client is made of, and over HTTP build it; what fails is reported by the first request.

        Here, not in the worker: a job may change sys.path, sys.modules, warnings or the file system meanwhile, or fork.
        """
        with ExporterLog(), warnings.catch_warnings(), contextlib.suppress(Exception):
            # Libraries warn of versions of their parts, where warnings may be errors.
            warnings.simplefilter("ignore")
            if self._endpoint.is_grpc:
                # A channel has threads, which no fork should find before it is needed.
                client.load(self._endpoint)
            else:
                self._prepared()
        kept_modules.keep()

    def _prepared(self) -> client.Client:
        if self._client is None:
            self._client = client.build(self._endpoint, self._timeout)
        return self._client


def _reason(error: Exception) -> str:
    text = text_of(error)
    return shown(text if isinstance(error, ModuleNotFoundError) else f"{type(error).__name__}: {text}")


class ExporterLog:
    """Keeps what an export of ours logs off the job's log."""

    def __init__(self) -> None:
        self._around: ExporterLog | None = None

    def __enter__(self) -> ExporterLog:
        self._around, _local.log = getattr(_local, "log", None), self
        return self

    def __exit__(self, *unused: object) -> None:
        _local.log = self._around


_local = threading.local()


def diverted(record: logging.LogRecord) -> bool:
    """Return whether an export of ours logged `record`, in this thread: the job's handlers must not see it then.

    That is the encoder's log, and the connections that urllib3 logs at DEBUG.
    """
    return getattr(_local, "log", None) is not None and record.name != LOGGER.name
