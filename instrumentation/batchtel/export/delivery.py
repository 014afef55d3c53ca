"""Delivery of requests by the stock exporters: one attempt a call, with the collector's own reply.

The stock exporters return success or failure, count a redirect as success, resend by themselves where a reply was lost,
and do not look at `partial_success` (opentelemetry-python 1.40 to 1.45). Here a listener sits where they hand over
their request - a `requests.Session` of ours, a gRPC interceptor - and reads the reply; they never see a failure that
they would retry, so that when to try again is decided in one place, by batchtel.export.outbox.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from typing import TYPE_CHECKING, Any

from batchtel.base import kept_modules
from batchtel.base.guard import LOGGER
from batchtel.base.values import text_of
from batchtel.export import exporter
from batchtel.export.reply import Listener, Reply, shown

if TYPE_CHECKING:
    from batchtel.export.endpoint import Endpoint, Signal


class Delivery:
    """The stock exporter of one endpoint, built at the first request, and what the collector answers to it."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._exporter: Any = None
        self._listener: Listener | None = None

    def send(self, payload: Any) -> Reply:
        """Send spans, log records or metrics of the SDK once, and return what became of them."""
        if self._endpoint.problem:
            return Reply("retry", self._endpoint.problem)
        try:
            self.prepare()
        except Exception as error:
            return Reply("retry", f"the exporter cannot be set up: {_reason(error)}")
        with ExporterLog() as log:
            if self._listener is not None:
                self._listener.reply = None
            try:
                delivered = self._exporter.export(payload).name == "SUCCESS"
            except Exception as error:
                # Of a missing CA file, or a host that is no host, the collector has refused nothing.
                return self._unsent(payload) or Reply("retry", _reason(error))
        if self._listener is None:
            # A credential provider's session, or an SDK that changed: all that is seen is success or failure.
            return Reply("delivered") if delivered else Reply("retry", log.last or "the collector refused it")
        # No reply and no success: the exporter sent nothing, because the request is too large or cannot be encoded.
        if self._listener.reply is not None:
            return self._listener.reply
        if delivered:
            return Reply("delivered")
        if any(hint in log.last.lower() for hint in ("too large", "size")):
            return Reply("refused", log.last, is_unsent=True)
        return self._unsent(payload) or Reply("retry", log.last or "nothing was sent")

    def _unsent(self, payload: Any) -> Reply | None:
        """Return the reply for what cannot be encoded; None where `payload` can."""
        try:
            encode(self._endpoint.signal, payload)
        except Exception as error:
            return Reply("refused", f"it cannot be encoded: {_reason(error)}", is_unsent=True)
        return None

    def resend(self, request: Any) -> Reply:
        """Send a request as it was encoded before; `request` is an ExportServiceRequest of the signal."""
        try:
            self.prepare()
        except Exception as error:
            return Reply("retry", f"the exporter cannot be set up: {_reason(error)}")
        if self._listener is None:
            return Reply("retry", "what was kept cannot be sent with a credential provider's session")
        self._listener.replacement = request
        try:
            return self.send(nothing(self._endpoint.signal))
        finally:
            self._listener.replacement = None

    def load(self) -> None:
        """Import what the exporter is made of, and over HTTP build it; what fails is reported by the first request.

        Here, not in the worker: a job may change sys.path, sys.modules, warnings or the file system meanwhile, or fork.
        """
        with ExporterLog(), warnings.catch_warnings(), contextlib.suppress(Exception):
            # requests warns of versions of its parts, where warnings may be errors.
            warnings.simplefilter("ignore")
            encode(self._endpoint.signal, nothing(self._endpoint.signal))
            if self._endpoint.is_grpc:
                # A channel has threads, which no fork should find before it is needed.
                exporter.load(self._endpoint)
            else:
                self.prepare()
        kept_modules.keep()

    def prepare(self) -> None:
        """Build the exporter, which imports it, if that was not done yet."""
        if self._exporter is None:
            with ExporterLog():
                self._exporter, self._listener = exporter.build(self._endpoint, self._timeout)


def nothing(signal: Signal) -> Any:
    """Return a payload of `signal` with nothing in it."""
    if signal != "metrics":
        return []
    from opentelemetry.sdk.metrics.export import MetricsData

    return MetricsData([])


def encode(signal: Signal, payload: Any) -> Any:
    """Encode what the SDK hands over as the ExportServiceRequest of `signal`."""
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        return encode_spans(payload)
    if signal == "logs":
        from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

        return encode_logs(payload)
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

    return encode_metrics(payload)


def _reason(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {text_of(error)}")


class ExporterLog:
    """Keeps what an export of ours logs off the job's log; `last` is the latest text of the exporter, the reason."""

    def __init__(self) -> None:
        self.last = ""
        self._around: ExporterLog | None = None

    def __enter__(self) -> ExporterLog:
        self._around, _local.log = getattr(_local, "log", None), self
        return self

    def __exit__(self, *unused: object) -> None:
        _local.log = self._around


_local = threading.local()


def diverted(record: logging.LogRecord) -> bool:
    """Return whether an export of ours logged `record`, in this thread: the job's handlers must not see it then.

    That is the exporters' own log, and the connections that urllib3 logs at DEBUG.
    """
    log = getattr(_local, "log", None)
    if log is None or record.name == LOGGER.name:
        return False
    if record.name.startswith("opentelemetry."):
        log.last = record.getMessage()
    return True
