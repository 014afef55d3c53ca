"""The job's own `logging` records as OpenTelemetry log records, with the context of the run they belong to.

The records are seen where the standard library hands them to its handlers. A handler on the root logger would change
the job: `logging.basicConfig` does nothing once there is one, and warnings no longer reach stderr by
`logging.lastResort`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource

from batchtel import current
from batchtel.delivery import diverted
from batchtel.guard import harmless
from batchtel.signals import BODY_LIMIT
from batchtel.stock_handler import LoggingHandler
from batchtel.values import cut, text_of
from batchtel.worker import THREAD_PREFIX

if TYPE_CHECKING:
    from batchtel.run import JobRun


class QueueProcessor(LogRecordProcessor):
    """Adds the identity of the current run to a log record and queues it."""

    def __init__(self, resource: Resource, put: Callable[[ReadableLogRecord], None]) -> None:
        self._resource = resource
        self._put = put

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue the record; called in the thread that logs."""
        record = log_record.log_record
        if isinstance(record.body, str):
            record.body = cut(text_of(record.body), BODY_LIMIT)
        scope = current.scope()
        if scope is not None and record.attributes is not None:
            for key, value in scope.identity.items():
                if key not in record.attributes:
                    record.attributes[key] = value  # type: ignore[index]  # the SDK's mutable BoundedAttributes
            if not record.trace_id and scope.span_context is not None:
                # A thread that did not inherit the context of the run.
                record.trace_id = scope.span_context.trace_id
                record.span_id = scope.span_context.span_id
                record.trace_flags = scope.span_context.trace_flags
        # The context keeps the spans of the job alive; the ids were copied when the record was made.
        record.context = Context()
        resource = log_record.resource or self._resource
        self._put(ReadableLogRecord(record, resource, log_record.instrumentation_scope, log_record.limits))

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing: flushes go through `batchtel.flush`, under one deadline for all signals."""
        return True

    def shutdown(self) -> None:
        """Do nothing, for the same reason."""


class _Handler(LoggingHandler):
    """The stock handler, without the thread that it starts to flush.

    `logging.shutdown` flushes every handler at exit, where CPython 3.12 starts no thread and prints a traceback.
    """

    def flush(self) -> None:
        """Do nothing: a flush is `batchtel.flush`."""


class LogCapture:
    """Copies the standard library's log records that belong to a run to `provider`, until `stop`."""

    def __init__(self, provider: LoggerProvider) -> None:
        self._handler = _Handler(logger_provider=provider)
        self._original: Any = logging.Logger.callHandlers
        self._replacement = self._make(self._original)
        logging.Logger.callHandlers = self._replacement  # type: ignore[method-assign]

    def _make(self, original: Any) -> Any:
        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802  # shows in tracebacks
            if not diverted(record):
                original(logger, record)
                self.copy(record)

        # logging prints the stack of a record that a handler fails on from the first frame outside of its own file.
        callHandlers.__code__ = callHandlers.__code__.replace(co_filename=logging.__file__, co_firstlineno=1)
        return callHandlers

    @harmless(None)
    def copy(self, record: logging.LogRecord) -> None:
        """Copy one record, if it belongs to a run."""
        run = _run_of(record)
        if run is not None and run.may_log():
            self._handler.handle(_formatted(record))

    def stop(self) -> None:
        """Put the standard library back as it was, unless somebody has wrapped it since."""
        if logging.Logger.callHandlers is self._replacement:
            logging.Logger.callHandlers = self._original  # type: ignore[method-assign]


def _run_of(record: logging.LogRecord) -> JobRun | None:
    """Return the run that a record belongs to; None for those of our own threads, too."""
    scope = current.scope()
    return None if scope is None or (record.threadName or "").startswith(THREAD_PREFIX) else scope.job


def is_left_to_others(record: logging.LogRecord) -> bool:
    """Tell whether a record is none of those that are sent with their run; a filter for handlers that would, too."""
    run = _run_of(record)
    return run is None or run.log_is_full


def _formatted(record: logging.LogRecord) -> logging.LogRecord:
    """Return `record`, or where its arguments do not fit its text, which logging reports itself, one with both."""
    try:
        record.getMessage()
    except Exception:
        record = copy.copy(record)
        record.msg, record.args = f"{text_of(record.msg)} {text_of(record.args)}", None
    return record
