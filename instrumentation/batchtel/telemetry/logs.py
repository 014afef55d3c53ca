"""The job's own `logging` records as OpenTelemetry log records, with the context of the run they belong to.

The records are seen where the standard library hands them to its handlers (`batchtel.telemetry.log_hook`). A handler
on the root logger would change the job: `logging.basicConfig` does nothing once there is one, and warnings no longer
reach stderr by `logging.lastResort`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from batchtel.base import native
from batchtel.base.guard import harmless
from batchtel.base.values import cut, text_of
from batchtel.export.delivery import ExporterLog
from batchtel.schema.limits import BODY_LIMIT
from batchtel.telemetry import open_runs
from batchtel.telemetry.job_record import Event, JobRecord
from batchtel.telemetry.log_values import can_wait, sendable

if TYPE_CHECKING:
    from batchtel.telemetry.run_log import RunLog


_NO_CONTEXT: Final = Context()

OUTPUT = "batchtel.output"
"""Name of the logger that the output of a command is recorded by."""


class QueueProcessor(LogRecordProcessor):
    """Adds the identity of the current run to a log record and queues it."""

    def __init__(self, resource: Resource, put: Callable[[ReadableLogRecord], None]) -> None:
        self._resource = resource
        self._put = put

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue the record; called in the thread that logs."""
        record = log_record.log_record
        if isinstance(record, Event | JobRecord):
            record.restore()
        resource = log_record.resource or self._resource
        self.queue(record, resource, log_record.instrumentation_scope, log_record.limits)

    def queue(
        self,
        record: LogRecord,
        resource: Resource | None = None,
        instrumentation_scope: InstrumentationScope | None = None,
        limits: Any = None,
    ) -> None:
        """Queue a record whose attributes are within the limits of the SDK, with the identity of the current run."""
        if isinstance(record.body, str):
            record.body = cut(text_of(record.body), BODY_LIMIT)
        scope = open_runs.scope()
        if scope is not None and record.attributes is not None:
            if not isinstance(record.attributes, dict):
                # In the SDK's own mapping its limits would drop another attribute for each of these, or cut the id.
                record.attributes = dict(record.attributes)
            for key, value in scope.identity.items():
                record.attributes.setdefault(key, value)
            if scope.span_context is not None and (not record.trace_id or scope.is_apart):
                # A thread that did not inherit the context of the run, or a worker that has that of an earlier one.
                record.trace_id = scope.span_context.trace_id
                record.span_id = scope.span_context.span_id
                record.trace_flags = scope.span_context.trace_flags
        # The context keeps the spans of the job alive; the ids were copied when the record was made.
        record.context = _NO_CONTEXT
        self._put(ReadableLogRecord(record, resource or self._resource, instrumentation_scope, limits))

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing: flushes go through `batchtel.flush`, under one deadline for all signals."""
        return True

    def shutdown(self) -> None:
        """Do nothing, for the same reason."""


class LogCapture:
    """Copies log records from `level` on that belong to a run to `provider`.

    `report_limit` is called once for a run of which not all are sent.
    """

    def __init__(self, provider: LoggerProvider, level: int, report_limit: Callable[[open_runs.Run], None]) -> None:
        self._report_limit = report_limit
        self._provider = provider
        self._level = level
        self.keeps_last = True
        """Whether the last records of a run with very many are sent at its end."""

    @harmless(None)
    def copy(self, record: logging.LogRecord) -> None:
        """Copy one record, if it belongs to a run."""
        if record.name.startswith("opentelemetry."):
            # Sending what OpenTelemetry logs would make more of it.
            return
        # Whoever has the output of a command recorded wants its lines, whatever the level.
        scope = _scope_of(record) if record.levelno >= self._level or record.name == OUTPUT else None
        if scope is None:
            return
        log = scope.job.log
        if log.admits(record.levelno):
            self._emit(record, {})
            return
        if log.begins_to_leave_out:
            self._report_limit(scope.job)
        if self.keeps_last:
            with ExporterLog():
                kept = record if can_wait(record) else sendable(record)
            log.last.append((os.getpid(), kept, scope.identity, get_current()))

    def _emit(self, record: logging.LogRecord, identity: Mapping[str, Any]) -> None:
        # Text of a value may be made by code of the job that logs, which without batchtel would not be called.
        with ExporterLog():
            ready = sendable(record)
            vars(ready).update(identity)
            self._provider.get_logger(ready.name).emit(JobRecord.of(ready))

    def send_last(self, log: RunLog) -> None:
        """Send the last records of a run's log; they carry the context in which they were logged."""
        while log.last:
            pid, record, identity, context = log.last.popleft()
            if pid == os.getpid():
                token = attach(context)
                try:
                    self._emit(record, identity)
                finally:
                    detach(token)


def _scope_of(record: logging.LogRecord) -> open_runs.Scope | None:
    """Return the run or step that a record belongs to; None for those of our own threads, too."""
    return None if native.is_ours() else open_runs.scope()


def is_left_to_others(record: logging.LogRecord) -> bool:
    """Whether a record is none of those that are sent with their run; a filter for handlers that would, too."""
    scope = _scope_of(record)
    return scope is None or not scope.job.log.will_admit(record.levelno)
