"""The telemetry of one process: providers, instruments and queues."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from batchtel.base.guard import warn_once
from batchtel.export.endpoint import Endpoint, Signal
from batchtel.export.metrics_outbox import MetricsOutbox
from batchtel.export.outbox import Outbox
from batchtel.export.outboxes import START_DELAY, Outboxes
from batchtel.export.spool import Spool
from batchtel.export.worker import Worker
from batchtel.redact.patterns import Redaction
from batchtel.schema.limits import RUN_LAST_LIMIT, RUN_LOG_LIMIT
from batchtel.schema.settings import Settings
from batchtel.telemetry import open_runs
from batchtel.version import __version__

if TYPE_CHECKING:
    from batchtel.telemetry.run_log import RunLog
    from batchtel.telemetry.spans import PresetIds

NO_ENVIRONMENT: Final = (
    "deployment.environment.name is not set, so production and test look the same in the metrics; "
    "set OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=production"
)


class WayOut(Protocol):
    """The queue of one signal: an outbox, or in tests a list."""

    @property
    def worker(self) -> Any:
        """The worker that sends them, to be woken."""

    @property
    def has_room(self) -> bool:
        """Whether more would fit."""

    def put(self, item: Any) -> None:
        """Queue one ended span, log record or collection of metrics."""


class Telemetry:
    """Providers, instruments and the way out of one process.

    `way_out` makes the queue of a signal, for those who want its items elsewhere than at the collector.
    """

    def __init__(self, settings: Settings, way_out: Callable[[Signal], WayOut] | None = None) -> None:
        from opentelemetry import context, trace
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.resources import Resource

        from batchtel.telemetry.events import Events
        from batchtel.telemetry.log_hook import HOOK
        from batchtel.telemetry.logs import LogCapture, QueueProcessor
        from batchtel.telemetry.metrics import Meter
        from batchtel.telemetry.resource import detected
        from batchtel.telemetry.spans import set_status

        # Here for those whose modules are imported without OpenTelemetry: an import costs each step 1 us.
        self.context_api: Any = context
        self.trace_api: Any = trace
        self.set_status = set_status
        self.settings = settings
        self.redaction = Redaction(settings.redact)
        self._way_out = way_out
        self.outboxes = Outboxes(settings.deadline, settings.spool_folder)
        described = detected(settings.environment)
        # A detector can put its whole command line there.
        resource = Resource(self.redaction.attributes(described.attributes), described.schema_url)
        if "deployment.environment.name" not in resource.attributes:
            warn_once("environment", NO_ENVIRONMENT)
        self._ids: PresetIds | None = None
        self._reported_zeros: set[tuple[str, ...]] = set()
        self.meter = Meter(resource)
        metrics = self._outbox("metrics", settings.metric_interval)
        logs = self._outbox("logs", settings.log_delay)
        spans = self._outbox("traces", settings.span_delay)
        self._metrics, self._logs = metrics, logs
        provider = LoggerProvider(resource, shutdown_on_exit=False)
        queue = QueueProcessor(resource, logs.put if logs else _discard)
        provider.add_log_record_processor(queue)
        self.events = Events(provider.get_logger("batchtel", __version__), queue, settings.environment)
        self._capture = LogCapture(provider, settings.lowest_level, self._report_log_limit)
        HOOK.install()
        self.put_span: Callable[[Any], None] = spans.put if spans else _discard
        self.tracer = self._tracer(resource)
        if (scope := open_runs.scope()) is not None:
            self.begins(scope.job)

    def begins(self, run: open_runs.Run) -> None:
        """Name `run` in what is reported at the end of the process."""
        self.outboxes.run = f"run {run.run_id} of {run.name}"

    def _outbox(self, signal: Signal, interval: float) -> WayOut | None:
        if self._way_out is not None:
            return self._way_out(signal)
        try:
            endpoint = Endpoint.of(signal, self.settings)
        except ValueError as error:
            warn_once(str(error), "%s", error)
            # What a wrong variable keeps from the collector goes to the spool, until it is corrected.
            endpoint = Endpoint(signal, "", "", str(error)) if self.settings.spool_folder else None
        if endpoint is None:
            return None
        timeout, folder = self.settings.export_timeout, self.settings.spool_folder
        spool = Spool(folder, self.settings.spool_limit, signal) if folder else None
        outbox = (
            MetricsOutbox(endpoint, interval, timeout, spool, self.redaction, _beat, self.meter.collect)
            if signal == "metrics"
            else Outbox(endpoint, interval, timeout, spool, self.redaction)
        )
        self.outboxes.add(outbox)
        return outbox

    def collect(self) -> None:
        """Queue what was recorded as metrics until now."""
        if self._metrics is not None and (collection := self.meter.collect()) is not None:
            self._metrics.put(collection)

    def _tracer(self, resource: Any) -> Any:
        """Use the global TracerProvider if the job has one, else become it, so that library spans nest in the run."""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        from batchtel.telemetry.spans import PresetIds, QueueProcessor, RandomIds, is_seen, with_own_limits

        existing = trace.get_tracer_provider()
        if isinstance(existing, trace.ProxyTracerProvider):
            made = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=RandomIds())
            made.add_span_processor(QueueProcessor())
            trace.set_tracer_provider(made)
            provider = with_own_limits(made)
        elif is_seen(existing):
            provider = with_own_limits(existing)  # that of the process from which this one was forked
        else:
            provider = existing  # type: ignore[assignment]  # anything with the API's methods
            force_flush = getattr(existing, "force_flush", None)
            if force_flush is not None:
                self.outboxes.add_worker(Worker("provider", _undelayed(force_flush), interval=_NEVER))
        tracer = provider.get_tracer("batchtel", __version__)
        self._ids = PresetIds.of(tracer)
        return tracer

    def preset_ids(self, trace_id: int, span_id: int) -> None:
        """Let the next span of ours have these ids; not with a tracer provider that is none of the SDK's."""
        if self._ids is not None:
            self._ids.preset = (trace_id, span_id)

    def has_zeros(self, key: tuple[str, ...]) -> bool:
        """Whether `zero` was called with `key` before."""
        return key in self._reported_zeros

    def zero(self, counters: Mapping[str, tuple[Mapping[str, str], ...]], key: tuple[str, ...]) -> None:
        """Add 0 to `counters`, those of `key`, and collect: their series exist before the first increment."""
        self._reported_zeros.add(key)
        for name, attribute_sets in counters.items():
            for attributes in attribute_sets:
                self.meter.add(name, 0, attributes)
        if self._metrics is not None and self._metrics.has_room:
            self.collect()

    def event(self, name: str, body: str, attributes: dict[str, Any], *, severity: str, context: Any) -> None:
        """Emit one event as a log record; `severity` is INFO, WARN or ERROR."""
        self.events.emit(name, body, attributes, severity, context)

    def copy(self, record: logging.LogRecord) -> None:
        """Send a log record of the current run that did not pass the standard library's loggers."""
        self._capture.copy(record)

    def _report_log_limit(self, run: open_runs.Run) -> None:
        """Emit the event that log records of `run` are left out from here on."""
        body = (
            f"run {run.run_id} of {run.name} has logged more than {RUN_LOG_LIMIT} records; of the rest warnings "
            f"are sent, and the last {RUN_LAST_LIMIT} at its end"
        )
        self.event("batch.log.limit", body, dict(run.identity), severity="WARN", context=run.context)

    def send_last_log_records(self, log: RunLog) -> None:
        """Send the last log records of a run, which is about to end."""
        self._capture.send_last(log)

    def leave_rest_of_log(self) -> None:
        """Leave what is beyond the limits of a run's log to another log pipeline of the process."""
        self._capture.keeps_last = False

    def send_soon(self, after: float = START_DELAY) -> None:
        """Send the metrics and events of a start within `after` seconds, without waiting for it."""
        for outbox in (self._metrics, self._logs):
            if outbox is not None:
                outbox.worker.wake(after)

    def release_logging(self) -> None:
        """Give the standard library's logging back as it was."""
        from batchtel.telemetry.log_hook import HOOK

        HOOK.remove()


_NEVER: Final = threading.TIMEOUT_MAX


def _beat() -> None:
    """Let every open run report its heartbeat, which needs no thread of its own."""
    for scope in open_runs.recorded_scopes():
        scope.beat()


def extracted(carrier: Mapping[str, str], here: Any) -> Any:
    """Return the context `here` with the trace context of a propagator's `carrier`."""
    try:
        from opentelemetry import propagate
    except Exception:
        # OTEL_PROPAGATORS names one that is not installed. These variables are always in the W3C's format.
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        return TraceContextTextMapPropagator().extract(carrier, here)
    return propagate.extract(carrier, here)


def _undelayed(force_flush: Callable[[], object]) -> Callable[[], float]:
    def export() -> float:
        force_flush()
        return 0.0

    return export


def _discard(item: object) -> None:
    """Drop what has no endpoint."""
